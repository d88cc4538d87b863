"""The compiled part of looking through all codes; imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

from atlash.codes._popcount import popcount

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Constants of splitmix64 (Steele, Lea and Flood 2014), whose steps are one-to-one.
_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


@numba.njit(cache=True, nogil=True)
def mix_words(words: NDArray[np.uint64], out: NDArray[np.uint64]) -> None:
    """Write a number for each row into ``out``; rows of one word are told apart without fail."""
    for row in range(words.shape[0]):
        state = np.uint64(0)
        for word in range(words.shape[1]):
            state = (state ^ words[row, word]) + _STEP
            state = (state ^ (state >> np.uint64(30))) * _FIRST
            state = (state ^ (state >> np.uint64(27))) * _SECOND
            state ^= state >> np.uint64(31)
        out[row] = state


@numba.njit(cache=True, nogil=True)
def two_nearest(
    words: NDArray[np.uint64],
    anchors: NDArray[np.uint64],
    own: NDArray[np.int32],
    kinds: NDArray[np.int32],
    distances: NDArray[np.int32],
) -> None:
    """Write the two nearest anchors and the distances to these and to the cell's own."""
    far = np.int32(64 * words.shape[1] + 1)
    for row in range(words.shape[0]):
        first, second = np.int32(-1), np.int32(-1)
        to_first, to_second, to_own = far, far, np.int32(-1)
        for kind in range(anchors.shape[0]):
            apart = np.uint64(0)
            for word in range(words.shape[1]):
                apart += popcount(words[row, word] ^ anchors[kind, word])
            distance = np.int32(apart)
            if kind == own[row]:
                to_own = distance
            if distance < to_first:
                second, to_second = first, to_first
                first, to_first = np.int32(kind), distance
            elif distance < to_second:
                second, to_second = np.int32(kind), distance
        kinds[row, 0], kinds[row, 1] = first, second
        distances[row, 0] = to_first if first >= 0 else -1
        distances[row, 1] = to_second if second >= 0 else -1
        distances[row, 2] = to_own


@numba.njit(cache=True, nogil=True)
def add_ones(
    words: NDArray[np.uint64], groups: NDArray[np.int32], ones: NDArray[np.int64]
) -> None:
    """Add the ones of every bit of each row to the row of ``ones`` of its group."""
    for row in range(words.shape[0]):
        into = ones[groups[row]]
        for word in range(words.shape[1]):
            bits = words[row, word]
            for bit in range(64):
                into[64 * word + bit] += np.int64((bits >> np.uint64(bit)) & np.uint64(1))
