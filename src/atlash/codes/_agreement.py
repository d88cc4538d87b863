"""The compiled part of similarity; imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@numba.njit(cache=True, nogil=True)
def add_agreement(
    bits: NDArray[np.float32],
    anchors_by_bit: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Add the mean agreement of each code with each anchor to ``out``, bit by bit in order."""
    n_bits, n_types = anchors_by_bit.shape
    for row in range(bits.shape[0]):
        for bit in range(n_bits):
            share = bits[row, bit]
            for kind in range(n_types):
                out[row, kind] += share * anchors_by_bit[bit, kind]
        for kind in range(n_types):
            out[row, kind] /= np.float32(n_bits)
