"""The compiled part of the flat scan; imported on first use.

Planes, queries and limits are given as addresses: a memory-mapped file that must not be written
then runs the same machine code as an array. Codes are looked at in chunks of 64. A chunk without
a code under a query's limit costs a few vector instructions; only the others are opened.
``vector`` chooses between vectors and loops that compile anywhere; both find the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

from atlash.codes._lanes import CHUNK, GROUP, distance_at, lanes_under, next_hit, word_at
from atlash.codes._popcount import popcount

if TYPE_CHECKING:
    from numpy.typing import NDArray

TILE = 4096
"""Codes that stay in the second-level cache while all queries pass over them."""
WORD_BYTES = 8
ROW_BITS = 40
ROW_MASK = (1 << ROW_BITS) - 1
HIT_BITS = 4

Address = int
Addresses = tuple[int, ...]


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
def lowest(mask: np.uint64) -> int:
    """Place of the lowest set bit."""
    return int(np.int64(popcount(~mask & (mask - np.uint64(1)))))


@numba.njit(nogil=True)
def group_size(query: int, n_queries: int) -> int:
    """Count the queries that pass together from ``query`` on."""
    return GROUP if query + GROUP <= n_queries else 1


@numba.njit(nogil=True)
def keep_nearest(buffer: NDArray[np.int64], limit: int, n_ties: int) -> int:
    """Drop in place what is beyond ``limit``, and all but the first ``n_ties`` at it."""
    kept = 0
    for key in buffer:
        far = key >> ROW_BITS
        if far < limit or (far == limit and n_ties > 0):
            n_ties -= far == limit
            buffer[kept] = key
            kept += 1
    return kept


@numba.njit(nogil=True)
def place_nearest(
    buffer: NDArray[np.int64],
    counts: NDArray[np.int32],
    limit: int,
    distances: NDArray[np.int32],
    rows: NDArray[np.int64],
) -> None:
    """Write what is held, in order of rows, to its places in order of (distance, row)."""
    place = 0
    for far in range(min(limit + 1, len(counts))):
        count = counts[far]
        counts[far] = place
        place += count
    for key in buffer:
        far = key >> ROW_BITS
        if far <= limit and counts[far] < len(rows):
            distances[counts[far]] = far
            rows[counts[far]] = key & ROW_MASK
            counts[far] += 1


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
    """Write the nearest codes of ``span`` to ``(n_queries, k)``, in order of (distance, row).

    A query's limit is the least distance that k codes seen so far do not exceed: counts of each
    distance give it without sorting, and later codes at the limit lose their ties anyway.
    """
    n_queries, k = rows.shape
    query_bytes = WORD_BYTES * len(planes)
    limits = np.full(n_queries, n_distances, dtype=np.int64)
    n_under = np.zeros(n_queries, dtype=np.int64)
    counts = np.zeros((n_queries, n_distances), dtype=np.int32)
    n_held = np.zeros(n_queries, dtype=np.int64)
    buffer = np.empty((n_queries, 2 * k + CHUNK), dtype=np.int64)
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
                    i = first + j
                    asked = near + query_bytes * j
                    mask = look(planes, weights, asked, limits[i], (row, tile_stop), vector)
                    while mask:
                        hit = row + lowest(mask)
                        mask &= mask - np.uint64(1)
                        far = distance_at(planes, weights, asked, hit)
                        if far >= limits[i]:
                            continue
                        if n_held[i] == buffer.shape[1]:
                            n_held[i] = keep_nearest(buffer[i], limits[i], k - n_under[i])
                        buffer[i, n_held[i]] = far << ROW_BITS | hit
                        n_held[i] += 1
                        counts[i, far] += 1
                        n_under[i] += 1
                        while n_under[i] >= k:
                            limits[i] -= 1
                            n_under[i] -= counts[i, limits[i]]
                row += CHUNK
            first += size
    for i in range(n_queries):
        held = buffer[i, : n_held[i]]
        place_nearest(held, counts[i], limits[i], distances[i], rows[i])
