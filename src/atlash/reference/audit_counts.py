"""Counts over all cells that grow with the chunks: names of values, and ones of each bit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from atlash.codes.census import count_ones
from atlash.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_LOW = 0xFFFFFFFF


class Names:
    """Numbers for the values of a column, in the order in which they are met.

    Parameters
    ----------
    known
        Values that have the first numbers.
    most
        Most values that there may be; ``None`` for any number.
    """

    def __init__(self, known: Sequence[str] = (), *, most: int | None = None) -> None:
        self.all = list(known)
        self.most = most
        self._number = {name: place for place, name in enumerate(known)}

    def numbers(self, column: pa.Array) -> NDArray[np.int32]:
        """Return the number of each entry ``(n,)``, int32; -1 for missing ones.

        Raises
        ------
        InputError
            If there are too many values.
        """
        coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        indices = coded.indices.cast(pa.int64())
        places = indices.fill_null(len(coded.dictionary)).to_numpy()
        used, first = np.unique(places, return_index=True)
        values = [*coded.dictionary.to_pylist(), None]
        number = np.full(len(values), -1, dtype=np.int32)
        for place in used[np.argsort(first)]:
            number[place] = self._place(values[place])
        return np.asarray(number[places])

    def of(self, numbers: NDArray[np.int32]) -> list[str | None]:
        """Return the value of each number ``(n,)``; ``None`` for those that have none."""
        return [self.all[k] if 0 <= k < len(self.all) else None for k in numbers.tolist()]

    def _place(self, value: object) -> int:
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return -1
        place = self._number.setdefault(str(value), len(self.all))
        if place == len(self.all):
            self.all.append(str(value))
            if self.most is not None and place >= self.most:
                msg = (
                    f"The batch column has more than {self.most:,} values, such as "
                    f"{self.all[0]!r}: a batch is a group of cells, such as a donor or a study. "
                    "Choose another column."
                )
                raise InputError(msg)
        return place


class GroupCounts:
    """How many cells of each label and batch have each bit.

    Parameters
    ----------
    n_bits
        Length of a code, a multiple of 64.

    Attributes
    ----------
    groups
        Label and batch of each group ``(g, 2)``, int32, in the order in which they are met.
    sizes
        Cells of each group ``(g,)``, int64.
    ones
        Cells of each group that have each bit ``(g, n_bits)``, int64.
    """

    def __init__(self, n_bits: int) -> None:
        self.groups = np.empty((0, 2), dtype=np.int32)
        self.sizes = np.zeros(0, dtype=np.int64)
        self.ones = np.zeros((0, n_bits), dtype=np.int64)
        self._number: dict[tuple[int, int], int] = {}

    def add(
        self, words: NDArray[np.uint64], labels: NDArray[np.int32], batches: NDArray[np.int32]
    ) -> None:
        """Count the bits of codes ``(n, n_words)`` of labels and batches ``(n,)``, from -1."""
        both = (labels.astype(np.int64) + 1) << 32 | (batches.astype(np.int64) + 1)
        found, place = np.unique(both, return_inverse=True)
        pairs = [(int(pair >> 32) - 1, int(pair & _LOW) - 1) for pair in found]
        number = [self._number.setdefault(pair, len(self._number)) for pair in pairs]
        fresh = len(self._number) - len(self.sizes)
        self.sizes = np.pad(self.sizes, (0, fresh))
        self.ones = np.pad(self.ones, ((0, fresh), (0, 0)))
        self.groups = np.array(list(self._number), dtype=np.int32).reshape(-1, 2)
        group_of = np.array(number, dtype=np.int32)[place]
        self.sizes += np.bincount(group_of, minlength=len(self.sizes))
        count_ones(words, group_of, self.ones)
