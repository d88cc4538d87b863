"""The compiled forward pass of the encoder; imported on first use.

One cell at a time and in a fixed order of additions, so that a code depends neither on
the cells beside it nor on the number of threads.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numba
import numpy as np
from numpy.typing import NDArray

from atlash.nn._rows import add_rows

if TYPE_CHECKING:
    from atlash.nn.tiles import Words

Floats = NDArray[np.float32]
Scratch = tuple[Floats, NDArray[np.uint32], NDArray[np.int32]]
LAYER_NORM_EPSILON = 1e-5


# Sums in any order, so that they are vectors; the order is that of the compiled code.
@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _activate(values: Floats, gain: Floats, shift: Floats) -> None:
    """Layer norm and ReLU, in place."""
    n = values.shape[0]
    total = np.float32(0)
    for i in range(n):
        total += values[i]
    mean = total / np.float32(n)
    squares = np.float32(0)
    for i in range(n):
        squares += (values[i] - mean) * (values[i] - mean)
    scale = np.float32(1 / math.sqrt(squares / n + LAYER_NORM_EPSILON))
    for i in range(n):
        values[i] = max((values[i] - mean) * scale * gain[i] + shift[i], np.float32(0))


@numba.njit(cache=True, nogil=True)
def _copy(values: Floats, out: Floats) -> None:
    """Do ``out[:] = values``, as a vector."""
    for i in range(values.shape[0]):
        out[i] = values[i]


@numba.njit(cache=True, nogil=True)
def _add_product(x: Floats, matrix: Words, out: Floats, scratch: Scratch) -> None:
    """Add ``x @ matrix`` to ``out``, for ``x`` after ReLU.

    Zeros of ``x``, half of all, are left out first, without a branch that the processor would
    have to guess. ``scratch`` holds numbers, the same memory as bits, and rows, each with one
    place more than ``x``.
    """
    values, bits, rows = scratch
    x_bits = x.view(np.uint32)  # whole numbers are compared faster, and only 0 has no bit
    n = np.uint64(0)
    for i in range(x.shape[0]):
        bits[n] = x_bits[i]
        rows[n] = i
        n += np.uint64(x_bits[i] != 0)
    add_rows(values, rows, 0, np.int64(n), matrix, out)


@numba.njit(cache=True, nogil=True)
def forward(
    first_layer: Floats,
    genes: tuple[tuple[Floats, ...], Words, Words],
    components: tuple[tuple[Floats, ...], Words, Words],
    bias: Floats,
    out: Floats,
) -> None:
    """Write the mean code of all networks for each cell into ``out``.

    ``first_layer`` holds each cell's gene networks side by side, then its components, and is
    used up. ``genes`` and ``components`` are those of `atlash.nn.inference.Compiled`.
    """
    (gain_1, shift_1, bias_2, gain_2, shift_2), second, last = genes
    (inner_bias, inner_gain, inner_shift), inner, inner_last = components
    n_members, n_hidden = gain_1.shape
    n_second = gain_2.shape[1]
    n_readers, width = inner_gain.shape
    n_components, n_inner, n_bits = inner.shape[0], n_readers * width, out.shape[1]
    everything = np.arange(n_components, dtype=np.int32)
    h2 = np.empty(bias_2.shape[1], dtype=np.float32)
    w = np.empty(inner_bias.size, dtype=np.float32)
    z = np.empty(bias.size, dtype=np.float32)
    room = max(n_hidden, n_second, n_inner) + 1
    values = np.empty(room, dtype=np.float32)
    scratch = values, values.view(np.uint32), np.empty(room, dtype=np.int32)
    share = np.float32(1 / (n_members + n_readers))
    for row in range(out.shape[0]):
        h1 = first_layer[row]
        _copy(bias, z)
        u = h1[n_members * n_hidden : n_members * n_hidden + n_components]
        _copy(inner_bias, w)
        add_rows(u, everything, 0, n_components, inner, w)
        for bit in range(n_bits):
            z[bit] += w[n_inner + bit]
        for c in range(n_readers):
            _activate(w[c * width : (c + 1) * width], inner_gain[c], inner_shift[c])
        _add_product(w[:n_inner], inner_last, z, scratch)
        for m in range(n_members):
            part = h1[m * n_hidden : (m + 1) * n_hidden]
            _activate(part, gain_1[m], shift_1[m])
            _copy(bias_2[m], h2)
            _add_product(part, second[m], h2, scratch)
            _activate(h2[:n_second], gain_2[m], shift_2[m])
            _add_product(h2[:n_second], last[m], z, scratch)
        for bit in range(n_bits):
            out[row, bit] = z[bit] * share
