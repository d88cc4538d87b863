"""The compiled part of a scan that remembers what is nearest so far; imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

from atlash.codes._emit import CHUNK
from atlash.codes._lanes import distance_at
from atlash.codes._popcount import popcount

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.codes._lanes import Address, Addresses

ROW_BITS = 40
ROW_MASK = (1 << ROW_BITS) - 1


class Candidates(NamedTuple):
    """What may be among the nearest of each of ``q`` queries, by what was seen so far.

    A query's limit is the least distance that k codes seen so far do not exceed: counts of each
    distance give it without sorting, and later codes at the limit lose their ties anyway.

    Attributes
    ----------
    limits
        A code must be nearer than this, ``(q,)``.
    n_under
        Codes seen that are nearer than the limit, ``(q,)``: less than are wanted.
    counts
        Codes held at each distance, ``(q, n_distances)``.
    n_held
        Codes held, ``(q,)``, some of them beyond the limit by now.
    keys
        Those codes in order of rows, ``distance * 2^40 + row``, ``(q, 2 k + 64)``.
    """

    limits: NDArray[np.int64]
    n_under: NDArray[np.int64]
    counts: NDArray[np.int32]
    n_held: NDArray[np.int64]
    keys: NDArray[np.int64]


@numba.njit(nogil=True)
def no_candidates(n_queries: int, k: int, n_distances: int) -> Candidates:
    """Start with every code a candidate."""
    return Candidates(
        np.full(n_queries, n_distances, dtype=np.int64),
        np.zeros(n_queries, dtype=np.int64),
        np.zeros((n_queries, n_distances), dtype=np.int32),
        np.zeros(n_queries, dtype=np.int64),
        np.empty((n_queries, 2 * k + CHUNK), dtype=np.int64),
    )


@numba.njit(nogil=True)
def lowest(mask: np.uint64) -> int:
    """Place of the lowest set bit."""
    return int(np.int64(popcount(~mask & (mask - np.uint64(1)))))


@numba.njit(nogil=True)
def hold(
    candidates: Candidates,
    i: int,
    k: int,
    code: tuple[Addresses, Addresses, Address, int],
    mask: np.uint64,
) -> None:
    """Hold for query ``i`` the codes that ``mask`` marks and that are nearer than its limit.

    ``code`` says where they are: planes, weights, the query, and the row of the first bit.
    """
    limits, n_under, counts, n_held, keys = candidates
    planes, weights, query, row = code
    while mask:
        hit = row + lowest(mask)
        mask &= mask - np.uint64(1)
        far = distance_at(planes, weights, query, hit)
        if far >= limits[i]:
            continue
        if n_held[i] == keys.shape[1]:
            n_held[i] = keep_nearest(keys[i], limits[i], k - n_under[i])
        keys[i, n_held[i]] = far << ROW_BITS | hit
        n_held[i] += 1
        counts[i, far] += 1
        n_under[i] += 1
        while n_under[i] >= k:
            limits[i] -= 1
            n_under[i] -= counts[i, limits[i]]


@numba.njit(nogil=True)
def keep_nearest(keys: NDArray[np.int64], limit: int, n_ties: int) -> int:
    """Drop in place what is beyond ``limit``, and all but the first ``n_ties`` at it."""
    kept = 0
    for key in keys:
        far = key >> ROW_BITS
        if far < limit or (far == limit and n_ties > 0):
            n_ties -= far == limit
            keys[kept] = key
            kept += 1
    return kept


@numba.njit(nogil=True)
def place_nearest(
    candidates: Candidates, distances: NDArray[np.int32], rows: NDArray[np.int64]
) -> None:
    """Write what is held to ``(n_queries, k)``, in order of (distance, row)."""
    n_queries, k = rows.shape
    for i in range(n_queries):
        limit, counts = candidates.limits[i], candidates.counts[i]
        place = 0
        for far in range(min(limit + 1, len(counts))):
            count = counts[far]
            counts[far] = place
            place += count
        for key in candidates.keys[i, : candidates.n_held[i]]:
            far = key >> ROW_BITS
            if far <= limit and counts[far] < k:
                distances[i, counts[far]] = far
                rows[i, counts[far]] = key & ROW_MASK
                counts[far] += 1
