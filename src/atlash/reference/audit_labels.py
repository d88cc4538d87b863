"""Cells whose code and label, or whose code and types, do not go together."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from atlash.codes.hamming import hamming
from atlash.codes.pack import pack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from atlash.codes.census import Nearest

MIDWAY_SHARE = 1 / 8
"""A cell is midway if its margin is at most this share of the least distance of two anchors.

A cell on the straight way from one anchor to another, ``d`` bits apart, is then at least 7/16 of
``d`` away from both: more of a doublet than of a noisy cell.
"""
SURE_SHARE = 1 / 2
"""A label is surely another's if the margin is at least this share of that distance."""


class Worst:
    """The first rows of a table in an order, whatever the chunks that it comes in.

    Parameters
    ----------
    most
        Rows that are kept.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.total = 0
        self.kept: dict[str, NDArray[np.int64]] = {}

    def add(self, columns: dict[str, NDArray[Any]], *, order: NDArray[np.int64]) -> None:
        """Take rows in; those of least ``order`` are kept, and of these the earlier ones.

        Parameters
        ----------
        columns
            Whole numbers by name, each ``(n,)``, among them ``"row"``, which is unique.
        order
            ``(n,)``.
        """
        given = {name: values.astype(np.int64) for name, values in columns.items()}
        given["order"] = order.astype(np.int64)
        self.total += len(order)
        if self.kept:
            given = {name: np.concatenate([self.kept[name], given[name]]) for name in given}
        best = np.lexsort((given["row"], given["order"]))[: self.most]
        self.kept = {name: values[best] for name, values in given.items()}


class LabelTally:
    """Cells midway between two anchors, and cells nearer to another anchor than their own.

    Parameters
    ----------
    anchors
        One row of -1 and +1 a learned type ``(n_learned, n_bits)``, int8.
    most
        Cells of each finding that are kept.
    n_types
        Labels below it that have no anchor are of registered types.
    """

    def __init__(self, anchors: NDArray[np.int8], most: int, *, n_types: int) -> None:
        packed = pack(anchors > 0)
        self.n_bits = anchors.shape[1]
        self.registered = np.arange(len(anchors), n_types)
        self.apart = hamming(packed, packed)
        others = self.apart[~np.eye(len(anchors), dtype=bool)]
        self.least = int(others.min()) if len(others) else 0
        self.midway_margin = max(1, int(self.least * MIDWAY_SHARE))
        self.sure_margin = max(1, int(np.ceil(self.least * SURE_SHARE)))
        self.midway, self.mislabelled = Worst(most), Worst(most)
        self.midway_pairs: Counter[tuple[int, int]] = Counter()
        self.label_pairs: Counter[tuple[int, int]] = Counter()
        self.n_sure = 0
        self.n_judged = 0

    def add(self, first_row: int, labels: NDArray[np.int32], near: Nearest) -> None:
        """Look at a chunk of cells.

        Parameters
        ----------
        first_row
            Position of the first one.
        labels
            ``(n,)``, int32; those that are no row of the anchors are not judged, and cells of
            registered types are not midway.
        near
            Where their codes lie.
        """
        rows = np.arange(first_row, first_row + len(labels))
        self._add_midway(rows, labels, near)
        self._add_mislabelled(rows, labels, near)

    def _add_midway(
        self, rows: NDArray[np.int64], labels: NDArray[np.int32], near: Nearest
    ) -> None:
        margin = near.to_second - near.to_first
        registered = np.isin(labels, self.registered)  # near no anchor, so all are as far
        close = (near.second >= 0) & (margin <= self.midway_margin)
        found = np.flatnonzero(close & ~registered)
        first, second = near.first[found], near.second[found]
        # bits in which the cell differs from both, where these agree
        aside = (near.to_first + near.to_second)[found] - self.apart[first, second]
        columns: dict[str, NDArray[Any]] = {
            "row": rows[found],
            "label": labels[found],
            "first": first,
            "second": second,
            "margin": margin[found],
            "aside": aside // 2,
        }
        order = margin[found].astype(np.int64) * self.n_bits + columns["aside"]
        self.midway.add(columns, order=order)
        self.midway_pairs.update(_counted(np.minimum(first, second), np.maximum(first, second)))

    def _add_mislabelled(
        self, rows: NDArray[np.int64], labels: NDArray[np.int32], near: Nearest
    ) -> None:
        margin = near.to_own - near.to_first
        judged = near.to_own >= 0
        found = np.flatnonzero(judged & (margin > 0))
        columns: dict[str, NDArray[Any]] = {
            "row": rows[found],
            "label": labels[found],
            "nearest": near.first[found],
            "margin": margin[found],
            "distance": near.to_first[found],
        }
        self.mislabelled.add(columns, order=-margin[found].astype(np.int64))
        self.label_pairs.update(_counted(labels[found], near.first[found]))
        self.n_sure += int((margin[found] >= self.sure_margin).sum())
        self.n_judged += int(judged.sum())

    def midway_summary(self, types: Sequence[str], most: int) -> dict[str, Any]:
        """Return the number of cells midway and their pairs of types, as plain JSON."""
        if len(self.apart) < 2:
            return {"skipped": "There is one type, and no other to be midway to.", "cells": 0}
        return {
            "cells": self.midway.total,
            "margin_at_most": self.midway_margin,
            "least_anchor_distance": self.least,
            "pairs": [
                {"first": types[a], "second": types[b], "cells": count}
                for (a, b), count in _ordered(self.midway_pairs)[:most]
            ],
        }

    def mislabelled_summary(
        self, types: Sequence[str], cells_of_label: NDArray[np.int64], most: int
    ) -> dict[str, Any]:
        """Return the number of cells nearer to another anchor and the pairs, as plain JSON.

        Parameters
        ----------
        types
            Names of the labels.
        cells_of_label
            ``(n_labels,)``.
        most
            Pairs that are told.
        """
        return {
            "cells": self.mislabelled.total,
            "sure": self.n_sure,
            "sure_margin": self.sure_margin,
            "judged": self.n_judged,
            "pairs": [
                {
                    "label": types[a],
                    "nearest": types[b],
                    "cells": count,
                    "share_of_label": count / int(cells_of_label[a]),
                }
                for (a, b), count in _ordered(self.label_pairs)[:most]
            ],
        }


def _counted(a: NDArray[np.int32], b: NDArray[np.int32]) -> dict[tuple[int, int], int]:
    """Return how often each pair of numbers from 0 occurs."""
    pairs, counts = np.unique(a.astype(np.int64) << 32 | b, return_counts=True)
    return {
        (int(pair >> 32), int(pair & 0xFFFFFFFF)): int(count)
        for pair, count in zip(pairs, counts, strict=True)
    }


def _ordered(pairs: Counter[tuple[int, int]]) -> list[tuple[tuple[int, int], int]]:
    """Return pairs with their counts, the most frequent first."""
    return sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
