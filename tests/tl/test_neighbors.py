"""Neighbours among the query's own cells: the nearest codes, laid out as scanpy does."""

import sys
from dataclasses import replace

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

from atlash.config import ClusterConfig, SearchConfig
from atlash.errors import GeneMismatchError, InputError
from atlash.reference.search import ANCHOR_WEIGHT
from atlash.tl.cluster import cluster
from atlash.tl.neighbors import neighbors
from atlash.tl.queries import encode_queries

umap_learn = pytest.importorskip("umap.umap_", reason="umap-learn comes with scanpy")
QUIET = SearchConfig(progress=False, n_threads=1)
BY_CODE = replace(QUIET, ranking="code")


@pytest.fixture
def cells(fresh_counts):
    """Cells of one's own, 150 of them."""
    return fresh_counts[:150].copy()


@pytest.fixture(scope="module")
def expected(fresh_counts, reference):
    """Expected bits of these cells."""
    return encode_queries(fresh_counts[:150], reference, QUIET).asked.expected.astype(float)


def scores_of(expected, reference, ranking):
    """Return the score of each cell (column) as a neighbour of each cell (row)."""
    signs = np.where(expected > 0, 1.0, -1.0)
    if ranking == "code":
        return (1 - signs[:, None] * signs[None]).sum(axis=2) / 2
    weights = np.ones(expected.shape[1])
    weights[: reference.annotator.n_bits] = ANCHOR_WEIGHT
    return (weights * (1 - expected[:, None] * signs[None]) / 2).sum(axis=2)


def listed(graph, row):
    """Return the neighbours of a cell in order, and their scores."""
    part = slice(graph.indptr[row], graph.indptr[row + 1])
    return graph.indices[part], graph.data[part]


@pytest.mark.parametrize("n_neighbors", [2, 10, 150])
def test_the_nearest_codes_are_found(cells, expected, reference, n_neighbors):
    neighbors(cells, reference, n_neighbors, config=BY_CODE)
    scores = scores_of(expected, reference, "code")
    for row, own in enumerate(scores):
        order = np.lexsort((np.arange(len(own)), own))
        order = order[order != row][: n_neighbors - 1]
        found, distances = listed(cells.obsp["distances"], row)
        np.testing.assert_array_equal(found, order)
        np.testing.assert_array_equal(distances, own[order])


def test_the_nearest_by_expected_bits(cells, expected, reference):
    neighbors(cells, reference, 10, config=QUIET)
    scores = scores_of(expected, reference, "asymmetric")
    for row, own in enumerate(scores):
        found, distances = listed(cells.obsp["distances"], row)
        assert row not in found
        assert len(set(found)) == 9
        np.testing.assert_allclose(distances, own[found], rtol=1e-4)
        np.testing.assert_allclose(distances, np.sort(np.delete(own, row))[:9], rtol=1e-4)


def test_the_graph_is_umaps(cells, reference):
    neighbors(cells, reference, 8, config=QUIET)
    weights, distances = cells.obsp["connectivities"], cells.obsp["distances"]
    nearest = [listed(distances, row)[0][0] for row in range(len(cells))]  # before scipy sorts
    assert (weights != weights.T).nnz == 0
    assert 0 < weights.data.min() <= weights.data.max() <= 1
    linked = (distances != 0) + (distances != 0).T
    assert ((weights != 0).astype(int) - linked.astype(int)).nnz == 0
    np.testing.assert_allclose(weights[np.arange(len(cells)), nearest], 1, rtol=1e-5)


def test_what_is_written_and_what_stays(cells, expected, reference):
    before = cells.copy()
    assert neighbors(cells, reference, 12, config=QUIET) is None
    assert set(cells.obsp) == {"distances", "connectivities"}
    for graph in cells.obsp.values():
        assert isinstance(graph, sp.csr_matrix)
        assert (graph.dtype, graph.shape) == (np.float32, (150, 150))
    assert np.diff(cells.obsp["distances"].indptr).tolist() == [11] * 150
    assert cells.obsm["X_atlash_bits"].dtype == np.float32
    np.testing.assert_array_equal(cells.obsm["X_atlash_bits"], expected.astype(np.float32))
    told = cells.uns["neighbors"]
    assert told["params"]["reference_fingerprint"] == reference.fingerprint
    assert told["params"]["n_neighbors"] == 12
    assert (cells.X != before.X).nnz == 0
    assert cells.obs.equals(before.obs)


@pytest.mark.parametrize("key", [None, "mine"])
def test_what_clustering_has_written_stays(cells, reference, key):
    named = {} if key is None else {"key_added": key}
    cluster(cells, config=ClusterConfig(progress=False, n_threads=1), **named)
    before = cells.copy()
    neighbors(cells, reference, 5, config=QUIET, **named)
    use_rep = before.uns[f"{key or 'atlash'}_neighbors"]["params"]["use_rep"]
    for name in before.obsm:
        np.testing.assert_array_equal(cells.obsm[name], before.obsm[name])
    assert use_rep in before.obsm
    assert set(before.obsp) <= set(cells.obsp)
    assert set(before.uns) <= set(cells.uns)


def test_scanpy_goes_on_from_it(cells, reference, tmp_path):
    scanpy = pytest.importorskip("scanpy")
    theirs = cells.copy()
    neighbors(cells, reference, 10, config=QUIET)
    scanpy.pp.neighbors(theirs, n_neighbors=10, use_rep="X")
    assert cells.obsp["distances"].nnz == theirs.obsp["distances"].nnz
    layout = theirs.uns["neighbors"]
    assert set(layout) == set(cells.uns["neighbors"])
    assert set(layout["params"]) <= set(cells.uns["neighbors"]["params"])
    cells.write_h5ad(tmp_path / "cells.h5ad")
    cells = scanpy.read_h5ad(tmp_path / "cells.h5ad")
    scanpy.tl.umap(cells, maxiter=20)
    scanpy.tl.leiden(cells, flavor="igraph", n_iterations=2, directed=False, resolution=0.3)
    assert np.isfinite(cells.obsm["X_umap"]).all()
    purity = cells.obs.groupby("leiden", observed=True)["cell_type"].value_counts(normalize=True)
    assert purity.groupby("leiden", observed=True).max().min() > 0.8


def test_keys_of_ones_own_and_a_copy(cells, reference):
    named = neighbors(cells, reference, 5, key_added="mine", config=QUIET, copy=True)
    assert not set(cells.obsp) | set(cells.obsm) | set(cells.uns)
    assert set(named.obsp) == {"mine_distances", "mine_connectivities"}
    assert set(named.obsm) == {"X_mine_bits"}
    assert named.uns["mine"]["distances_key"] == "mine_distances"
    assert named.uns["mine"]["connectivities_key"] == "mine_connectivities"
    assert named.uns["mine"]["params"]["use_rep"] == "X_mine_bits"
    neighbors(cells, reference, 5, config=QUIET)
    for name in ("distances", "connectivities"):
        assert (named.obsp[f"mine_{name}"] != cells.obsp[name]).nnz == 0


@pytest.mark.parametrize("ranking", ["asymmetric", "code", "anchor-first"])
def test_cells_with_one_code(fresh_counts, reference, ranking):
    same = fresh_counts[[3] * 12 + [5] * 3]
    obs = same.obs.set_axis([f"c{row}" for row in range(15)])
    cells = ad.AnnData(same.X.copy(), obs=obs, var=same.var)
    neighbors(cells, reference, 4, config=replace(QUIET, ranking=ranking))
    for row in range(15):
        found, distances = listed(cells.obsp["distances"], row)
        assert len(found) == len(set(found)) == 3
        assert row not in found
        twins = set(range(12)) if row < 12 else {12, 13, 14}
        assert len(set(found) & twins) == min(3, len(twins) - 1)
        if ranking != "asymmetric":
            assert distances[:2].tolist() == [0, 0]
    assert np.isfinite(cells.obsp["connectivities"].data).all()


@pytest.mark.parametrize("method", ["pruned", "anchor-walk"])
def test_other_methods(cells, reference, method):
    walked = neighbors(
        cells, reference, 120, config=replace(BY_CODE, method=method), copy=True
    ).obsp["distances"]
    assert np.diff(walked.indptr).tolist() == [119] * 150
    neighbors(cells, reference, 120, config=BY_CODE)
    same = (walked != cells.obsp["distances"]).nnz == 0
    assert same or method == "anchor-walk"


def test_threads_change_nothing(cells, reference):
    one = neighbors(cells, reference, 15, config=QUIET, copy=True)
    two = neighbors(cells, reference, 15, config=replace(QUIET, n_threads=2), copy=True)
    for name in ("distances", "connectivities"):
        assert (one.obsp[name] != two.obsp[name]).nnz == 0
    np.testing.assert_array_equal(one.obsm["X_atlash_bits"], two.obsm["X_atlash_bits"])


def test_the_references_own_cells_do_not_matter(cells, reference):
    fewer = replace(reference, cells=reference.cells.slice(0, 3))
    one = neighbors(cells, reference, 5, config=QUIET, copy=True)
    neighbors(cells, fewer, 5, config=QUIET)
    assert (one.obsp["distances"] != cells.obsp["distances"]).nnz == 0


@pytest.mark.parametrize(
    ("n_neighbors", "how", "message"),
    [
        (1, {}, "`n_neighbors` is 1, but must be a whole number from 2 to the 150 cells"),
        (0, {}, "`n_neighbors` is 0"),
        (151, {}, "from 2 to the 150"),
        (2.5, {}, "2.5"),
        (True, {}, "True"),
        ("15", {}, "'15'"),
        (None, {}, "None"),
        (float("nan"), {}, "nan"),
        (5, {"ranking": "cosine"}, "'cosine'"),
    ],
)
def test_what_is_out_of_range(cells, reference, n_neighbors, how, message):
    with pytest.raises(InputError, match=message):
        neighbors(cells, reference, n_neighbors, config=replace(QUIET, **how))
    assert not set(cells.obsp) | set(cells.obsm) | set(cells.uns)


def test_a_path_cannot_be_written_to(reference):
    with pytest.raises(InputError, match="written to an AnnData, got str"):
        neighbors("query.h5ad", reference, config=QUIET)


def test_a_path_is_no_reference(cells):
    with pytest.raises(InputError, match=r"must be an atlash.Reference, got str"):
        neighbors(cells, "blood.atlash", config=QUIET)
    assert not set(cells.obsp) | set(cells.obsm) | set(cells.uns)


def test_cells_of_other_genes(cells, reference):
    cells.var_names = [f"OTHER{k}" for k in range(cells.n_vars)]
    with pytest.raises(GeneMismatchError):
        neighbors(cells, reference, config=QUIET)
    assert not set(cells.obsp) | set(cells.obsm) | set(cells.uns)


def test_without_umap_it_says_what_to_install(cells, reference, monkeypatch):
    for name in ("umap", "umap.umap_"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match="pip install umap-learn"):
        neighbors(cells, reference, config=QUIET)
    assert not set(cells.obsp) | set(cells.obsm) | set(cells.uns)
