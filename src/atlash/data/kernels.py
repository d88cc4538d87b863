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


@numba.njit(cache=True, nogil=True)
def _features_of_columns(
    gene_of_column: NDArray[np.int32], feature_of_gene: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.bool_], NDArray[np.bool_], bool]:
    """Return the feature of each column or -1, and which columns are features and genes.

    Last, whether every gene has one column at most.
    """
    feature = np.full(gene_of_column.size, -1, np.int32)
    taken = np.zeros(feature_of_gene.size, np.bool_)
    distinct = True
    for column in range(gene_of_column.size):
        gene = gene_of_column[column]
        if gene >= 0:
            feature[column] = feature_of_gene[gene]
            distinct &= not taken[gene]
            taken[gene] = True
    return feature, feature >= 0, gene_of_column >= 0, distinct


# Sums in any order, so that they are vectors; the order is that of the compiled code.
@numba.njit(cache=True, nogil=True, fastmath={"reassoc"})
def _total(values: NDArray[np.floating]) -> float:
    total = 0.0
    for entry in range(values.size):
        total += values[entry]
    return total


@numba.njit(cache=True, nogil=True)
def _number_above_zero(values: NDArray[np.floating]) -> int:
    n = 0
    for entry in range(values.size):
        n += values[entry] != 0
    return n


@numba.njit(cache=True, nogil=True)
def _ascend(numbers: NDArray[np.int32]) -> bool:
    """Tell whether each number is above the one before."""
    ascend = True
    for entry in range(1, numbers.size):
        ascend &= numbers[entry] > numbers[entry - 1]
    return ascend


@numba.njit(cache=True, nogil=True)
def _select(
    values: NDArray[np.floating],
    columns: NDArray[np.int32],
    wanted: NDArray[np.bool_],
    out_value: NDArray[np.floating],
    out_column: NDArray[np.int32],
) -> np.int64:
    """Write the entries of wanted columns; return their number.

    Both outputs have one place more than the row: each entry is written, without a branch that
    the processor would have to guess, and counted only if its column is wanted.
    """
    n = np.uint64(0)
    for entry in range(columns.size):
        column = columns[entry]
        out_column[n] = column
        out_value[n] = values[entry]
        n += np.uint64(wanted[np.uint32(column)])
    return np.int64(n)


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
    feature_of_column, is_feature, is_gene, distinct_columns = _features_of_columns(
        gene_of_column, feature_of_gene
    )
    all_genes = is_gene.all()
    out_value = np.empty(values.size + 1, np.float32)
    out_column = np.empty(values.size + 1, np.int32)
    out_bounds = np.zeros(n_rows + 1, np.int64)
    library = np.zeros(n_rows, np.float64)
    n_detected = np.zeros(n_rows, np.int32)
    total = np.zeros(n_features, np.float64)
    counted = np.zeros(feature_of_gene.size + 1, np.bool_)
    room = 1 + (np.diff(bounds).max() if n_rows else 0)
    gene_value, gene_column = np.empty(room, values.dtype), np.empty(room, np.int32)
    start = 0
    for row in range(n_rows):
        span = slice(bounds[row], bounds[row + 1])
        value, column = values[span], columns[span]
        if not all_genes:  # the sum must not depend on what is left out
            n = _select(value, column, is_gene, gene_value, gene_column)
            value, column = gene_value[:n], gene_column[:n]
        detected = _number_above_zero(value)
        if detected < value.size:
            value, column = value[value != 0], column[value != 0]
        size = _total(value)
        if not (distinct_columns and _ascend(column)):
            detected = _count_genes(value, column, gene_of_column, counted)
        n = _select(value, column, is_feature, out_value[start:], out_column[start:])
        chosen, feature = out_value[start : start + n + 1], out_column[start : start + n + 1]
        for k in range(n):
            feature[k] = feature_of_column[np.uint32(feature[k])]
        if not _ascend(feature[:n]):
            n = _in_order(chosen, feature, total)
        factor = target / size if n else 0.0
        for k in range(n):
            chosen[k] *= factor
        n_detected[row] = detected
        library[row] = size
        start += n
        out_bounds[row + 1] = start
    return out_value[:start], out_column[:start], out_bounds, library, n_detected
