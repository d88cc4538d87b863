"""Pseudotime: scanpy's on the same graph, the order of a line, buckets for many cells."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.stats import spearmanr

from atlash.errors import InputError, KeyNotFoundError
from atlash.tl.pseudotime import pseudotime

N, N_NEAR = 500, 12


def line(n=N, seed=0, parts=1):
    """Return cells along one or more lines in the plane, shuffled, with weighted neighbours."""
    rng = np.random.default_rng(seed)
    place = rng.random(n)
    part = np.arange(n) % parts
    X = np.column_stack([place * 6, 0.1 * rng.standard_normal(n) + 50 * part])
    apart = np.linalg.norm(X[:, None] - X, axis=2)
    near = np.argsort(apart, axis=1)[:, 1 : N_NEAR + 1]
    rows = np.repeat(np.arange(n), N_NEAR)
    gap = apart[rows, near.ravel()]
    weights = sp.csr_matrix((np.exp(-gap / gap.mean()), (rows, near.ravel())), shape=(n, n))
    obs = pd.DataFrame(
        {
            "place": place,
            "part": part,
            "stage": pd.Categorical(np.array(list("abcde"))[(place * 5).astype(int)]),
            "bucket": (place * 50).astype(int) + 50 * part,
        },
        index=[f"c{k}" for k in range(n)],
    )
    cells = ad.AnnData(np.zeros((n, 1), dtype=np.float32), obs=obs)
    cells.obsp["connectivities"] = sp.csr_matrix(weights.maximum(weights.T))
    cells.obsp["distances"] = sp.csr_matrix((gap, (rows, near.ravel())), shape=(n, n))
    cells.uns["neighbors"] = {
        "connectivities_key": "connectivities",
        "distances_key": "distances",
        "params": {"n_neighbors": N_NEAR + 1, "method": "umap"},
    }
    return cells


@pytest.fixture
def cells():
    return line()


def first_of(cells):
    return str(cells.obs["place"].idxmin())


def test_a_line_is_ordered_from_its_end(cells):
    assert pseudotime(cells, first_of(cells)) is None
    time = cells.obs["atlash_pseudotime"]
    assert time.dtype == np.float64
    assert time[first_of(cells)] == 0
    assert time.max() == 1
    assert spearmanr(time, cells.obs["place"])[0] > 0.98


@pytest.mark.parametrize("n_components", [4, 10, 15])
def test_scanpy_finds_the_same(n_components):
    scanpy = pytest.importorskip("scanpy")
    cells = line(200)
    root = first_of(cells)
    pseudotime(cells, root, n_components=n_components)
    cells.uns["iroot"] = cells.obs_names.get_loc(root)
    scanpy.tl.diffmap(cells, n_comps=15)
    scanpy.tl.dpt(cells, n_dcs=n_components)
    told = cells.uns["atlash_pseudotime"]
    assert told["eigenvalues"].max() < 0.9994  # beyond, scanpy takes them for stationary
    np.testing.assert_allclose(
        told["eigenvalues"], cells.uns["diffmap_evals"][1:n_components], rtol=1e-5
    )
    found, wanted = cells.obs["atlash_pseudotime"], cells.obs["dpt_pseudotime"]
    np.testing.assert_allclose(found, wanted, atol=1e-3)
    assert np.corrcoef(found, wanted)[0, 1] > 0.99999


def test_cells_that_no_path_reaches_are_infinitely_far():
    cells = line(parts=2)
    with pytest.warns(UserWarning, match="250 of 500 cells are not linked with the root 'c0'"):
        pseudotime(cells, "c0")
    time, part = cells.obs["atlash_pseudotime"], cells.obs["part"]
    assert np.isinf(time[part == 1]).all()
    assert np.isfinite(time[part == 0]).all()
    assert cells.uns["atlash_pseudotime"]["n_unreached"] == 250
    alone = cells[part.to_numpy() == 0].copy()
    pseudotime(alone, "c0")
    np.testing.assert_allclose(alone.obs["atlash_pseudotime"], time[part == 0], atol=1e-6)


def test_the_root_of_a_group_is_in_its_middle_and_not_one_that_strayed(cells):
    pseudotime(cells, ("stage", "c"))
    root = cells.uns["atlash_pseudotime"]["root"]
    assert cells.obs.loc[root, "place"] == pytest.approx(0.5, abs=0.05)
    strayed = cells.obs["place"].nlargest(5).index
    cells.obs.loc[strayed, "stage"] = "c"
    pseudotime(cells, ("stage", "c"))
    root = cells.uns["atlash_pseudotime"]["root"]
    assert cells.obs.loc[root, "place"] == pytest.approx(0.5, abs=0.07)


def test_a_group_in_two_parts_has_its_root_where_it_has_more_cells():
    cells = line(parts=2)
    cells.obs["mine"] = "no"
    cells.obs.loc[["c1", "c2", "c4"], "mine"] = "yes"
    with pytest.warns(UserWarning, match="not linked"):
        pseudotime(cells, ("mine", "yes"))
    assert cells.uns["atlash_pseudotime"]["root"] in {"c2", "c4"}


def test_buckets_stand_for_cells_where_there_are_many(cells):
    root = first_of(cells)
    pseudotime(cells, root, bucket_key="bucket", key_added="cells")
    assert cells.uns["cells"]["n_nodes"] == N
    pseudotime(cells, root, bucket_key="bucket", max_cells=N - 1, key_added="buckets")
    assert cells.uns["buckets"]["n_nodes"] == 50
    time = cells.obs["buckets"]
    assert (time[root], time.max()) == (0, 1)
    assert np.corrcoef(time, cells.obs["cells"])[0, 1] > 0.99
    assert spearmanr(time, cells.obs["place"])[0] > 0.99
    assert len(set(time)) > 400  # cells of one bucket differ


def test_buckets_of_two_parts():
    cells = line(parts=2)
    with pytest.warns(UserWarning, match="250 of 500"):
        pseudotime(cells, "c1", bucket_key="bucket", max_cells=10)
    reached = np.isfinite(cells.obs["atlash_pseudotime"])
    assert (reached == (cells.obs["part"] == 1)).all()


def test_a_cell_without_neighbours_is_its_own_part(cells):
    graph = cells.obsp["connectivities"].tolil()
    graph[3], graph[:, 3] = 0, 0
    cells.obsp["connectivities"] = graph.tocsr()
    with pytest.warns(UserWarning, match="1 of 500"):
        pseudotime(cells, "c0")
    assert np.isinf(cells.obs.loc["c3", "atlash_pseudotime"])
    with pytest.warns(UserWarning, match="499 of 500"):
        pseudotime(cells, "c3")
    assert cells.obs.loc["c3", "atlash_pseudotime"] == 0
    pseudotime(cells, "c0", bucket_key="bucket", max_cells=10)  # its bucket takes it along
    assert np.isfinite(cells.obs["atlash_pseudotime"]).all()


def test_the_order_of_cells_does_not_matter(cells):
    order = np.random.default_rng(3).permutation(N)
    other = cells[order].copy()
    for some in (cells, other):
        pseudotime(some, "c7")
    times = other.obs["atlash_pseudotime"].loc[cells.obs_names]
    np.testing.assert_allclose(times, cells.obs["atlash_pseudotime"], atol=1e-9)


def test_the_result_can_be_written(cells, tmp_path):
    pseudotime(cells, "c0")
    cells.write_h5ad(tmp_path / "cells.h5ad")
    again = ad.read_h5ad(tmp_path / "cells.h5ad")
    assert again.uns["atlash_pseudotime"]["root"] == "c0"


def test_roots_that_do_not_exist(cells):
    with pytest.raises(KeyNotFoundError, match="no cell 'c_0'; cells have names like 'c0'"):
        pseudotime(cells, "c_0")
    with pytest.raises(KeyNotFoundError, match="no column 'stages'"):
        pseudotime(cells, ("stages", "a"))
    with pytest.raises(KeyNotFoundError, match="no value 'f'; it has values like 'a', 'b'"):
        pseudotime(cells, ("stage", "f"))


@pytest.mark.parametrize("n_components", [1, 0, 2.5, True])
def test_numbers_of_components_that_are_none(cells, n_components):
    with pytest.raises(InputError, match="whole number from 2"):
        pseudotime(cells, "c0", n_components=n_components)


def test_gaps_in_buckets(cells):
    cells.obs["gapped"] = cells.obs["bucket"].where(cells.obs["bucket"] > 3)
    with pytest.raises(InputError, match="has no value for"):
        pseudotime(cells, "c0", bucket_key="gapped", max_cells=10)


def test_no_cells_have_no_order(cells):
    for root in ("c1", ("stage", "a")):
        with pytest.raises(InputError, match="no cells to put in an order"):
            pseudotime(cells[:0].copy(), root)
