"""The compiled part of radius searches; imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

from atlash.codes._candidates import lowest
from atlash.codes._emit import CHUNK, HIT_BITS
from atlash.codes._lanes import WORD_BYTES, distance_at
from atlash.codes._scan import TILE, find, group_size, look

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.codes._lanes import Address, Addresses


@numba.njit(cache=True, nogil=True)
def count_hits(  # noqa: PLR0917 - numba takes arguments by position
    planes: Addresses,
    weights: Addresses,
    queries: Address,
    span: tuple[int, int],
    limit: int,
    vector: bool,  # noqa: FBT001
    groups: NDArray[np.int32],
    counts: NDArray[np.int64],
) -> None:
    """Count codes of ``span`` nearer than ``limit``, by distance or by group.

    ``counts`` is ``(n_queries, n_groups)``, or ``(n_queries, limit)`` where ``groups`` is empty.
    """
    limits = np.full(len(counts), limit, dtype=np.int64)
    query_bytes = WORD_BYTES * len(planes)
    for tile in range(span[0], span[1], TILE):
        tile_stop = min(tile + TILE, span[1])
        first = 0
        while first < len(counts):
            size = group_size(first, len(counts))
            near = queries + query_bytes * first
            row = tile
            while row < tile_stop:
                bounds = limits.ctypes.data
                found = find(planes, weights, near, bounds, (row, tile_stop), size, vector)
                row = found >> HIT_BITS
                for j in range(size):
                    if row >= tile_stop or not found >> j & 1:
                        continue
                    asked = near + query_bytes * j
                    mask = look(planes, weights, asked, limit, (row, tile_stop), vector)
                    while mask:
                        hit = row + lowest(mask)
                        mask &= mask - np.uint64(1)
                        if len(groups) == 0:
                            counts[first + j, distance_at(planes, weights, asked, hit)] += 1
                        elif groups[hit] >= 0:
                            counts[first + j, groups[hit]] += 1
                row += CHUNK
            first += size


@numba.njit(cache=True, nogil=True)
def place_hits(  # noqa: PLR0917 - numba takes arguments by position
    planes: Addresses,
    weights: Addresses,
    queries: Address,
    span: tuple[int, int],
    vector: bool,  # noqa: FBT001
    places: NDArray[np.int64],
    distances: NDArray[np.int32],
    rows: NDArray[np.int64],
) -> None:
    """Write codes of ``span`` to the next place ``(n_queries, limit)`` of their distance."""
    n_queries, limit = places.shape
    limits = np.full(n_queries, limit, dtype=np.int64)
    query_bytes = WORD_BYTES * len(planes)
    for tile in range(span[0], span[1], TILE):
        tile_stop = min(tile + TILE, span[1])
        first = 0
        while first < n_queries:
            size = group_size(first, n_queries)
            near = queries + query_bytes * first
            row = tile
            while row < tile_stop:
                bounds = limits.ctypes.data
                found = find(planes, weights, near, bounds, (row, tile_stop), size, vector)
                row = found >> HIT_BITS
                for j in range(size):
                    if row >= tile_stop or not found >> j & 1:
                        continue
                    asked = near + query_bytes * j
                    mask = look(planes, weights, asked, limit, (row, tile_stop), vector)
                    while mask:
                        hit = row + lowest(mask)
                        mask &= mask - np.uint64(1)
                        far = distance_at(planes, weights, asked, hit)
                        place = places[first + j, far]
                        places[first + j, far] += 1
                        distances[place] = far
                        rows[place] = hit
                row += CHUNK
            first += size
