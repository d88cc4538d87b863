"""The compiled part of buckets; imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

from atlash.graph._tiles import NOTHING, TILE, pair_distances

if TYPE_CHECKING:
    from numpy.typing import NDArray

GROUP = 256
"""Places that pass over a tile while it is in the first-level cache."""


@numba.njit(nogil=True)
def _offer(
    bits: NDArray[np.int32], n: int, start: int, nearest: NDArray[np.int64], row: int
) -> None:
    """Keep the nearest of the first ``n`` distances if it is nearer than what is held."""
    least = NOTHING
    for i in range(n):
        least = min(least, bits[i])
    if np.int64(least) < nearest[row] >> 32:
        place = 0
        while bits[place] != least:
            place += 1
        nearest[row] = np.int64(least) << 32 | (start + place)


@numba.njit(cache=True, nogil=True)
def find_nearest(
    places: NDArray[np.float32],
    tiles: NDArray[np.float32],
    n_centres: int,
    span: tuple[int, int],
    nearest: NDArray[np.int64],
) -> None:
    """Write ``bits of the squared distance * 2^32 + centre`` of each place's nearest centre.

    Ties go to the first centre.
    """
    first, second = np.empty(TILE, dtype=np.float32), np.empty(TILE, dtype=np.float32)
    first_bits, second_bits = first.view(np.int32), second.view(np.int32)
    for start in range(span[0], span[1], GROUP):
        stop = min(start + GROUP, span[1])
        nearest[start:stop] = np.int64(NOTHING) << 32
        for t in range(tiles.shape[0]):
            n = min(TILE, n_centres - t * TILE)
            for row in range(start, stop, 2):
                other = min(row + 1, stop - 1)
                pair_distances(places[row], places[other], tiles[t], first, second)
                _offer(first_bits, n, t * TILE, nearest, row)
                _offer(second_bits, n, t * TILE, nearest, other)


@numba.njit(cache=True, nogil=True)
def add_steps(
    steps: NDArray[np.int64],
    weights: NDArray[np.int64],
    bucket: NDArray[np.int32],
    sums: NDArray[np.int64],
) -> None:
    """Add each place, in whole steps and with its weight, to the sum of its bucket."""
    for row in range(steps.shape[0]):
        for axis in range(steps.shape[1]):
            sums[bucket[row], axis] += weights[row] * steps[row, axis]
