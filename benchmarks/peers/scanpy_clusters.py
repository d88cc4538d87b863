"""scanpy's clustering as its tutorials do it, and k-means controls on the same components.

Depth to 10,000, log1p, 2,000 variable genes, z-scores cut at 10, 50 components, 15 neighbours,
Leiden by igraph with two iterations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import scanpy as sc
import scipy.sparse as sp
from pynndescent import PyNNDescentTransformer

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_GENES = 2000
LARGEST_Z = 10.0
N_COMPONENTS = 50
N_NEIGHBORS = 15
FROM_CELLS = 8192
"""Cells from which scanpy's neighbours are found by pynndescent."""
CELLS_A_BUCKET = 10
MAX_BUCKETS = 2000


class _AsMatrix(PyNNDescentTransformer):  # type: ignore[misc]
    """pynndescent that gives the class that scanpy 1.11 asks for.

    scanpy 1.11 calls ``getnnz``, which the ``csr_array`` of pynndescent 0.7 lacks, so that
    ``sc.pp.neighbors`` fails from 8,192 cells. Nothing but the class of the result differs.
    """

    def fit_transform(self, X: NDArray[np.float32], y: None = None) -> sp.csr_matrix:
        """Return distances to the nearest cells ``(n_cells, n_cells)``."""
        return sp.csr_matrix(super().fit_transform(X, y))


def with_graph(cells: ad.AnnData, seed: int) -> ad.AnnData:
    """Return cells with components in ``obsm["X_pca"]`` and scanpy's graph of neighbours."""
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    sc.pp.highly_variable_genes(cells, n_top_genes=min(N_GENES, cells.n_vars))
    chosen = cells[:, cells.var["highly_variable"]].copy()
    sc.pp.scale(chosen, max_value=LARGEST_Z)
    sc.pp.pca(chosen, n_comps=N_COMPONENTS, random_state=seed)
    transformer = _transformer(chosen.n_obs, seed) if chosen.n_obs >= FROM_CELLS else None
    sc.pp.neighbors(chosen, n_neighbors=N_NEIGHBORS, random_state=seed, transformer=transformer)
    return chosen


def _transformer(n_cells: int, seed: int) -> _AsMatrix:
    """Return pynndescent with the options that scanpy itself gives it by default."""
    return _AsMatrix(
        n_neighbors=N_NEIGHBORS,
        metric="euclidean",
        metric_kwds={},
        random_state=seed,
        n_jobs=sc.settings.n_jobs,
        n_trees=min(64, 5 + round(n_cells**0.5 / 20.0)),
        n_iters=max(5, round(np.log2(n_cells))),
    )


def leiden(cells: ad.AnnData, resolution: float, seed: int) -> NDArray[np.int32]:
    """Return the cluster of each cell ``(n_cells,)`` on the graph that the cells carry."""
    sc.tl.leiden(cells, resolution=resolution, flavor="igraph", n_iterations=2, random_state=seed)
    return np.asarray(cells.obs["leiden"].cat.codes, dtype=np.int32)


def k_means(graph: ad.AnnData, n_clusters: int, seed: int) -> NDArray[np.int32]:
    """Return k-means clusters of the components ``(n_cells,)``, the best of ten starts."""
    return _k_means(graph, n_clusters, seed, n_init=10)


def bucket_leiden(graph: ad.AnnData, resolution: float, seed: int) -> NDArray[np.int32]:
    """Cluster k-means buckets by Leiden, without anything learned ``(n_cells,)``.

    One bucket for ten cells, at most 2,000; the weight between buckets is the sum of the weights
    between their cells in scanpy's graph, the weight inside one included.
    """
    n_buckets = min(MAX_BUCKETS, max(2, graph.n_obs // CELLS_A_BUCKET))
    bucket = _k_means(graph, n_buckets, seed, n_init=1, max_iter=20)
    buckets = ad.AnnData(np.zeros((bucket.max() + 1, 1), dtype=np.float32))
    buckets.obsp["connectivities"] = _between(graph.obsp["connectivities"], bucket)
    buckets.uns["neighbors"] = {"connectivities_key": "connectivities", "params": {}}
    return leiden(buckets, resolution, seed)[bucket]


def _between(weights: sp.csr_matrix, bucket: NDArray[np.int32]) -> sp.csr_matrix:
    """Sum weights of cells between their buckets, ``(n_buckets, n_buckets)``, symmetric."""
    n_cells = len(bucket)
    member = sp.csr_array((np.ones(n_cells), (np.arange(n_cells), bucket)))
    return sp.csr_matrix(member.T @ weights @ member)


def _k_means(
    graph: ad.AnnData, n_clusters: int, seed: int, *, n_init: int, max_iter: int = 300
) -> NDArray[np.int32]:
    from sklearn.cluster import KMeans

    model = KMeans(n_clusters, n_init=n_init, random_state=seed, max_iter=max_iter)
    _, found = np.unique(model.fit_predict(graph.obsm["X_pca"]), return_inverse=True)
    return found.astype(np.int32)
