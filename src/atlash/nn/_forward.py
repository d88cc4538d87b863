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
def _add_product(x: Floats, matrix: Floats, out: Floats) -> None:
    """Add ``x @ matrix`` to ``out``; zeros of ``x``, half of all after ReLU, are skipped."""
    for i in range(x.shape[0]):
        factor = x[i]
        if factor != 0:
            row = matrix[i]
            for j in range(out.shape[0]):
                out[j] += factor * row[j]


@numba.njit(cache=True, nogil=True)
def add_first_layer(
    columns: NDArray[np.int32],
    values: Floats,
    scaling: tuple[Floats, Floats, Floats],
    first: Floats,
    out: Floats,
) -> None:
    """Add what one cell's expressed features change in the first layer of a silent cell."""
    mean, inverse_scale, upper = scaling
    for k in range(columns.shape[0]):
        f = columns[k]
        silent = -mean[f] * inverse_scale[f]
        value = min((values[k] - mean[f]) * inverse_scale[f], upper[0]) - silent
        row = first[f]
        for j in range(out.shape[0]):
            out[j] += value * row[j]


@numba.njit(cache=True, nogil=True)
def forward(  # noqa: PLR0917
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    data: Floats,
    silent_cell: Floats,
    weights: tuple[Floats, ...],
    out: Floats,
) -> None:
    """Write the mean code of all networks for each row of a CSR matrix into ``out``.

    ``silent_cell`` is the first layer of a cell with all measured features at zero;
    ``weights`` are the arrays of ``EncoderWeights`` in their order, without ``first_bias``,
    which ``silent_cell`` holds.
    """
    (mean, inverse_scale, upper, first, gain_1, shift_1) = weights[:6]
    (second, bias_2, gain_2, shift_2, last, bias_3) = weights[6:12]
    (inner, inner_bias, inner_gain, inner_shift, inner_last, skip, skip_bias) = weights[12:]
    n_members, n_hidden, n_second = second.shape
    h1 = np.empty(first.shape[1], dtype=np.float32)
    h2 = np.empty(n_second, dtype=np.float32)
    w = np.empty(inner.shape[1], dtype=np.float32)
    share = np.float32(1 / (n_members + 1))
    scaling = (mean, inverse_scale, upper)
    for row in range(out.shape[0]):
        h1[:] = silent_cell
        entries = slice(indptr[row], indptr[row + 1])
        add_first_layer(indices[entries], data[entries], scaling, first, h1)
        z = out[row]
        z[:] = skip_bias
        components = h1[n_members * n_hidden :]
        w[:] = inner_bias
        _add_product(components, inner, w)
        _activate(w, inner_gain, inner_shift)
        _add_product(w, inner_last, z)
        _add_product(components, skip, z)
        for m in range(n_members):
            part = h1[m * n_hidden : (m + 1) * n_hidden]
            _activate(part, gain_1[m], shift_1[m])
            h2[:] = bias_2[m]
            _add_product(part, second[m], h2)
            _activate(h2, gain_2[m], shift_2[m])
            z += bias_3[m]
            _add_product(h2, last[m], z)
        z *= share
