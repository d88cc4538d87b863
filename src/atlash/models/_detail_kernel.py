"""The compiled part of detail bits; imported on first use.

One cell at a time, in a fixed order of additions: no bit depends on the cells beside.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from atlash.nn._rows import add_rows

Floats = NDArray[np.float32]


@numba.njit(cache=True, nogil=True)
def project_from_centres(  # noqa: PLR0917
    components: Floats,
    agreement: Floats,
    projection: NDArray[np.uint32],
    centres: Floats,
    sharpness: float,
    out: Floats,
) -> None:
    """Write each cell's projection, less the mean of the types' by softmax of agreement.

    ``projection`` is paired and ``centres`` are padded; see `atlash.nn.tiles`.
    """
    n_components = projection.shape[0]
    index = np.arange(n_components, dtype=np.int32)
    place = np.empty(n_components, dtype=np.float32)
    total = np.empty(centres.shape[1], dtype=np.float32)
    share = np.empty(centres.shape[0], dtype=np.float32)
    for row in range(out.shape[0]):
        place[:] = components[row, :n_components]
        total[:] = 0
        add_rows(place, index, 0, n_components, projection, total)
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
        out[row] = total[: out.shape[1]]
