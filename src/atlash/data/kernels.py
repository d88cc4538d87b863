"""Compiled loops over CSR rows."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Rows = tuple[NDArray[np.floating], NDArray[np.int32], NDArray[np.int64]]
_Projection = tuple[
    NDArray[np.float32],
    NDArray[np.int32],
    NDArray[np.int64],
    NDArray[np.float64],
    NDArray[np.int32],
]
_UNKNOWN = -2


@numba.njit(cache=True, nogil=True)
def _features_of_columns(
    gene_of_column: NDArray[np.int32], feature_of_gene: NDArray[np.int32]
) -> tuple[NDArray[np.int32], bool]:
    """Return the feature of each column, and whether every gene has one column at most.

    A column of no gene has feature -2, one of a gene that is no feature -1.
    """
    feature = np.full(gene_of_column.size, _UNKNOWN, np.int32)
    taken = np.zeros(feature_of_gene.size, np.bool_)
    distinct = True
    for column in range(gene_of_column.size):
        gene = gene_of_column[column]
        if gene >= 0:
            feature[column] = feature_of_gene[gene]
            distinct &= not taken[gene]
            taken[gene] = True
    return feature, distinct


@numba.njit(cache=True, nogil=True)
def _count_genes(
    values: NDArray[np.floating],
    columns: NDArray[np.int32],
    gene_of_column: NDArray[np.int32],
    counted: NDArray[np.bool_],
) -> int:
    """Count the genes of a row that may have several entries each; ``counted`` is all false."""
    n = 0
    for entry in range(columns.size):
        gene = gene_of_column[columns[entry]]
        if gene >= 0 and values[entry] != 0:
            n += not counted[gene]
            counted[gene] = True
    for entry in range(columns.size):
        counted[gene_of_column[columns[entry]]] = False  # of no gene: the last, which is spare
    return n


@numba.njit(cache=True, nogil=True)
def _in_order(
    values: NDArray[np.float32], features: NDArray[np.int32], total: NDArray[np.float64]
) -> int:
    """Sort a row by feature and add up what is of one; return how many are left.

    Both arrays have one place more than the row; ``total`` is all 0.
    """
    for k in range(values.size - 1):
        total[features[k]] += values[k]
    n = 0
    for feature in range(total.size):
        features[n] = feature
        values[n] = total[feature]
        n += total[feature] != 0
        total[feature] = 0
    return n


@numba.njit(cache=True, nogil=True)
def project_csr(
    rows: Rows,
    gene_of_column: NDArray[np.int32],
    feature_of_gene: NDArray[np.int32],
    n_features: int,
    target: float,
) -> _Projection:
    """Project rows, a CSR's three arrays, up to the logarithm; see `project_rows` in normalize.

    Returns ``target * value / library``, columns and bounds of the CSR over features, library
    sizes, and numbers of genes detected. Most rows come sorted and without duplicates; what
    the others need is done to them alone.
    """
    values, columns, bounds = rows
    n_rows = bounds.size - 1
    feature_of_column, distinct_columns = _features_of_columns(gene_of_column, feature_of_gene)
    # One place more than entries: each is written, and kept only if it is of a feature.
    out_value = np.empty(values.size + 1, np.float32)
    out_column = np.empty(values.size + 1, np.int32)
    out_bounds = np.zeros(n_rows + 1, np.int64)
    library = np.zeros(n_rows, np.float64)
    n_detected = np.zeros(n_rows, np.int32)
    total = np.zeros(n_features, np.float64)
    counted = np.zeros(feature_of_gene.size + 1, np.bool_)
    n_out = 0
    for row in range(n_rows):
        first, last = bounds[row], bounds[row + 1]
        start, size, detected = n_out, 0.0, 0
        previous, previous_feature, distinct, ordered = -1, -1, distinct_columns, True
        for entry in range(first, last):
            column = columns[entry]
            distinct &= column > previous
            previous = column
            feature = feature_of_column[np.uint32(column)]
            value = values[entry]
            if feature == _UNKNOWN or value == 0:
                continue
            size += value
            detected += 1
            ordered &= (feature > previous_feature) | (feature < 0)
            previous_feature = max(previous_feature, feature)
            out_column[n_out] = feature
            out_value[n_out] = value
            n_out += feature >= 0
        if not distinct:
            detected = _count_genes(
                values[first:last], columns[first:last], gene_of_column, counted
            )
        if not ordered:
            end = n_out + 1
            n_out = start + _in_order(out_value[start:end], out_column[start:end], total)
        for k in range(start, n_out):
            out_value[k] *= target / size
        n_detected[row] = detected
        library[row] = size
        out_bounds[row + 1] = n_out
    return out_value[:n_out], out_column[:n_out], out_bounds, library, n_detected
