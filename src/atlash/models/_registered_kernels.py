"""The compiled part of registered types; imported on first use.

One cell at a time, in a fixed order of additions: no answer depends on the cells beside.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Sparse = tuple[NDArray[np.int64], NDArray[np.int32], Floats]
Scaling = tuple[Floats, Floats, np.float32]


@numba.njit(cache=True, nogil=True)
def add_along(cells: Sparse, scaling: Scaling, direction: Floats, out: Doubles) -> None:
    """Add to each cell's standardised expression along a direction what its entries change.

    ``cells`` are the parts of a CSR matrix; ``scaling`` holds the mean and the inverse scale
    of each feature, and the greatest standardised value.
    """
    indptr, indices, data = cells
    mean, inverse_scale, upper = scaling
    for row in range(out.shape[0]):
        for k in range(indptr[row], indptr[row + 1]):
            f = indices[k]
            value = min((data[k] - mean[f]) * inverse_scale[f], upper)
            out[row] += (value + mean[f] * inverse_scale[f]) * direction[f]


@numba.njit(cache=True, nogil=True)
def least_side(places: Floats, along: Doubles, planes: Floats, out: Doubles) -> None:
    """Write each cell's least signed distance to a plane.

    ``planes`` has one column a plane; its rows are the weights of the places, the weight of
    ``along`` and the offset. Further columns of places are not read.
    """
    n = planes.shape[0] - 2
    total = np.empty(planes.shape[1])
    for row in range(out.shape[0]):
        for kind in range(total.shape[0]):
            total[kind] = along[row] * planes[n, kind] + planes[n + 1, kind]
        for i in range(n):
            for kind in range(total.shape[0]):
                total[kind] += places[row, i] * planes[i, kind]
        out[row] = total.min()


@numba.njit(cache=True, nogil=True)
def squared_distance(places: Floats, whitening: Floats, centre: Floats, out: Doubles) -> None:
    """Write the squared distance of each cell to a centre after whitening."""
    white = np.empty(centre.shape[0])
    for row in range(out.shape[0]):
        for j in range(white.shape[0]):
            white[j] = -centre[j]
        for i in range(whitening.shape[0]):
            for j in range(white.shape[0]):
                white[j] += places[row, i] * whitening[i, j]
        out[row] = 0
        for j in range(white.shape[0]):
            out[row] += white[j] * white[j]
