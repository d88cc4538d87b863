"""The compiled part of comparing names of cells; imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# FNV-1a of 64 bits (Fowler, Noll and Vo; RFC 9923).
_BASIS = np.uint64(0xCBF29CE484222325)
_PRIME = np.uint64(0x100000001B3)

_A, _C, _G, _T = 65, 67, 71, 84
_ZERO, _NINE = 48, 57
_DASH, _UNDERSCORE = 45, 95
_LEAST_BARCODE = 12


@numba.njit(cache=True, nogil=True)
def _barcode(text: NDArray[np.uint8]) -> tuple[int, int]:
    """Return begin and end of the first longest run of A, C, G and T, if it is long enough."""
    best, best_end, run = 0, 0, 0
    for place in range(len(text)):
        char = text[place]
        run = run + 1 if char in (_A, _C, _G, _T) else 0
        if run > best:
            best, best_end = run, place + 1
    if best < _LEAST_BARCODE:
        return 0, 0
    return best_end - best, best_end


@numba.njit(cache=True, nogil=True)
def _without_number(text: NDArray[np.uint8]) -> int:
    """Return the end of a name without ``-1`` or ``_12`` behind it."""
    end = len(text)
    while end > 0 and _ZERO <= text[end - 1] <= _NINE:
        end -= 1
    if 1 < end < len(text) and text[end - 1] in (_DASH, _UNDERSCORE):
        return end - 1
    return len(text)


@numba.njit(cache=True, nogil=True)
def hash_stems(
    text: NDArray[np.uint8], bounds: NDArray[np.int64], out: NDArray[np.uint64]
) -> None:
    """Write a number for the stem of each name into ``out``."""
    for row in range(len(bounds) - 1):
        name = text[bounds[row] : bounds[row + 1]]
        begin, end = _barcode(name)
        if end == 0:
            end = _without_number(name)
        state = _BASIS
        for place in range(begin, end):
            state = (state ^ np.uint64(name[place])) * _PRIME
        out[row] = state
