"""The compiled part of registered types; imported on first use.

One cell at a time, in a fixed order of additions: no answer depends on the cells beside.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@numba.njit(cache=True, nogil=True)
def least_side(places: Floats, weight: Floats, bias: Floats, out: NDArray[np.float64]) -> None:
    """Write the least of ``place @ weight + bias`` of each cell.

    Places may have more columns than ``weight`` has rows; those are not read.
    """
    total = np.empty(bias.shape[0], dtype=np.float32)
    for row in range(out.shape[0]):
        total[:] = bias
        for i in range(weight.shape[0]):
            for kind in range(total.shape[0]):
                total[kind] += places[row, i] * weight[i, kind]
        out[row] = total.min()


@numba.njit(cache=True, nogil=True)
def multiply(places: Floats, matrix: Floats, out: Floats) -> None:
    """Write ``place @ matrix`` of each cell; further columns of places are not read."""
    for row in range(out.shape[0]):
        out[row] = 0
        for i in range(matrix.shape[0]):
            for j in range(out.shape[1]):
                out[row, j] += places[row, i] * matrix[i, j]


@numba.njit(cache=True, nogil=True)
def squared_distance(white: Floats, centre: Floats, out: NDArray[np.float64]) -> None:
    """Write the squared distance of each cell to a centre."""
    for row in range(out.shape[0]):
        total = 0.0
        for j in range(centre.shape[0]):
            total += (white[row, j] - centre[j]) ** 2
        out[row] = total
