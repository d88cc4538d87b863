"""The compiled part of neighbours; imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

from atlash.graph._tiles import NOTHING, TILE, pair_distances

if TYPE_CHECKING:
    from numpy.typing import NDArray

GROUP = 256
"""Queries that pass over a tile while it is in the first-level cache."""
CHUNK = 32
"""Distances that are passed over at once where none is near enough."""
LOW = (1 << 32) - 1


@numba.njit(nogil=True)
def _insert(nearest: NDArray[np.int64], key: int) -> None:
    """Put a key into an ascending row, whose last key goes."""
    place = len(nearest) - 1
    while place > 0 and nearest[place - 1] > key:
        nearest[place] = nearest[place - 1]
        place -= 1
    nearest[place] = key


@numba.njit(nogil=True)
def _offer(
    bits: NDArray[np.int32], names: NDArray[np.int32], own: int, nearest: NDArray[np.int64]
) -> None:
    """Insert the places of a tile that are nearer, by (distance, row), than the last one held."""
    last = len(nearest) - 1
    n = len(names)
    for start in range(0, n, CHUNK):
        least = NOTHING
        for i in range(CHUNK):
            least = min(least, bits[start + i])
        if np.int64(least) > nearest[last] >> 32:
            continue
        for i in range(start, min(start + CHUNK, n)):
            key = np.int64(bits[i]) << 32 | np.int64(names[i])
            if key < nearest[last] and names[i] != own:
                _insert(nearest, key)


@numba.njit(nogil=True)
def _gather(
    places: NDArray[np.float32],
    rows: NDArray[np.int32],
    spans: NDArray[np.int64],
    tiles: NDArray[np.float32],
    names: NDArray[np.int32],
) -> int:
    """Bring the places of spans into tiles, and return how many there are."""
    n = 0
    for k in range(len(spans)):
        for at in range(spans[k, 0], spans[k, 1]):
            for axis in range(places.shape[1]):
                tiles[n // TILE, axis, n % TILE] = places[at, axis]
            names[n] = rows[at]
            n += 1
    return n


@numba.njit(nogil=True)
def _write(
    nearest: NDArray[np.int64], rows: NDArray[np.int32], squared: NDArray[np.int32]
) -> None:
    """Take keys apart."""
    for k in range(len(nearest)):
        rows[k] = nearest[k] & LOW
        squared[k] = nearest[k] >> 32


@numba.njit(cache=True, nogil=True)
def search_blocks(  # noqa: PLR0917 - numba takes arguments by position
    places: NDArray[np.float32],
    rows: NDArray[np.int32],
    queries: NDArray[np.int64],
    bounds: NDArray[np.int64],
    spans: NDArray[np.int64],
    blocks: tuple[int, int],
    n_most: int,
    out: NDArray[np.int32],
    squared: NDArray[np.int32],
) -> None:
    """Compare the queries of each block with its candidates, and write their nearest.

    ``places`` are sorted so that a bucket stands together, ``rows`` are their rows in ``out`` and
    ``squared``, which takes the bits of the squared distances. Block ``b`` asks for
    ``queries[b]`` among ``spans[bounds[b] : bounds[b + 1]]``, both from and up to a place;
    ``n_most`` is the greatest number of candidates.
    """
    n_tiles = -(-n_most // TILE)
    tiles = np.zeros((n_tiles, places.shape[1], TILE), dtype=np.float32)
    names = np.empty(n_tiles * TILE, dtype=np.int32)
    nearest = np.empty((GROUP, out.shape[1]), dtype=np.int64)
    first, second = np.empty(TILE, dtype=np.float32), np.empty(TILE, dtype=np.float32)
    first_bits, second_bits = first.view(np.int32), second.view(np.int32)
    for block in range(blocks[0], blocks[1]):
        n = _gather(places, rows, spans[bounds[block] : bounds[block + 1]], tiles, names)
        for start in range(queries[block, 0], queries[block, 1], GROUP):
            stop = min(start + GROUP, queries[block, 1])
            nearest[:] = np.int64(NOTHING) << 32
            for t in range(-(-n // TILE)):
                here = names[t * TILE : min((t + 1) * TILE, n)]
                for at in range(start, stop, 2):
                    pair_distances(
                        places[at], places[min(at + 1, stop - 1)], tiles[t], first, second
                    )
                    _offer(first_bits, here, rows[at], nearest[at - start])
                    if at + 1 < stop:
                        _offer(second_bits, here, rows[at + 1], nearest[at + 1 - start])
            for at in range(start, stop):
                _write(nearest[at - start], out[rows[at]], squared[rows[at]])
