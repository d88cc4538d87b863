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
def _normalise(values: Floats, gain: Floats, shift: Floats) -> None:
    """Layer norm, in place."""
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
        values[i] = (values[i] - centre) * factor * gain[i] + shift[i]


@numba.njit(cache=True, nogil=True)
def _rectify(values: Floats) -> None:
    """ReLU, in place."""
    for i in range(values.shape[0]):
        values[i] = max(values[i], np.float32(0))


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
def forward(  # noqa: PLR0917
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    data: Floats,
    base: Floats,
    weights: tuple[Floats, ...],
    out: Floats,
) -> None:
    """Write the mean code of the members for each row of a CSR matrix into ``out``.

    ``base`` is the first layer of a cell with all measured features at zero.
    """
    (
        mean,
        inverse_scale,
        upper,
        first,
        gain_1,
        shift_1,
        second,
        bias_2,
        gain_2,
        shift_2,
        skip,
        last,
        bias_3,
    ) = weights
    n_members, n_hidden, n_second = second.shape
    h1 = np.empty(n_members * n_hidden, dtype=np.float32)
    h2 = np.empty(n_second, dtype=np.float32)
    share = np.float32(1 / n_members)
    for row in range(out.shape[0]):
        h1[:] = base
        for k in range(indptr[row], indptr[row + 1]):
            f = indices[k]
            silent = -mean[f] * inverse_scale[f]
            value = min((data[k] - mean[f]) * inverse_scale[f], upper[0]) - silent
            weight = first[f]
            for j in range(h1.shape[0]):
                h1[j] += value * weight[j]
        z = out[row]
        z[:] = 0
        for m in range(n_members):
            part = h1[m * n_hidden : (m + 1) * n_hidden]
            _normalise(part, gain_1[m], shift_1[m])
            z += bias_3[m]
            _add_product(part, skip[m], z)
            _rectify(part)
            h2[:] = bias_2[m]
            _add_product(part, second[m], h2)
            _normalise(h2, gain_2[m], shift_2[m])
            _rectify(h2)
            _add_product(h2, last[m], z)
        z *= share
