"""Cluster cells without labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import scipy.sparse as sp

from atlash.keys import DEFAULT_PREFIX, ClusterKeys
from atlash.tl.checks import check_anndata, check_key_added
from atlash.tl.cluster_columns import cluster_arrays, cluster_columns, cluster_rows, storable
from atlash.tl.written import put, target_of

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

    from atlash.clustering import HashClusterer
    from atlash.clustering.partition import CellGraph
    from atlash.config import ClusterConfig
    from atlash.data.source import Cells


@dataclass(frozen=True)
class Clustering:
    """What clustering gives: new columns and entries of an AnnData.

    Attributes
    ----------
    obs
        One row a cell, in the order of the input.
    obsm, obsp, uns
        Embedding, graph and story.
    clusterer
        The fitted clusterer.
    """

    obs: pd.DataFrame
    obsm: dict[str, Any]
    obsp: dict[str, Any]
    uns: dict[str, Any]
    clusterer: HashClusterer


def cluster(
    adata: AnnData,
    *,
    batch_key: str | None = None,
    n_clusters: int | Literal["auto"] = "auto",
    resolution: float | None = None,
    random_state: int = 0,
    key_added: str = DEFAULT_PREFIX,
    config: ClusterConfig | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Find clusters of cells, and how many there are.

    Cells are put on the principal axes that two halves of their counts agree on, into buckets of
    near cells, and the graph of buckets is clustered by Leiden. Clusters that the halves neither
    tell apart nor find far from each other are joined. Labels that the cells may have are
    neither needed nor looked at.

    Parameters
    ----------
    adata
        The cells, at least 50: counts, or normalised values on a linear or logarithmic scale.
    batch_key
        Column of ``obs`` with batches, to be integrated; ``None`` for one batch.
    n_clusters
        Number of clusters, at least 1; ``"auto"`` finds it.
    resolution
        Resolution of Leiden, above 0, whose clusters are taken as they are; ``None`` finds the
        clusters as said above.
    random_state
        Seed of Leiden's moves, and of what is learned where ``config.learn`` or an attention that
        learns is on; all else is decided by the cells.
    key_added
        Prefix of the keys that are written.
    config
        Further options; ``None`` stands for ``ClusterConfig()``.
    copy
        Return a copy, in memory, instead of writing to ``adata``.

    Returns
    -------
    ``None``, or the copy. Written are, with ``atlash`` as the prefix:

    ``obs["atlash_cluster"]`` : categorical
        ``"0"`` is the largest cluster; ``"unassigned"`` are cells without counts.
    ``obs["atlash_membership"]`` : float32 in [0, 1]
        How much of what lies around the cell belongs to its cluster.
    ``obs["atlash_stability"]`` : float32 in [0, 1]
        Share of the runs of Leiden that put the cell into its cluster.
    ``obs["atlash_bucket"]`` : int32
        The cell's bucket; -1 for cells without counts.
    ``obsm["X_atlash"]`` : float32 ``(n_obs, n_axes)``
        Places on the axes; 0 for cells without counts.
    ``obsm["atlash_words"]`` : uint16 ``(n_obs, n_heads)``
        Hash codes: the word that each of four heads gives a cell, 6 bits each; 65,535 for cells
        without counts.
    ``obsp["atlash_neighbors_connectivities"]`` : CSR float32 ``(n_obs, n_obs)``
        Jaccard index of the neighbours of near cells, symmetric, in [0, 1].
    ``obsp["atlash_neighbors_distances"]`` : CSR float32 ``(n_obs, n_obs)``
        Distance of each cell to its nearest.
    ``uns["atlash_neighbors"]`` : dict
        The names of these, as scanpy's functions take them by ``neighbors_key``.
    ``uns["atlash_clustering"]`` : dict
        Settings, seed, version, stability over resolutions and of each cluster, how clusters
        were joined (kappa, distance, p-value), seconds of each step, peak memory. ``rare`` is a
        table of the clusters that are rare types: ``cluster``, ``parent``, ``n_cells``,
        ``n_genes``, ``agreement`` (kappa), ``distance``, ``between`` and ``p_value``.
        ``integration``, with ``batch_key``, says how batches mix among the nearest cells
        ``before`` and ``after`` (``ilisi``, ``entropy``, ``kbet``: 0 apart, near 1 mixed),
        ``kept_neighbours`` (share of a cell's nearest in its batch that stay so) and ``n_cells``
        looked at; it is left out where no two batches have three of these cells.

    Raises
    ------
    InputError
        If the cells cannot be used, or an option is out of range. Nothing is written then.
    """
    from atlash.clustering import HashClusterer

    clusterer = HashClusterer(
        n_clusters, resolution=resolution, random_state=random_state, config=config
    )
    check_anndata(adata, copy=copy)
    result = cluster_cells(adata, clusterer, batch_key=batch_key, keys=ClusterKeys(key_added))
    target = target_of(adata, copy=copy)
    put(target, result.obs, {"obsm": result.obsm, "obsp": result.obsp, "uns": result.uns})
    return target if copy else None


def cluster_cells(
    cells: Cells, clusterer: HashClusterer, *, batch_key: str | None, keys: ClusterKeys
) -> Clustering:
    """Fit a clusterer, and return what is to be written."""
    check_key_added(keys.prefix)
    clusterer.fit(cells, batch_key=batch_key)
    found = clusterer.clusters_
    graph, rows = clusterer.graph_
    neighbors = keys.neighbors
    return Clustering(
        obs=cluster_columns(found, clusterer.model_.n_clusters, keys),
        obsm=cluster_arrays(found, keys),
        obsp={
            neighbors.connectivities: _in_order(graph.weights, rows, len(found.labels)),
            neighbors.distances: _in_order(_distances(graph), rows, len(found.labels)),
        },
        uns={
            neighbors.parameters: {
                "connectivities_key": neighbors.connectivities,
                "distances_key": neighbors.distances,
                "params": {
                    "n_neighbors": clusterer.config.n_neighbors,
                    "method": "umap",  # scanpy takes nothing else; the weights are Jaccard's
                    "metric": "euclidean",
                    "use_rep": keys.embedding,
                    "random_state": clusterer.wanted.random_state,
                },
            },
            keys.story: storable(clusterer.facts_),
        },
        clusterer=clusterer,
    )


def _distances(graph: CellGraph) -> sp.csr_matrix:
    """Return the distance of each cell to its nearest, ``(n, n)``."""
    n, width = graph.neighbours.rows.shape
    distances = np.sqrt(graph.neighbours.squared_distances).ravel()
    bounds = np.arange(n + 1) * width
    return sp.csr_matrix((distances, graph.neighbours.rows.ravel(), bounds), shape=(n, n))


def _in_order(graph: Any, rows: NDArray[np.int64], n_cells: int) -> sp.csr_matrix:  # noqa: ANN401
    """Return a graph of the cells at ``rows`` as one of all cells, ``(n_cells, n_cells)``."""
    edges = graph.tocoo()
    placed = (edges.data, (rows[edges.row], rows[edges.col]))
    return sp.csr_matrix(placed, shape=(n_cells, n_cells), dtype=np.float32)


def summarise(clusterer: HashClusterer) -> dict[str, Any]:
    """Return what was found in a fitted clusterer's cells, as plain JSON."""
    found, facts = clusterer.clusters_, clusterer.facts_
    return {
        "cells": len(found.labels),
        "n_clusters": clusterer.model_.n_clusters,
        "n_before_joining": facts["n_before_joining"],
        "clusters": cluster_rows(found, facts["cluster_stability"]),
        "unassigned": int((found.labels < 0).sum()),
        "integration": facts["integration"],
        "random_state": facts["random_state"],
        "seconds": sum(facts["seconds"].values()),
    }
