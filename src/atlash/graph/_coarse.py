"""The compiled part of the bucket graph; imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@numba.njit(cache=True, nogil=True)
def count_buckets(  # noqa: PLR0917 - numba takes arguments by position
    indptr: NDArray[np.int64],
    indices: NDArray[np.int64],
    bucket: NDArray[np.int32],
    cells: NDArray[np.int64],
    bounds: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> None:
    """Write to how many buckets the cells of each bucket lead.

    ``cells[bounds[b] : bounds[b + 1]]`` are those of bucket ``b``.
    """
    seen = np.full(len(counts), -1, dtype=np.int64)
    for own in range(len(counts)):
        counts[own] = 0
        for cell in cells[bounds[own] : bounds[own + 1]]:
            for at in range(indptr[cell], indptr[cell + 1]):
                other = bucket[indices[at]]
                counts[own] += seen[other] != own
                seen[other] = own


@numba.njit(cache=True, nogil=True)
def add_weights(  # noqa: PLR0917 - numba takes arguments by position
    indptr: NDArray[np.int64],
    indices: NDArray[np.int64],
    weights: NDArray[np.float32],
    scale: float,
    bucket: NDArray[np.int32],
    cells: NDArray[np.int64],
    bounds: NDArray[np.int64],
    starts: NDArray[np.int64],
    columns: NDArray[np.int32],
    sums: NDArray[np.int64],
) -> None:
    """Write the buckets that each bucket leads to, ascending, and their sums in whole steps.

    ``starts`` tells where the buckets of each bucket begin and end, ``(n_buckets + 1,)``.
    """
    n_buckets = len(starts) - 1
    total = np.zeros(n_buckets, dtype=np.int64)
    seen = np.full(n_buckets, -1, dtype=np.int64)
    for own in range(n_buckets):
        place = starts[own]
        for cell in cells[bounds[own] : bounds[own + 1]]:
            for at in range(indptr[cell], indptr[cell + 1]):
                other = bucket[indices[at]]
                if seen[other] != own:
                    seen[other] = own
                    columns[place] = other
                    place += 1
                total[other] += np.int64(np.rint(np.float64(weights[at]) * scale))
        columns[starts[own] : place].sort()
        for at in range(starts[own], place):
            sums[at] = total[columns[at]]
            total[columns[at]] = 0
