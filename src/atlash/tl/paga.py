"""How clusters hang together: their graph, abstracted from that of the cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from atlash.checks import check_name
from atlash.errors import InputError
from atlash.keys import PagaKeys
from atlash.tl.checks import check_anndata
from atlash.tl.stored import complete_groups_of, stored_graph

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray


def paga(
    adata: AnnData,
    *,
    groups_key: str = "atlash_cluster",
    neighbors_key: str = "neighbors",
) -> None:
    """Connect clusters by how many of their cells are neighbours (PAGA, Wolf et al. 2019).

    What is written is what ``scanpy.tl.paga`` writes, so that ``scanpy.pl.paga`` runs on it.

    Parameters
    ----------
    adata
        Cells with a graph of neighbours.
    groups_key
        Column of ``obs`` with the clusters, without gaps.
    neighbors_key
        Key of ``uns`` that names the graph; the directed one, of distances, is used.

    Returns
    -------
    Nothing. Written are, clusters in order:

    ``uns["paga"]`` : dict
        ``connectivities``, CSR float64 ``(n_groups, n_groups)``, symmetric, in [0, 1];
        ``connectivities_tree``, CSR float64, the entries on the tree of strongest connections,
        each once; ``groups``, the name of the column.
    ``uns["<groups_key>_sizes"]`` : int64 ``(n_groups,)``
        Cells of each cluster.

    Raises
    ------
    KeyNotFoundError
        If the column or the graph does not exist.
    InputError
        If the column has gaps, or there are fewer than two cells.
    """
    check_anndata(adata)
    check_name(groups_key, "groups_key", example="atlash_cluster")
    if adata.n_obs < 2:
        msg = f"Connections between clusters need at least 2 cells, got {adata.n_obs}."
        raise InputError(msg)
    groups, names = complete_groups_of(adata.obs, groups_key)
    graph = stored_graph(adata, neighbors_key, "distances")
    connectivities = group_connectivities(graph, groups, n_groups=len(names))
    keys = PagaKeys(groups_key)
    adata.uns[keys.graph] = {
        "connectivities": sp.csr_matrix(connectivities),
        "connectivities_tree": sp.csr_matrix(strongest_tree(connectivities)),
        "groups": groups_key,
    }
    adata.uns[keys.sizes] = np.bincount(groups, minlength=len(names))


def group_connectivities(
    graph: sp.csr_array, groups: NDArray[np.int32], *, n_groups: int
) -> sp.csr_array:
    """Compare the edges between groups with those of random attachment.

    Parameters
    ----------
    graph
        Directed graph ``(n, n)``; each stored entry is an edge, whatever its value.
    groups
        Group of each node ``(n,)``, from 0.
    n_groups
        Number of groups.

    Returns
    -------
    CSR float64 ``(n_groups, n_groups)``, symmetric, in [0, 1], nothing on the diagonal.

    Notes
    -----
    With ``e_i`` edges that leave nodes of group i (to nodes of any group) and ``n_i`` nodes,
    ``(e_i n_j + e_j n_i) / (n - 1)`` edges are expected between i and j, and the connectivity
    is the ratio of those found, at most 1: model v1.2 of scanpy, after Wolf et al. (2019).
    """
    source = np.repeat(groups, np.diff(graph.indptr)).astype(np.int64)
    pairs = np.bincount(source * n_groups + groups[graph.indices], minlength=n_groups**2)
    edges = pairs.reshape(n_groups, n_groups).astype(np.float64)
    leaving, sizes = edges.sum(axis=1), np.bincount(groups, minlength=n_groups)
    between = edges + edges.T
    np.fill_diagonal(between, 0)
    crossed = np.outer(leaving, sizes)
    expected = (crossed + crossed.T) / (groups.size - 1)
    ratio = np.divide(between, expected, out=np.zeros_like(between), where=between > 0)
    return sp.csr_array(np.minimum(ratio, 1))


def strongest_tree(connectivities: sp.csr_array) -> sp.csr_array:
    """Return the entries on the tree that links groups by strong connections, each once.

    Parameters
    ----------
    connectivities
        Symmetric, CSR ``(n_groups, n_groups)``.

    Returns
    -------
    CSR of the same shape: the spanning tree (or forest) with the least sum of inverse
    connectivities.
    """
    from scipy.sparse.csgraph import minimum_spanning_tree

    cost = connectivities.copy()
    cost.data = 1 / cost.data
    tree = sp.csr_array(minimum_spanning_tree(cost))
    tree.data = 1 / tree.data
    return tree
