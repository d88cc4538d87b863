"""Standardised sparse cells times a dense matrix; compiled, imported on first use."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from atlash.nn._rows import add_rows
from atlash.nn.tiles import TILE, Words

Floats = NDArray[np.float32]
BLOCK = 128
"""Cells that pass a tile before the next one: some 0.3 MB of entries and sums."""


@numba.njit(cache=True, nogil=True)
def standardise(
    indices: NDArray[np.int32],
    data: Floats,
    steps: Floats,
    out: Floats,
) -> None:
    """Write how far each entry of a CSR matrix is, standardised, above a feature at 0.

    ``steps`` holds the inverse scale of each feature and the greatest such value, in turn.
    """
    for k in range(data.shape[0]):
        f = np.uint32(indices[k])
        out[k] = min(data[k] * steps[f, 0], steps[f, 1])


@numba.njit(cache=True, nogil=True)
def product(  # noqa: PLR0917
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    values: Floats,
    tiles: Words,
    start: Floats,
    out: Floats,
) -> None:
    """Write ``start + x @ matrix`` to the row of ``out`` for each row ``x`` of a CSR matrix.

    ``tiles`` is the matrix, cut. A block of cells, which fits the cache with a tile, passes one
    tile before the next.
    """
    n_rows = out.shape[0]
    for block in range(0, n_rows, BLOCK):
        for tile in range(tiles.shape[0]):
            for row in range(block, min(block + BLOCK, n_rows)):
                part = out[row, tile * TILE : (tile + 1) * TILE]
                for j in range(TILE):
                    part[j] = start[tile * TILE + j]
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
