"""What counts of annotated cells tell of the law they follow; see :mod:`atlash.data.simulate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PRIOR_COUNTS = 10_000.0
"""Counts of the type over all batches that every group borrows, a handful of cells' worth."""
_PRIOR_INFORMATION = 10.0
"""Weight of the typical dispersion, in the same unit as a gene's sum of squared means."""
_LEAST_DISPERSION = 1e-6


def group_sums(
    X: sp.csr_array[Any], group: NDArray[np.int64], n_groups: int
) -> NDArray[np.float64]:
    """Sum the rows of each group, ``(n_groups, n_columns)``."""
    ones = np.ones(len(group))
    indicator = sp.csr_array((ones, (group, np.arange(len(group)))), (n_groups, len(group)))
    return np.asarray((indicator @ X).toarray(), dtype=np.float64)


def estimated_proportions(
    totals: NDArray[np.float64], type_of: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Shrink each group's shares towards its type's, and those towards all cells'.

    Parameters
    ----------
    totals
        Counts of each group and gene, ``(n_groups, n_genes)``, not all 0.
    type_of
        Type of each group, ``(n_groups,)`` from 0.

    Returns
    -------
    ``(n_groups, n_genes)``; rows sum to 1.
    """
    overall = totals.sum(axis=0) / totals.sum()
    types = np.zeros((type_of.max() + 1, totals.shape[1]))
    np.add.at(types, type_of, totals)
    types = (types + _PRIOR_COUNTS * overall) / (types.sum(axis=1, keepdims=True) + _PRIOR_COUNTS)
    shrunk = totals + _PRIOR_COUNTS * types[type_of]
    return np.asarray(shrunk / shrunk.sum(axis=1, keepdims=True), dtype=np.float64)


def estimated_dispersions(
    X: sp.csr_array[Any],
    depth: NDArray[np.float64],
    group: NDArray[np.int64],
    *,
    totals: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Estimate ``phi`` from ``sum((x - m)^2 - m) = phi sum(m^2)``, cells within their groups.

    Parameters
    ----------
    X
        Counts ``(n_cells, n_genes)``.
    depth, group
        Sum and group of each cell, ``(n_cells,)``.
    totals
        Counts of each group and gene, ``(n_groups, n_genes)``.

    Returns
    -------
    ``(n_genes,)``, positive; shrunk towards the typical gene's.
    """
    n_groups = len(totals)
    group_depth = np.bincount(group, depth, n_groups)
    shares = totals / group_depth[:, None]
    squared_depth = np.bincount(group, depth**2, n_groups)[:, None]
    information = np.sum(shares**2 * squared_depth, axis=0)
    cross = group_sums(sp.csr_array(X.multiply(depth[:, None])), group, n_groups)
    squares = np.asarray(X.power(2).sum(axis=0))
    residual = squares - 2 * np.sum(shares * cross, axis=0) + information
    excess = residual - totals.sum(axis=0)
    clear = information >= _PRIOR_INFORMATION
    typical = float(np.median(excess[clear] / information[clear])) if clear.any() else 0.0
    shrunk = (excess + _PRIOR_INFORMATION * typical) / (information + _PRIOR_INFORMATION)
    return np.asarray(np.maximum(shrunk, _LEAST_DISPERSION), dtype=np.float64)


def estimated_log_depth(
    depth: NDArray[np.float64], batch: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and deviation of the log depth of each batch, ``(n_batches,)`` each."""
    logs, sizes = np.log(depth), np.bincount(batch)
    mean = np.bincount(batch, logs) / sizes
    variance = np.bincount(batch, (logs - mean[batch]) ** 2) / sizes
    return mean, np.sqrt(variance)
