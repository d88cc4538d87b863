"""The compiled part of the flat scan by tables; imported on first use, on x86 with AVX2 alone.

It is for many queries: each tile of codes is laid out byte by byte before they pass over it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

from atlash.codes._candidates import hold, no_candidates, place_nearest
from atlash.codes._emit import CHUNK, HIT_BITS
from atlash.codes._lanes import GROUP, WORD_BYTES, word_at
from atlash.codes._popcount import popcount
from atlash.codes._scan import TILE, look
from atlash.codes._tables import N_VALUES, next_hit_by_tables

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.codes._lanes import Address, Addresses

HALVES = 16
"""Half bytes of a word."""
CACHE_LINE = 64


@numba.njit(nogil=True)
def aligned(n_bytes: int) -> NDArray[np.uint8]:
    """Reserve bytes from the start of a cache line on."""
    raw = np.empty(n_bytes + CACHE_LINE, dtype=np.uint8)
    start = -raw.ctypes.data % CACHE_LINE
    return raw[start : start + n_bytes]


@numba.njit(nogil=True)
def make_tables(queries: Address, tables: NDArray[np.uint8]) -> None:
    """Write the distances of the half bytes of queries to the 16 there are.

    ``tables`` is ``(n_queries, 16 n_words, 16)``, the lowest half byte of a word first.
    """
    n_queries, n_halves = tables.shape[:2]
    for query in range(n_queries):
        for half in range(n_halves):
            word, place = divmod(query * n_halves + half, HALVES)
            asked = np.uint64(word_at(queries + WORD_BYTES * word)) >> np.uint64(4 * place)
            for value in range(N_VALUES):
                apart = (asked ^ np.uint64(value)) & np.uint64(N_VALUES - 1)
                tables[query, half, value] = popcount(apart)


@numba.njit(nogil=True)
def lay_out(planes: Addresses, span: tuple[int, int], tile: NDArray[np.uint8]) -> None:
    """Write the codes of ``span`` byte by byte to ``(n_chunks, 8 n_words, 64)``.

    Places beyond the end of the span keep what they had.
    """
    for start in range(span[0], span[1], CHUNK):
        chunk = tile[(start - span[0]) // CHUNK]
        for word in range(len(planes)):
            rows = chunk[WORD_BYTES * word : WORD_BYTES * (word + 1)]
            for i in range(min(CHUNK, span[1] - start)):
                code = np.uint64(word_at(planes[word] + WORD_BYTES * (start + i)))
                for byte in range(WORD_BYTES):
                    rows[byte, i] = code & np.uint64(255)
                    code >>= np.uint64(8)


@numba.njit(cache=True, nogil=True)
def scan_by_tables(  # noqa: PLR0917 - numba takes arguments by position
    planes: Addresses,
    queries: Address,
    span: tuple[int, int],
    n_distances: int,
    distances: NDArray[np.int32],
    rows: NDArray[np.int64],
) -> None:
    """Do the same as :func:`atlash.codes._scan.scan_nearest`, without weights."""
    n_queries, k = rows.shape
    n_bytes = WORD_BYTES * len(planes)
    n_groups = -(-n_queries // GROUP)
    candidates = no_candidates(GROUP * n_groups, k, n_distances)
    limits = candidates.limits
    limits[n_queries:] = 0  # those that fill up the last group find nothing
    table_bytes = 2 * n_bytes * N_VALUES
    raw_tables, raw_tile = aligned(GROUP * n_groups * table_bytes), aligned(TILE * n_bytes)
    make_tables(queries, raw_tables[: n_queries * table_bytes].reshape(-1, 2 * n_bytes, N_VALUES))
    tile = raw_tile.reshape(TILE // CHUNK, n_bytes, CHUNK)
    for start in range(span[0], span[1], TILE):
        n_codes = min(TILE, span[1] - start)
        lay_out(planes, (start, start + n_codes), tile)
        whole = -(-n_codes // CHUNK) * CHUNK
        for first in range(0, n_queries, GROUP):
            tables = raw_tables.ctypes.data + table_bytes * first
            bounds = limits.ctypes.data + WORD_BYTES * first
            row = 0
            while row < whole:
                found = next_hit_by_tables(
                    planes, raw_tile.ctypes.data, tables, bounds, (row, whole)
                )
                row = found >> HIT_BITS
                for j in range(GROUP):
                    if row >= whole or not found >> j & 1:
                        continue
                    asked, limit = queries + n_bytes * (first + j), limits[first + j]
                    place = start + row
                    mask = look(planes, (), asked, limit, (place, start + n_codes), True)  # noqa: FBT003
                    hold(candidates, first + j, k, (planes, (), asked, place), mask)
                row += CHUNK
    place_nearest(candidates, distances, rows)
