"""Sums of products of standardised log expression, exactly, and the axes of most variance.

The Gram matrix is added up over chunks in whole numbers, so that it is the same for any order of
the cells and any number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from atlash.clustering.moments import LOG_STEPS

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from atlash.clustering.genes import Genes

TILE_CELLS = 1024
"""Cells whose products are added in float32: values of at most 127 steps keep their sums below
2**24, where float32 is exact."""


@dataclass(frozen=True)
class Gram:
    """Sums over ``n`` cells in whole steps, exact: each feature's, and each two features' product.

    Attributes
    ----------
    n
        Number of cells.
    sums
        ``(n_features,)``, float64.
    products
        ``(n_features, n_features)``, float64, symmetric.
    """

    n: int
    sums: NDArray[np.float64]
    products: NDArray[np.float64]


def products_of(X: csr_array, most: NDArray[np.float32]) -> Gram:
    """Add up log expression ``(n, n_features)``, each feature at most so many steps.

    BLAS runs on as many threads as the caller leaves it; the sums are the same for any number.
    """
    from atlash.clustering._rows import fill_tile

    n_features = X.shape[1]
    sums, products = np.zeros(n_features), np.zeros((n_features, n_features))
    bounds = X.indptr.astype(np.int64)
    for start in range(0, X.shape[0], TILE_CELLS):
        stop = min(start + TILE_CELLS, X.shape[0])
        tile = np.empty((stop - start, n_features), dtype=np.float32)
        fill_tile(bounds[start : stop + 1], X.indices, X.data, LOG_STEPS, most, tile)
        sums += tile.sum(axis=0, dtype=np.float64)
        # numpy multiplies a matrix by itself in half the work, and lets other threads run
        products += tile.T @ tile
    return Gram(X.shape[0], sums, products)


def directions(gram: Gram, genes: Genes, n_axes: int) -> NDArray[np.float64]:
    """Return the leading principal axes ``(n_features, n_axes)``, most variance first.

    The sign of an axis is such that its greatest entry is positive.
    """
    from scipy.linalg import eigh
    from threadpoolctl import threadpool_limits

    scale = genes.inverse_scale.astype(np.float64) / LOG_STEPS
    covariance = gram.products / gram.n - np.outer(gram.sums, gram.sums) / gram.n**2
    covariance *= np.outer(scale, scale)
    n = len(covariance)
    with threadpool_limits(1, user_api="blas"):
        vectors = eigh(covariance, lower=False, subset_by_index=[n - n_axes, n - 1])[1][:, ::-1]
    greatest = np.abs(vectors).argmax(axis=0)
    return np.asarray(vectors * np.sign(vectors[greatest, np.arange(n_axes)]))
