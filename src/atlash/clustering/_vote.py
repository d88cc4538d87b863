"""Compiled: how much of what lies around a cell belongs to its cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@numba.njit(cache=True, nogil=True)
def vote(  # noqa: PLR0917 - numba takes arguments by position
    places: NDArray[np.float32],
    bucket: NDArray[np.int32],
    centres: NDArray[np.float32],
    around: NDArray[np.int32],
    cluster: NDArray[np.int32],
    sizes: NDArray[np.int64],
    share: NDArray[np.float32],
) -> None:
    """Write the share ``(n,)`` that a cell's own cluster has of the buckets around its bucket.

    A bucket weighs as many cells as it has, times Student's kernel of its distance; the unit of
    distance is the mean over the buckets around.
    """
    squared = np.empty(around.shape[1])
    for row in range(len(places)):
        mean = 0.0
        for place in range(around.shape[1]):
            centre = centres[around[bucket[row], place]]
            total = 0.0
            for axis in range(centre.size):
                step = np.float64(places[row, axis]) - np.float64(centre[axis])
                total += step * step
            squared[place] = total
            mean += total / squared.size
        own, everything = 0.0, 0.0
        for place in range(squared.size):
            other = around[bucket[row], place]
            weight = sizes[other] / (1 + squared[place] / mean) if mean > 0 else 1.0 * sizes[other]
            everything += weight
            if cluster[other] == cluster[bucket[row]]:
                own += weight
        share[row] = own / everything
