"""Matrices padded, cut and stored small for the compiled kernels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Words = NDArray[np.uint32]

LANES = 32
"""Columns that the kernels work on at once; widths are multiples of it."""
TILE = 2 * LANES
"""Columns of a tile. One of 2,000 rows takes 0.25 MB, so that it stays in a core's own cache."""

_HALF = LANES // 2
_LEAST = 0x2000
"""Upper half of about 1e-19, which stands for 0 where the lower half is another number's."""


def padded(array: Floats, multiple: int = LANES) -> Floats:
    """Return a contiguous array whose last axis is brought to a multiple of lanes by zeros."""
    missing = -array.shape[-1] % multiple
    widths = [(0, 0)] * (array.ndim - 1) + [(0, missing)]
    return np.ascontiguousarray(np.pad(array, widths), dtype=np.float32)


def paired(array: Floats) -> Words:
    """Store two numbers in the room of one, which halves what a product has to fetch.

    A number keeps the upper half of its bits, as bfloat16 does. Of each 32 columns, column ``i``
    is the lower and column ``16 + i`` the upper half of word ``i``. A word as it stands, read as
    a float, is the second number: its lower half only adds to the digits, and the upper half is
    chosen for that. To shift a word by 16 bits gives the first.

    Parameters
    ----------
    array
        ``(..., width)``, float32.

    Returns
    -------
    Words ``(..., width / 2)``, uint32, after padding. Numbers are off by at most 1/256, those
    below 1e-19 by so much.
    """
    whole = padded(array)
    bits = whole.view(np.uint32).astype(np.int64)
    columns = bits.reshape(*whole.shape[:-1], -1, 2, _HALF)
    first, second = columns[..., 0, :], columns[..., 1, :]
    lower = np.minimum((first + 0x8000) >> 16, 0xFFFF)
    sign, magnitude = second & 0x80000000, second & 0x7FFFFFFF
    upper = np.maximum((magnitude - lower + 0x8000) >> 16, _LEAST)
    words: Words = (sign | (upper << 16) | lower).astype(np.uint32)
    return words.reshape(*whole.shape[:-1], whole.shape[-1] // 2)


def unpaired(words: Words) -> Floats:
    """Return the numbers ``(..., width)`` that the kernels read from words."""
    groups = words.reshape(*words.shape[:-1], -1, _HALF)
    halves = np.stack([groups << np.uint32(16), groups], axis=-2).view(np.float32)
    return halves.reshape(*words.shape[:-1], 2 * words.shape[-1])


def tiled(matrix: Floats) -> Words:
    """Cut a matrix ``(n_rows, width)`` into paired tiles ``(n_tiles, n_rows, TILE / 2)``."""
    whole = padded(matrix, TILE)
    return paired(whole.reshape(len(matrix), -1, TILE).transpose(1, 0, 2))


def untiled(tiles: Words) -> Floats:
    """Return the matrix ``(n_rows, width)`` that the kernels read from paired tiles."""
    whole = unpaired(tiles).transpose(1, 0, 2)
    return np.ascontiguousarray(whole.reshape(len(whole), -1))
