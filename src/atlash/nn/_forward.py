"""The compiled forward pass of the encoder; imported on first use.

One cell at a time and in a fixed order of additions, so that a code depends neither on
the cells beside it nor on the number of threads.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
LAYER_NORM_EPSILON = 1e-5


@numba.njit(cache=True, nogil=True)
def _activate(values: Floats, gain: Floats, shift: Floats) -> None:
    """Layer norm and ReLU, in place."""
    n = values.shape[0]
    mean = 0.0
    for i in range(n):
        mean += values[i]
    mean /= n
    variance = 0.0
    for i in range(n):
        variance += (values[i] - mean) ** 2
    scale = 1 / math.sqrt(variance / n + LAYER_NORM_EPSILON)
    centre, factor = np.float32(mean), np.float32(scale)
    for i in range(n):
        values[i] = max((values[i] - centre) * factor * gain[i] + shift[i], np.float32(0))


@numba.njit(cache=True, nogil=True)
def _add_product(x: Floats, matrix: Floats, out: Floats, scratch: NDArray[np.int64]) -> None:
    """Add ``x @ matrix`` to ``out``.

    Zeros of ``x``, half of all after ReLU, are left out first, without a branch that the
    processor would have to guess; then four rows are added at a time, in their order.
    ``scratch`` has at least as many places as ``x``, and one more.
    """
    n = 0
    for i in range(x.shape[0]):
        scratch[n] = i
        n += x[i] != 0
    for start in range(0, n, 4):
        left = n - start  # past the end nothing is added
        i = scratch[start]
        j = scratch[start + 1] if left > 1 else i
        k = scratch[start + 2] if left > 2 else i
        m = scratch[start + 3] if left > 3 else i
        a, p = x[i], matrix[i]
        b, q = x[j] if left > 1 else np.float32(0), matrix[j]
        c, r = x[k] if left > 2 else np.float32(0), matrix[k]
        d, s = x[m] if left > 3 else np.float32(0), matrix[m]
        for col in range(out.shape[0]):
            out[col] = (((out[col] + a * p[col]) + b * q[col]) + c * r[col]) + d * s[col]


@numba.njit(cache=True, nogil=True)
def forward(
    first_layer: Floats,
    genes: tuple[Floats, ...],
    components: tuple[Floats, ...],
    bias: Floats,
    out: Floats,
) -> None:
    """Write the mean code of all networks for each cell into ``out``.

    ``first_layer`` holds each cell's gene networks side by side, then its components, and is
    used up. ``genes`` and ``components`` are arrays of ``EncoderWeights``; the component
    networks lie side by side too, and their straight paths are summed into one.
    """
    (gain_1, shift_1, second, bias_2, gain_2, shift_2, last) = genes
    (inner, inner_bias, inner_gain, inner_shift, inner_last, straight) = components
    n_members, n_hidden, n_second = second.shape
    n_readers, width = inner_gain.shape
    h2 = np.empty(n_second, dtype=np.float32)
    w = np.empty(n_readers * width, dtype=np.float32)
    scratch = np.empty(first_layer.shape[1] + w.size + n_second + 1, dtype=np.int64)
    share = np.float32(1 / (n_members + n_readers))
    for row in range(out.shape[0]):
        z, h1 = out[row], first_layer[row]
        z[:] = bias
        u = h1[n_members * n_hidden :]
        w[:] = inner_bias
        _add_product(u, inner, w, scratch)
        for c in range(n_readers):
            _activate(w[c * width : (c + 1) * width], inner_gain[c], inner_shift[c])
        _add_product(w, inner_last, z, scratch)
        _add_product(u, straight, z, scratch)
        for m in range(n_members):
            part = h1[m * n_hidden : (m + 1) * n_hidden]
            _activate(part, gain_1[m], shift_1[m])
            h2[:] = bias_2[m]
            _add_product(part, second[m], h2, scratch)
            _activate(h2, gain_2[m], shift_2[m])
            _add_product(h2, last[m], z, scratch)
        z *= share
