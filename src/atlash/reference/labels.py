"""The labels of a reference's cells, checked."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atlash.data.columns import one_column, text_of
from atlash.errors import KeyNotFoundError, LabelsError, did_you_mean
from atlash.keys import UNASSIGNED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from atlash.data.source import CellSource


MANY = 0.1
"""Share of cells without a label from which on it is worth to say what they are good for."""


class UnlabelledCellsWarning(UserWarning):
    """Cells have no label, and are no part of the reference."""


class RareTypeWarning(UserWarning):
    """A type has so few cells that it can hardly be learned."""


@dataclass(frozen=True)
class Labels:
    """Types and batches of the cells of all sources, one after the other.

    Attributes
    ----------
    types
        Names of the types, sorted.
    codes
        Type of each cell ``(n_cells,)``, -1 where there is none.
    groups
        Batch of each cell ``(n_cells,)``, or ``None``.
    """

    types: list[str]
    codes: NDArray[np.int64]
    groups: NDArray[np.int64] | None

    @property
    def n_unlabelled(self) -> int:
        """Cells without a label."""
        return int((self.codes < 0).sum())

    def by_source(
        self, sources: Sequence[CellSource]
    ) -> list[tuple[CellSource, NDArray[np.int64]]]:
        """Return each source with the types of its cells, -1 where there is none."""
        ends = np.cumsum([source.n_cells for source in sources])
        return list(zip(sources, np.split(self.codes, ends[:-1]), strict=True))


def read_labels(
    sources: Sequence[CellSource],
    labels_key: str,
    batch_key: str | None,
    *,
    max_unlabelled: float,
    use_unlabelled: bool = False,
) -> Labels:
    """Read and check the labels of all sources.

    Parameters
    ----------
    sources
        The cells.
    labels_key, batch_key
        Columns of ``obs``. Without ``batch_key`` each source is a batch if there are several.
    max_unlabelled
        Greatest share of cells without a label, in [0, 1].
    use_unlabelled
        Cells without a label are asked for: nothing is said of them, and sources without
        the column hold such cells alone.

    Raises
    ------
    KeyNotFoundError
        If a column does not exist.
    LabelsError
        If too few cells have a label, there is one type only, no type has two cells, a type has a
        reserved name, or labels are named as batches.

    Warns
    -----
    UnlabelledCellsWarning
        If cells are left out of everything, or count as unlabelled for want of the column.
    RareTypeWarning
        If a type has fewer than 5 cells.
    """
    if batch_key == labels_key:
        msg = (
            f"`batch_key` and the labels are both {labels_key!r}: each type would be a batch of "
            "its own. Name the column of the donor or study, or leave `batch_key` out."
        )
        raise LabelsError(msg)
    text = read_names(sources, labels_key, may_lack=use_unlabelled)
    codes, types = pd.factorize(text, sort=True)
    labels = Labels([str(t) for t in types], codes.astype(np.int64), _groups(sources, batch_key))
    _check(labels, labels_key, max_unlabelled)
    if labels.n_unlabelled and not use_unlabelled:
        _tell_left_out(labels, labels_key)
    return labels


def read_names(
    sources: Sequence[CellSource], key: str, *, may_lack: bool = False
) -> NDArray[np.object_]:
    """Return the text of a column of all sources ``(n_cells,)``, ``None`` where there is none.

    Raises
    ------
    KeyNotFoundError
        If the column does not exist: in one of the sources, or in all if some ``may_lack`` it.
    """
    anywhere = may_lack and any(key in source.obs for source in sources)
    texts = []
    for source in sources:
        if anywhere and key not in source.obs:
            _tell_lacking(source, key)
            texts.append(np.full(source.n_cells, None, dtype=object))
        else:
            texts.append(texts_of(_column(source, key)))
    return np.concatenate(texts)


def _tell_lacking(source: CellSource, key: str) -> None:
    hint = did_you_mean(key, [str(column) for column in source.obs.columns])
    msg = f"{source.name} has no column {key!r}; its {source.n_cells:,} cells have no label.{hint}"
    warnings.warn(msg, UnlabelledCellsWarning, stacklevel=4)


def texts_of(values: pd.Series[Any]) -> NDArray[np.object_]:
    """Return the text of labels ``(n,)``, ``None`` where there is none or nothing but blanks."""
    names = values.astype("object").where(values.notna(), None)
    text = [None if value is None else text_of(value).strip() or None for value in names]
    return np.array(text, dtype=object)


def _column(source: CellSource, key: str) -> pd.Series[str]:
    if key in source.obs:
        return one_column(source.obs, key)
    columns = [str(c) for c in source.obs.columns]
    hint = did_you_mean(key, columns)
    listed = ", ".join(repr(c) for c in columns) or "no columns"
    msg = f"{source.name}: there is no column {key!r} in obs, which has {listed}.{hint}"
    raise KeyNotFoundError(msg)


def _groups(sources: Sequence[CellSource], batch_key: str | None) -> NDArray[np.int64] | None:
    if batch_key is not None:
        values = pd.concat([_column(s, batch_key).astype("object") for s in sources])
        missing = int(values.isna().sum())
        if missing:
            msg = (
                f"{missing:,} of {len(values):,} cells have no value in the batch column "
                f"{batch_key!r}. Fill them, for example with "
                f"`adata.obs[{batch_key!r}].astype('object').fillna('unknown')`."
            )
            raise LabelsError(msg)
        # one name in several files is one batch: parting a donor would leak into held-out folds
        names = [text_of(value) for value in values]
        return np.asarray(pd.factorize(np.array(names), sort=True)[0], dtype=np.int64)
    if len(sources) > 1:
        return np.repeat(np.arange(len(sources)), [s.n_cells for s in sources])
    return None


def _tell_left_out(labels: Labels, labels_key: str) -> None:
    missing, n_cells = labels.n_unlabelled, len(labels.codes)
    msg = f"{missing:,} of {n_cells:,} cells have no label in {labels_key!r} and are left out."
    if missing >= MANY * n_cells:
        msg += " With `use_unlabelled=True` they help to choose genes and axes."
    warnings.warn(msg, UnlabelledCellsWarning, stacklevel=4)


def _check(labels: Labels, labels_key: str, max_unlabelled: float) -> None:
    n_cells, missing = len(labels.codes), labels.n_unlabelled
    if missing == n_cells:
        msg = (
            f"None of {n_cells:,} cells has a label in {labels_key!r}. A reference is learned "
            "from labelled cells; choose another column, or fill this one."
        )
        raise LabelsError(msg)
    if missing > max_unlabelled * n_cells:
        msg = (
            f"{missing:,} of {n_cells:,} cells have no label in {labels_key!r} (at most "
            f"{max_unlabelled:.0%} may lack one). Leave those cells out, choose another column, "
            "or raise `max_unlabelled`. With `use_unlabelled=True` any share may lack one, and "
            "cells without a label help to choose genes and axes."
        )
        raise LabelsError(msg)
    if len(labels.types) < 2:
        msg = (
            f"All labelled cells in {labels_key!r} are {labels.types[0]!r}. A reference tells "
            "types apart, so it needs at least two; choose another column or add cells."
        )
        raise LabelsError(msg)
    if UNASSIGNED in labels.types:
        msg = (
            f"{labels_key!r} has the type {UNASSIGNED!r}, which atlash gives to cells of no type. "
            "Set those labels to NaN to leave the cells out, or rename the type."
        )
        raise LabelsError(msg)
    counts = np.bincount(labels.codes[labels.codes >= 0])
    if counts.max() < 2:
        msg = (
            f"Each of the {len(counts):,} types in {labels_key!r} has one cell, such as "
            f"{labels.types[0]!r}. Confidence is calibrated on cells held out, so a type needs at "
            "least two; choose a column of types, not of cells."
        )
        raise LabelsError(msg)
    rare = [f"{labels.types[i]!r} ({counts[i]})" for i in np.flatnonzero(counts < 5)]
    if rare:
        msg = (
            f"{len(rare)} of {len(counts)} types have fewer than 5 cells: "
            f"{', '.join(rare[:5])}{', ...' if len(rare) > 5 else ''}. They are kept, but expect "
            "little of them; more cells, or joining them to a broader type, would help."
        )
        warnings.warn(msg, RareTypeWarning, stacklevel=4)
