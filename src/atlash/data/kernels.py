"""Compiled loops over CSR rows."""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

_Rows = tuple[NDArray[np.floating], NDArray[np.integer], NDArray[np.integer]]
_Projection = tuple[
    NDArray[np.float32],
    NDArray[np.int32],
    NDArray[np.int64],
    NDArray[np.float64],
    NDArray[np.int32],
]


@numba.njit(cache=True, nogil=True)
def project_csr(
    rows: _Rows,
    gene_of_column: NDArray[np.int32],
    feature_of_gene: NDArray[np.int32],
    target: float,
) -> _Projection:
    """Project rows, a CSR's three arrays; see `atlash.data.normalize.project_rows`.

    Returns values, columns and bounds of the CSR over features, library sizes, and numbers
    of genes detected.
    """
    values, columns, bounds = rows
    n_rows, n_genes = bounds.size - 1, feature_of_gene.size
    # One place more than entries: each gene is written, and kept only if it is a feature.
    out_value = np.empty(values.size, np.float32)
    out_column = np.empty(values.size + 1, np.int32)
    out_bounds = np.zeros(n_rows + 1, np.int64)
    library = np.zeros(n_rows, np.float64)
    n_detected = np.zeros(n_rows, np.int32)
    total = np.zeros(n_genes, np.float64)  # of the row at hand, valid where seen[gene] == row
    seen = np.full(n_genes, -1, np.int32)
    n_out = 0
    for row in range(n_rows):
        start, previous, ascending, size, detected = n_out, -1, True, 0.0, 0
        for entry in range(bounds[row], bounds[row + 1]):
            gene = gene_of_column[columns[entry]]
            value = np.float64(values[entry])
            if gene < 0 or value == 0.0:
                continue
            size += value
            if seen[gene] == row:
                total[gene] += value
                continue
            seen[gene] = row
            total[gene] = value
            detected += 1
            ascending &= gene > previous
            previous = gene
            out_column[n_out] = gene
            n_out += feature_of_gene[gene] >= 0
        n_detected[row] = detected
        # Ascending genes make the result independent of the order of the columns read.
        if not ascending:
            out_column[start:n_out].sort()
        for k in range(start, n_out):
            gene = out_column[k]
            out_value[k] = math.log1p(target * total[gene] / size)
            out_column[k] = feature_of_gene[gene]
        library[row] = size
        out_bounds[row + 1] = n_out
    return out_value[:n_out], out_column[:n_out], out_bounds, library, n_detected
