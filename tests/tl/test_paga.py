"""The graph of clusters: scanpy's numbers and layout, and a slow count of edges."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from atlash.errors import InputError, KeyNotFoundError
from atlash.tl.paga import group_connectivities, paga, strongest_tree

N, N_NEAR, N_GROUPS = 300, 8, 6


def chain(seed=0):
    """Return cells along a line, each with its nearest others, in groups by place."""
    rng = np.random.default_rng(seed)
    place = np.sort(rng.random(N)) * N_GROUPS
    apart = np.abs(place[:, None] - place)
    near = np.argsort(apart, axis=1)[:, 1 : N_NEAR + 1]
    rows = np.repeat(np.arange(N), N_NEAR)
    distances = sp.csr_matrix((apart[rows, near.ravel()], (rows, near.ravel())), shape=(N, N))
    groups = np.minimum((place + 0.4 * rng.standard_normal(N)).clip(0), N_GROUPS - 1).astype(int)
    order = rng.permutation(N)
    obs = pd.DataFrame({"cluster": pd.Categorical(np.array(list("abcdef"))[groups])})
    obs.index = obs.index.astype(str)
    cells = ad.AnnData(np.zeros((N, 1), dtype=np.float32), obs=obs)
    cells.obsp["distances"] = distances
    cells.obsp["connectivities"] = ((distances + distances.T) > 0).astype(np.float32).tocsr()
    cells.uns["neighbors"] = {
        "distances_key": "distances",
        "connectivities_key": "connectivities",
        "params": {"n_neighbors": N_NEAR, "method": "umap"},
    }
    return cells[order].copy()


@pytest.fixture
def cells():
    return chain()


def counted(graph, groups, n_groups):
    """Count edge by edge."""
    edges = np.zeros((n_groups, n_groups))
    for source, target in zip(*graph.nonzero(), strict=True):
        edges[groups[source], groups[target]] += 1
    sizes = [int((groups == own).sum()) for own in range(n_groups)]
    found = np.zeros((n_groups, n_groups))
    for i in range(n_groups):
        for j in range(n_groups):
            between = edges[i, j] + edges[j, i]
            if i != j and between:
                chance = edges[i].sum() * sizes[j] + edges[j].sum() * sizes[i]
                found[i, j] = min(1, between * (len(groups) - 1) / chance)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_against_a_slow_count(seed):
    cells = chain(seed)
    groups = cells.obs["cluster"].cat.codes.to_numpy().astype(np.int32)
    found = group_connectivities(
        sp.csr_array(cells.obsp["distances"]), groups, n_groups=N_GROUPS
    ).toarray()
    np.testing.assert_allclose(found, counted(cells.obsp["distances"], groups, N_GROUPS))
    assert (found == found.T).all()
    assert found[0, 1] > 0
    assert found[0, 5] == 0


def test_random_attachment_is_complete_connection():
    rng = np.random.default_rng(0)
    graph = sp.csr_array((np.ones(20_000), rng.integers(0, 1000, 20_000), np.arange(1001) * 20))
    groups = rng.integers(0, 3, 1000).astype(np.int32)
    found = group_connectivities(graph, groups, n_groups=3).toarray()
    np.testing.assert_allclose(found, 1 - np.eye(3), atol=0.05)


def test_the_tree_links_all_groups_by_the_strongest(cells):
    paga(cells, groups_key="cluster")
    tree = cells.uns["paga"]["connectivities_tree"].toarray()
    whole = cells.uns["paga"]["connectivities"].toarray()
    assert (tree > 0).sum() == N_GROUPS - 1
    np.testing.assert_allclose(tree[tree > 0], whole[tree > 0])
    assert (np.triu(tree + tree.T, 2) == 0).all()  # neighbours along the line only


def test_groups_apart_have_a_forest():
    two = sp.csr_array(np.array([[0, 0.5, 0, 0], [0.5, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]))
    tree = strongest_tree(two).toarray()
    assert sorted(tree[tree > 0]) == [0.5, 1]


def test_scanpy_finds_the_same(cells):
    scanpy = pytest.importorskip("scanpy")
    theirs = cells.copy()
    scanpy.tl.paga(theirs, "cluster")
    assert paga(cells, groups_key="cluster") is None
    found, wanted = cells.uns["paga"], theirs.uns["paga"]
    assert set(found) == set(wanted)
    assert found["groups"] == wanted["groups"]
    for key in ("connectivities", "connectivities_tree"):
        np.testing.assert_allclose(found[key].toarray(), wanted[key].toarray())
    np.testing.assert_array_equal(cells.uns["cluster_sizes"], theirs.uns["cluster_sizes"])


def test_scanpy_draws_it(cells, tmp_path):
    scanpy = pytest.importorskip("scanpy")
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    paga(cells, groups_key="cluster")
    cells.write_h5ad(tmp_path / "cells.h5ad")
    cells = ad.read_h5ad(tmp_path / "cells.h5ad")
    scanpy.pl.paga(cells, show=False)
    assert cells.uns["paga"]["pos"].shape == (N_GROUPS, 2)
    plt.close("all")


def test_a_graph_of_another_name(cells):
    wanted = cells.copy()
    paga(wanted, groups_key="cluster")
    cells.obsp["mine_distances"] = cells.obsp.pop("distances")
    cells.uns["mine"] = {"distances_key": "mine_distances"}
    paga(cells, groups_key="cluster", neighbors_key="mine")
    found = cells.uns["paga"]["connectivities"]
    np.testing.assert_array_equal(found.toarray(), wanted.uns["paga"]["connectivities"].toarray())


def test_one_cluster_has_no_connections(cells):
    cells.obs["cluster"] = "all"
    paga(cells, groups_key="cluster")
    assert cells.uns["paga"]["connectivities"].shape == (1, 1)
    assert cells.uns["paga"]["connectivities"].nnz == 0


def test_gaps_one_cell_and_missing_keys(cells):
    with pytest.raises(KeyNotFoundError, match="no column 'atlash_cluster'"):
        paga(cells)
    with pytest.raises(InputError, match="at least 2 cells, got 1"):
        paga(cells[:1].copy(), groups_key="cluster")
    gapped = cells.copy()
    gapped.obs.loc[gapped.obs_names[4], "cluster"] = None
    with pytest.raises(InputError, match="no value for 1 of 300 cells"):
        paga(gapped, groups_key="cluster")
    del cells.uns["neighbors"]
    with pytest.raises(KeyNotFoundError, match="no 'neighbors'"):
        paga(cells, groups_key="cluster")
