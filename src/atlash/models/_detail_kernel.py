"""The compiled part of detail bits; imported on first use.

One cell at a time, in a fixed order of additions: no bit depends on the cells beside.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@numba.njit(cache=True, nogil=True)
def project_from_centres(  # noqa: PLR0917
    components: Floats,
    agreement: Floats,
    projection: Floats,
    centres: Floats,
    sharpness: float,
    out: Floats,
) -> None:
    """Write each cell's projection, less the mean of the types' by softmax of agreement."""
    share = np.empty(centres.shape[0], dtype=np.float32)
    for row in range(out.shape[0]):
        total = out[row]
        total[:] = 0
        for i in range(projection.shape[0]):
            value, axis = components[row, i], projection[i]
            for j in range(total.shape[0]):
                total[j] += value * axis[j]
        greatest = agreement[row].max()
        mass = 0.0
        for kind in range(centres.shape[0]):
            power = math.exp(sharpness * (agreement[row, kind] - greatest))
            share[kind] = power
            mass += power
        for kind in range(centres.shape[0]):
            weight, centre = np.float32(share[kind] / mass), centres[kind]
            for j in range(total.shape[0]):
                total[j] -= weight * centre[j]
