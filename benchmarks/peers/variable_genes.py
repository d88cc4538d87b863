"""Variable genes by standardised variance, as ``seurat_v3`` does it, for the seed's recipe.

Written out here because scanpy's version needs scikit-misc for its local regression.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import scipy.sparse as sp
    from numpy.typing import NDArray

SPAN = 0.3
N_KNOTS = 200


def variable_genes(
    X: sp.csr_matrix, batches: NDArray[np.generic], *, n_top: int
) -> NDArray[np.int64]:
    """Pick genes by the median over batches of their rank, ties by the number of batches.

    Parameters
    ----------
    X
        Values, ``(n_cells, n_genes)``, non-negative.
    batches
        Batch of each cell, ``(n_cells,)``.
    n_top
        How many genes to pick.

    Returns
    -------
    Columns of the picked genes in increasing order, ``(n_top,)``.
    """
    scores = np.stack(
        [_standardised_variance(X[batches == batch]) for batch in np.unique(batches)]
    )
    ranks = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1).astype(float)
    ranks[ranks >= n_top] = np.nan
    n_batches = np.sum(~np.isnan(ranks), axis=0)
    median = np.full(X.shape[1], np.inf)
    median[n_batches > 0] = np.nanmedian(ranks[:, n_batches > 0], axis=0)
    return np.sort(np.lexsort((-n_batches, median))[:n_top])


def _standardised_variance(X: sp.csr_matrix) -> NDArray[np.float64]:
    """Variance of each gene after dividing by what its mean lets expect, values clipped."""
    n_cells = X.shape[0]
    columns = X.tocsc().astype(np.float64)
    mean = np.asarray(columns.mean(axis=0)).ravel()
    variance = np.asarray(columns.power(2).mean(axis=0)).ravel() - mean**2
    variance *= n_cells / (n_cells - 1)
    moving = variance > 0
    deviation = np.ones_like(mean)
    log_mean, log_variance = np.log10(mean[moving]), np.log10(variance[moving])
    deviation[moving] = np.sqrt(10 ** _local_quadratic(log_mean, log_variance))
    ceiling = mean + deviation * np.sqrt(n_cells)
    columns.data = np.minimum(columns.data, np.repeat(ceiling, np.diff(columns.indptr)))
    total = np.asarray(columns.sum(axis=0)).ravel()
    squares = np.asarray(columns.power(2).sum(axis=0)).ravel()
    return (n_cells * mean**2 + squares - 2 * mean * total) / ((n_cells - 1) * deviation**2)


def _local_quadratic(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Loess of degree two with tricube weights, fitted at quantile knots and interpolated."""
    knots = np.unique(np.quantile(x, np.linspace(0, 1, N_KNOTS)))
    n_near = max(3, int(SPAN * len(x)))
    fitted = np.empty(len(knots))
    for place, knot in enumerate(knots):
        distance = np.abs(x - knot)
        reach = np.partition(distance, n_near - 1)[n_near - 1]
        near = distance <= reach
        weight = np.sqrt((1 - (distance[near] / (reach * 1.0001 + 1e-12)) ** 3) ** 3)
        design = np.vander(x[near] - knot, 3) * weight[:, None]
        fitted[place] = np.linalg.lstsq(design, y[near] * weight, rcond=None)[0][-1]
    return np.interp(x, knots, fitted)
