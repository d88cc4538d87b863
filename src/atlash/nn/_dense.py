"""Dense layers of one cell at a time, in a fixed order of additions; imported on first use."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from atlash.nn._forward import _activate
from atlash.nn._rows import add_rows

Floats = NDArray[np.float32]


@numba.njit(cache=True, nogil=True)
def affine(x: Floats, matrix: Floats, bias: Floats, out: Floats) -> None:
    """Write ``x @ matrix + bias``; the last axis of all but ``x`` is padded to whole lanes."""
    everything = np.arange(x.shape[1], dtype=np.int32)
    for row in range(x.shape[0]):
        out[row] = bias
        add_rows(x[row], everything, 0, x.shape[1], matrix, out[row])


@numba.njit(cache=True, nogil=True)
def residual_network(
    x: Floats,
    inner: tuple[Floats, Floats, Floats, Floats],
    last: tuple[Floats, Floats, Floats],
    out: Floats,
) -> None:
    """Write ``relu(norm(x @ m + b)) @ l + x @ s + c``.

    ``inner`` is ``(m, b, gain, shift)``, the width that of ``gain``; ``last`` is ``(l, s, c)``.
    Matrices, ``b``, ``c`` and ``out`` are padded to whole lanes.
    """
    matrix, bias, gain, shift = inner
    final, straight, final_bias = last
    width = gain.shape[0]
    inputs = np.arange(x.shape[1], dtype=np.int32)
    units = np.arange(width, dtype=np.int32)
    hidden = np.empty(bias.shape[0], dtype=np.float32)
    for row in range(x.shape[0]):
        hidden[:] = bias
        add_rows(x[row], inputs, 0, x.shape[1], matrix, hidden)
        _activate(hidden[:width], gain, shift)
        out[row] = final_bias
        add_rows(x[row], inputs, 0, x.shape[1], straight, out[row])
        add_rows(hidden, units, 0, width, final, out[row])
