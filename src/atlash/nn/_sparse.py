"""Standardised sparse cells times a dense matrix; compiled, imported on first use."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@numba.njit(cache=True, nogil=True)
def standardised_product(  # noqa: PLR0917
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    data: Floats,
    scaling: tuple[Floats, Floats, Floats],
    matrix: Floats,
    silent_cell: Floats,
    out: Floats,
) -> None:
    """Write ``x @ matrix`` for each row ``x`` of a CSR matrix after standardising it.

    ``silent_cell`` is the product of a cell that expresses nothing; ``scaling`` holds the
    mean and the inverse scale of each feature, and the greatest standardised value. Four
    features are added at a time, in their order: that saves three of four passes over the
    sum, and the sum of a cell depends on nothing but the cell.
    """
    mean, inverse_scale, upper = scaling
    f = np.empty(4, dtype=np.int64)
    v = np.empty(4, dtype=np.float32)
    for row in range(out.shape[0]):
        total = out[row]
        total[:] = silent_cell
        for start in range(indptr[row], indptr[row + 1], 4):
            f[:] = 0
            v[:] = 0  # past the end of the row nothing is added
            for place in range(min(4, indptr[row + 1] - start)):
                g = indices[start + place]
                value = min((data[start + place] - mean[g]) * inverse_scale[g], upper[0])
                f[place], v[place] = g, value + mean[g] * inverse_scale[g]
            a, b, c, d = matrix[f[0]], matrix[f[1]], matrix[f[2]], matrix[f[3]]
            for j in range(total.shape[0]):
                total[j] = (((total[j] + v[0] * a[j]) + v[1] * b[j]) + v[2] * c[j]) + v[3] * d[j]


@numba.njit(cache=True, nogil=True)
def weighted_rows(weights: Floats, matrix: Floats, start: Floats) -> Floats:
    """Return ``start + weights @ matrix``, added up in float64 and in order."""
    total = start.astype(np.float64)
    for i in range(matrix.shape[0]):
        row = matrix[i]
        for j in range(total.shape[0]):
            total[j] += np.float64(weights[i]) * row[j]
    return total.astype(np.float32)
