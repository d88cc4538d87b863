"""Standardised sparse cells times a dense matrix; compiled, imported on first use."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from atlash.nn._rows import add_rows
from atlash.nn.tiles import TILE, Words

Floats = NDArray[np.float32]


@numba.njit(cache=True, nogil=True)
def standardise(
    indices: NDArray[np.int32],
    data: Floats,
    scaling: tuple[Floats, Floats, Floats],
    out: Floats,
) -> None:
    """Write how far each entry of a CSR matrix is, standardised, above a feature at 0.

    ``scaling`` holds the mean and the inverse scale of each feature, and the greatest
    standardised value.
    """
    mean, inverse_scale, upper = scaling
    for k in range(data.shape[0]):
        f = indices[k]
        value = min((data[k] - mean[f]) * inverse_scale[f], upper[0])
        out[k] = value + mean[f] * inverse_scale[f]


@numba.njit(cache=True, nogil=True)
def add_product(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    values: Floats,
    tiles: Words,
    out: Floats,
) -> None:
    """Add ``x @ matrix`` to the row of ``out`` for each row ``x`` of a CSR matrix.

    ``tiles`` is the matrix, cut. All cells pass one tile before the next, as it fits the cache.
    """
    for tile in range(tiles.shape[0]):
        for row in range(out.shape[0]):
            part = out[row, tile * TILE : (tile + 1) * TILE]
            add_rows(values, indices, indptr[row], indptr[row + 1], tiles[tile], part)


@numba.njit(cache=True, nogil=True)
def weighted_rows(weights: Floats, matrix: Floats, start: Floats) -> Floats:
    """Return ``start + weights @ matrix``, added up in float64 and in order."""
    total = start.astype(np.float64)
    for i in range(matrix.shape[0]):
        row = matrix[i]
        for j in range(total.shape[0]):
            total[j] += np.float64(weights[i]) * row[j]
    return total.astype(np.float32)
