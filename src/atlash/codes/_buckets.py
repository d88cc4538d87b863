"""The compiled part of pruned search; imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

from atlash.codes._candidates import ROW_BITS, lowest
from atlash.codes._emit import CHUNK, HIT_BITS
from atlash.codes._lanes import BLOCK, WORD_BYTES, closest_centres, distance_at
from atlash.codes._scan import find, look

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.codes._lanes import Address, Addresses

CENTRE_BITS = 32
PIECE = 2048
"""Codes after which what can be left out is worked out again."""
NOBODY = 1 << 62
"""Key of a place that no code has taken yet; beyond the key of any code."""


class Shelves(NamedTuple):
    """Buckets as compiled code takes them; see :class:`atlash.codes.buckets.Buckets`.

    Attributes
    ----------
    planes
        Addresses of the planes of the codes.
    rows
        Their rows in the order in which they were given, ``(n,)``.
    centres
        Addresses of the planes of the centres.
    centre_weights
        What a bit of each word counts in distances to centres.
    bounds
        Place of the first code at each distance from each centre, ``(n_centres, most + 2)``.
    """

    planes: Addresses
    rows: NDArray[np.uint32]
    centres: Addresses
    centre_weights: tuple[int, ...]
    bounds: NDArray[np.int64]


@numba.njit(cache=True, nogil=True)
def assign(  # noqa: PLR0917 - numba takes arguments by position
    planes: Addresses,
    weights: Addresses,
    centres: Address,
    n_centres: int,
    span: tuple[int, int],
    vector: bool,  # noqa: FBT001
    keys: NDArray[np.int64],
) -> None:
    """Write ``distance * 2^32 + centre`` of the closest centre of each code of ``span``."""
    start, stop = span
    whole = start + (stop - start) // BLOCK * BLOCK if vector else start
    for row in range(start, whole, BLOCK):
        place = keys.ctypes.data + WORD_BYTES * row
        closest_centres(planes, weights, centres, n_centres, row, place)
    for row in range(whole, stop):
        least = NOBODY
        for centre in range(n_centres):
            query = centres + WORD_BYTES * len(planes) * centre
            far = distance_at(planes, weights, query, row)
            least = min(least, far << CENTRE_BITS | centre)
        keys[row] = least


@numba.njit(cache=True, nogil=True)
def sort_rows(
    keys: NDArray[np.int64], bounds: NDArray[np.int64], rows: NDArray[np.uint32]
) -> None:
    """Order rows by (centre, distance, row), and write where each distance of a centre starts.

    ``bounds`` is ``(n_centres, most + 2)``, zeros before; its last column is a bucket's end.
    """
    centre_mask = (1 << CENTRE_BITS) - 1
    for key in keys:
        bounds[key & centre_mask, key >> CENTRE_BITS] += 1
    start = 0
    for centre in range(bounds.shape[0]):
        for far in range(bounds.shape[1]):
            count = bounds[centre, far]
            bounds[centre, far] = start
            start += count
    ends = bounds.copy()
    for row, key in enumerate(keys):
        centre, far = key & centre_mask, key >> CENTRE_BITS
        rows[ends[centre, far]] = row
        ends[centre, far] += 1


@numba.njit(nogil=True)
def sink(heap: NDArray[np.int64], n: int, key: int) -> None:
    """Put a key in place of the greatest of a heap of ``n`` keys."""
    place = 0
    while 2 * place + 1 < n:
        child = 2 * place + 1
        if child + 1 < n and heap[child + 1] > heap[child]:
            child += 1
        if heap[child] <= key:
            break
        heap[place] = heap[child]
        place = child
    heap[place] = key


@numba.njit(nogil=True)
def sort_heap(heap: NDArray[np.int64]) -> None:
    """Bring a heap into ascending order."""
    for n in range(len(heap) - 1, 0, -1):
        last, heap[n] = heap[n], heap[0]
        sink(heap, n, last)


@numba.njit(nogil=True)
def offer_span(  # noqa: PLR0917 - numba takes arguments by position
    planes: Addresses,
    weights: Addresses,
    query: Address,
    span: tuple[int, int],
    vector: bool,  # noqa: FBT001
    rows: NDArray[np.uint32],
    heap: NDArray[np.int64],
) -> None:
    """Keep in the heap what is nearer, by (distance, row), than its farthest code."""
    limit = np.empty(1, dtype=np.int64)
    limit[0] = (heap[0] >> ROW_BITS) + 1  # a code at the same distance may be of a lower row
    row = span[0]
    while row < span[1]:
        place = limit.ctypes.data
        row = find(planes, weights, query, place, (row, span[1]), 1, vector) >> HIT_BITS
        if row < span[1]:
            mask = look(planes, weights, query, limit[0], (row, span[1]), vector)
            while mask:
                hit = row + lowest(mask)
                mask &= mask - np.uint64(1)
                far = distance_at(planes, weights, query, hit)
                key = far << ROW_BITS | np.int64(rows[hit])
                if key < heap[0]:
                    sink(heap, len(heap), key)
                    limit[0] = (heap[0] >> ROW_BITS) + 1
        row += CHUNK


@numba.njit(nogil=True)
def order_centres(distances: NDArray[np.int64], order: NDArray[np.int64], most: int) -> None:
    """Write the numbers of the centres in order of (distance, number)."""
    starts = np.zeros(most + 2, dtype=np.int64)
    for far in distances:
        starts[far + 1] += 1
    for far in range(most + 1):
        starts[far + 1] += starts[far]
    for centre, far in enumerate(distances):
        order[starts[far]] = centre
        starts[far] += 1


@numba.njit(cache=True, nogil=True)
def search_buckets(  # noqa: PLR0917 - numba takes arguments by position
    shelves: Shelves,
    weights: Addresses,
    queries: Address,
    ratio: tuple[int, int],
    walk: bool,  # noqa: FBT001
    vector: bool,  # noqa: FBT001
    keys: NDArray[np.int64],
    n_scanned: NDArray[np.int64],
) -> None:
    """Write the sorted keys ``distance * 2^40 + row`` of each query's nearest, ``(q, k)``.

    A code at distance ``r`` from a centre is at least ``ratio * abs(d - r)`` from a query at
    distance ``d`` from it, by the triangle inequality. ``walk`` prunes nothing, and stops at the
    end of the bucket in which k codes have been seen.
    """
    planes, rows, centres, centre_weights, bounds = shelves
    n_centres, most = bounds.shape[0], bounds.shape[1] - 2
    distances = np.empty(n_centres, dtype=np.int64)
    order = np.empty(n_centres, dtype=np.int64)
    for i in range(len(keys)):
        query = queries + WORD_BYTES * len(planes) * i
        heap = keys[i]
        heap[:] = NOBODY
        for centre in range(n_centres):
            distances[centre] = distance_at(centres, centre_weights, query, centre)
        order_centres(distances, order, most)
        for place in range(n_centres):
            if walk and n_scanned[i] >= len(heap):
                break
            centre = order[place]
            at = distances[centre]
            start, stop = bounds[centre, 0], bounds[centre, most + 1]
            while start < stop:
                if not walk and ratio[0] > 0:
                    reach = min((heap[0] >> ROW_BITS) * ratio[1] // ratio[0], most)
                    start = max(start, bounds[centre, max(0, at - reach)])
                    stop = min(stop, bounds[centre, min(most, at + reach) + 1])
                piece = min(stop, start + PIECE)
                if start < piece:
                    offer_span(planes, weights, query, (start, piece), vector, rows, heap)
                    n_scanned[i] += piece - start
                start = piece
        sort_heap(heap)
