"""The compiled part of the bucket graph; imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Links(NamedTuple):
    """A CSR matrix of weights between cells."""

    indptr: NDArray[np.integer]
    indices: NDArray[np.integer]
    weights: NDArray[np.floating]


class Members(NamedTuple):
    """Bucket of each cell; ``cells[bounds[b] : bounds[b + 1]]`` are those of bucket ``b``."""

    bucket: NDArray[np.int32]
    cells: NDArray[np.int64]
    bounds: NDArray[np.int64]


@numba.njit(cache=True, nogil=True)
def count_buckets(links: Links, members: Members, counts: NDArray[np.int64]) -> None:
    """Write to how many buckets the cells of each bucket lead ``(n_buckets,)``."""
    indptr, indices, _ = links
    bucket, cells, bounds = members
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
    links: Links,
    members: Members,
    scale: float,
    starts: NDArray[np.int64],
    columns: NDArray[np.int32],
    sums: NDArray[np.int64],
) -> None:
    """Write the buckets that each bucket leads to, ascending, and their sums in whole steps.

    ``starts`` tells where the buckets of each bucket begin and end, ``(n_buckets + 1,)``.
    """
    indptr, indices, weights = links
    bucket, cells, bounds = members
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
