"""The compiled part of similarity; imported on first use."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@numba.njit(cache=True, nogil=True)
def add_agreement(
    z: NDArray[np.float32],
    anchors_by_bit: NDArray[np.float32],
    binary: bool,  # noqa: FBT001
    out: NDArray[np.float32],
) -> None:
    """Add the mean agreement of each code with each anchor to ``out``, bit by bit in order."""
    n_bits, n_types = anchors_by_bit.shape
    for row in range(z.shape[0]):
        for bit in range(n_bits):
            value = z[row, bit]
            expected = (1.0 if value > 0 else -1.0) if binary else math.tanh(value)
            share = np.float32(expected)
            for kind in range(n_types):
                out[row, kind] += share * anchors_by_bit[bit, kind]
        for kind in range(n_types):
            out[row, kind] /= np.float32(n_bits)
