"""The compiled part of the flat scan; imported on first use.

Planes, queries and limits are given as addresses: a memory-mapped file that must not be written
then runs the same machine code as an array. Codes are looked at in chunks of 64. A chunk without
a code under a query's limit costs a few vector instructions; only the others are opened.
``vector`` chooses between vectors and loops that compile anywhere; both find the same, as does
:mod:`atlash.codes._table_scan`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

from atlash.codes._candidates import hold, no_candidates, place_nearest
from atlash.codes._emit import CHUNK, HIT_BITS
from atlash.codes._lanes import (
    GROUP,
    WORD_BYTES,
    distance_at,
    lanes_under,
    next_hit,
    word_at,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.codes._lanes import Address, Addresses

TILE = 4096
"""Codes that stay in the second-level cache while all queries pass over them."""


@numba.njit(nogil=True)
def next_hit_by_loops(  # noqa: PLR0917 - numba takes arguments by position
    planes: Addresses,
    weights: Addresses,
    queries: Address,
    limits: Address,
    span: tuple[int, int],
    n_queries: int,
) -> int:
    """Do the same as `next_hit` without vectors of our own."""
    for row in range(span[0], span[1], CHUNK):
        mask = 0
        for j in range(n_queries):
            query = queries + WORD_BYTES * len(planes) * j
            least = np.int64(2**62)
            for i in range(row, row + CHUNK):
                least = min(least, distance_at(planes, weights, query, i))
            if least < word_at(limits + WORD_BYTES * j):
                mask |= 1 << j
        if mask:
            return row << HIT_BITS | mask
    return span[1] << HIT_BITS


@numba.njit(nogil=True)
def find(  # noqa: PLR0917 - numba takes arguments by position
    planes: Addresses,
    weights: Addresses,
    queries: Address,
    limits: Address,
    span: tuple[int, int],
    n_queries: int,
    vector: bool,  # noqa: FBT001
) -> int:
    """Find the next chunk with a hit of ``n_queries`` (1 or ``GROUP``) queries, as `next_hit`."""
    start, stop = span
    whole = stop - (stop - start) % CHUNK
    if start < whole:
        found: int
        if not vector:
            found = next_hit_by_loops(planes, weights, queries, limits, (start, whole), n_queries)
        elif n_queries == GROUP:
            found = next_hit(planes, weights, queries, limits, (start, whole), GROUP)
        else:
            found = next_hit(planes, weights, queries, limits, (start, whole), 1)
        if found >> HIT_BITS < whole:
            return found
    return whole << HIT_BITS | (1 << n_queries) - 1


@numba.njit(nogil=True)
def look(  # noqa: PLR0917 - numba takes arguments by position
    planes: Addresses,
    weights: Addresses,
    query: Address,
    limit: int,
    span: tuple[int, int],
    vector: bool,  # noqa: FBT001
) -> np.uint64:
    """Mark the codes of the chunk at the start of ``span`` that are nearer than ``limit``."""
    row, stop = span
    if vector and stop - row >= CHUNK:
        hits: np.uint64 = lanes_under(planes, weights, query, limit, row)
        return hits
    mask = np.uint64(0)
    for i in range(min(CHUNK, stop - row)):
        under = distance_at(planes, weights, query, row + i) < limit
        mask |= np.uint64(under) << np.uint64(i)
    return mask


@numba.njit(nogil=True)
def group_size(query: int, n_queries: int) -> int:
    """Count the queries that pass together from ``query`` on."""
    return GROUP if query + GROUP <= n_queries else 1


@numba.njit(cache=True, nogil=True)
def scan_nearest(  # noqa: PLR0917 - numba takes arguments by position
    planes: Addresses,
    weights: Addresses,
    queries: Address,
    span: tuple[int, int],
    n_distances: int,
    vector: bool,  # noqa: FBT001
    distances: NDArray[np.int32],
    rows: NDArray[np.int64],
) -> None:
    """Write the nearest codes of ``span`` to ``(n_queries, k)``, in order of (distance, row)."""
    n_queries, k = rows.shape
    query_bytes = WORD_BYTES * len(planes)
    candidates = no_candidates(n_queries, k, n_distances)
    limits = candidates.limits
    for tile in range(span[0], span[1], TILE):
        tile_stop = min(tile + TILE, span[1])
        first = 0
        while first < n_queries:
            size = group_size(first, n_queries)
            near = queries + query_bytes * first
            row = tile
            while row < tile_stop:
                bounds = limits.ctypes.data + WORD_BYTES * first
                found = find(planes, weights, near, bounds, (row, tile_stop), size, vector)
                row = found >> HIT_BITS
                for j in range(size):
                    if row >= tile_stop or not found >> j & 1:
                        continue
                    asked, limit = near + query_bytes * j, limits[first + j]
                    mask = look(planes, weights, asked, limit, (row, tile_stop), vector)
                    hold(candidates, first + j, k, (planes, weights, asked, row), mask)
                row += CHUNK
            first += size
    place_nearest(candidates, distances, rows)
