"""The compiled part of shared neighbours; imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@numba.njit(nogil=True)
def _n_common(first: NDArray[np.int32], second: NDArray[np.int32]) -> int:
    """Count what two ascending lists have in common."""
    i, j, common = 0, 0, 0
    while i < len(first) and j < len(second):
        a, b = first[i], second[j]
        common += a == b
        i += a <= b
        j += b <= a
    return common


@numba.njit(nogil=True)
def _has(ascending: NDArray[np.int32], row: int) -> bool:
    """Tell whether a row is in an ascending list."""
    place = np.searchsorted(ascending, row)
    return bool(place < len(ascending) and ascending[place] == row)


@numba.njit(cache=True, nogil=True)
def weigh(lists: NDArray[np.int32], span: tuple[int, int], weights: NDArray[np.float32]) -> None:
    """Write the Jaccard index of each cell's list with those of the cells in it, ``(N, k + 1)``.

    Lists are ascending and hold the cell itself, whose weight with itself is 0.
    """
    size = lists.shape[1]
    for row in range(span[0], span[1]):
        for k in range(size):
            other = lists[row, k]
            weights[row, k] = 0
            if other != row:
                common = _n_common(lists[row], lists[other])
                weights[row, k] = np.float32(common / (2 * size - common))


@numba.njit(cache=True, nogil=True)
def count_pairs(lists: NDArray[np.int32], counts: NDArray[np.int64]) -> None:
    """Write how many cells are in a cell's list or have it in theirs, without itself."""
    counts[:] = lists.shape[1] - 1
    for row in range(len(lists)):
        for other in lists[row]:
            counts[other] += not _has(lists[other], row)


@numba.njit(cache=True, nogil=True)
def place_pairs(
    lists: NDArray[np.int32],
    weights: NDArray[np.float32],
    starts: NDArray[np.int64],
    columns: NDArray[np.int32],
    values: NDArray[np.float32],
) -> None:
    """Write each pair to the rows of both its ends; ``starts`` is moved to the ends of the rows.

    Rows are passed in order, so that what comes to a row from others is ascending.
    """
    for row in range(len(lists)):
        for k in range(lists.shape[1]):
            other = lists[row, k]
            if other != row and not _has(lists[other], row):
                columns[starts[other]] = row
                values[starts[other]] = weights[row, k]
                starts[other] += 1
    for row in range(len(lists)):
        for k in range(lists.shape[1]):
            if lists[row, k] != row:
                columns[starts[row]] = lists[row, k]
                values[starts[row]] = weights[row, k]
                starts[row] += 1
