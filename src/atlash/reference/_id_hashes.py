"""The compiled part of the index of ids; imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BASIS = np.uint64(0xCBF29CE484222325)
_PRIME = np.uint64(0x100000001B3)
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_HALF = np.uint64(33)


@numba.njit(cache=True, nogil=True)
def hash_texts(bounds: NDArray[np.int32], content: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return a hash of each text, ``content[bounds[i] : bounds[i + 1]]``.

    FNV-1a (Fowler, Noll and Vo, RFC 9923), then one round of MurmurHash3's finaliser: texts that
    differ in their last byte alone differ in few of the former's upper bits.
    """
    out = np.empty(bounds.size - 1, np.uint64)
    for text in range(out.size):
        total = _BASIS
        for place in range(bounds[text], bounds[text + 1]):
            total = (total ^ np.uint64(content[place])) * _PRIME
        total = (total ^ (total >> _HALF)) * _MIX
        out[text] = total ^ (total >> _HALF)
    return out
