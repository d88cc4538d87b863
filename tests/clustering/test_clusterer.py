"""The estimator: its clusters, what they depend on, new cells, and bad input."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.metrics import adjusted_rand_score

from atlash import HashClusterer
from atlash.errors import (
    EmptyInputError,
    GeneMismatchError,
    InputError,
    InvalidValuesError,
    KeyNotFoundError,
    ScaleError,
)

FIELDS = ("labels", "membership", "stability", "bucket", "embedding", "codes")


@pytest.fixture
def cluster(quiet):
    """Fit a clusterer to a matrix or an AnnData."""

    def run(cells, n_clusters="auto", *, batch_key=None, resolution=None, seed=0, **changes):
        if not isinstance(cells, ad.AnnData):
            cells = ad.AnnData(cells)
        clusterer = HashClusterer(
            n_clusters, resolution=resolution, random_state=seed, config=quiet(**changes)
        )
        return clusterer.fit(cells, batch_key=batch_key)

    return run


@pytest.fixture(scope="session")
def counts(atlas_counts):
    return atlas_counts.X.toarray()


def same(found, expected, order=slice(None)):
    """Compare bit by bit, cell by cell."""
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name)[order])


def sizes(clusterer):
    return np.bincount(clusterer.clusters_.labels[clusterer.clusters_.labels >= 0]).tolist()


def test_types_and_batches_are_found(fitted, atlas_counts):
    """Batches differ in every gene, so that nothing but `batch_key` joins them."""
    truth = atlas_counts.obs["cell_type"].astype(str) + atlas_counts.obs["batch"].astype(str)
    assert adjusted_rand_score(truth, fitted.clusters_.labels) > 0.95
    assert fitted.model_.n_clusters == 6


def test_what_is_said_of_cells(fitted):
    found = fitted.clusters_
    assert [getattr(found, name).dtype for name in FIELDS[:5]] == [
        np.int32, np.float32, np.float32, np.int32, np.float32
    ]  # fmt: skip
    for share in (found.membership, found.stability):
        assert 0 <= share.min() <= share.max() <= 1
    assert found.membership.mean() > 0.8
    assert sorted(sizes(fitted), reverse=True) == sizes(fitted)
    np.testing.assert_array_equal(found.labels, fitted.model_.cluster[found.bucket])


def test_the_story(fitted):
    facts = fitted.facts_
    assert facts["n_clusters"] == "auto"
    assert facts["random_state"] == 0
    assert facts["n_before_joining"] == 6 + len(facts["joined"])
    assert len(facts["cluster_stability"]) == 6
    assert min(facts["cluster_stability"]) > 0.9
    assert max(facts["curve"]["stability"]) > 0.95
    assert set(facts["seconds"]) >= {"genes", "axes", "places", "graph", "partition", "joining"}
    assert facts["peak_memory_gb"] > 0.05


@pytest.mark.parametrize(
    "change", [{"n_threads": 2}, {"chunk_size": 37}, {"chunk_size": 5000}], ids=str
)
def test_threads_and_chunks_change_nothing(cluster, fitted, atlas_counts, change):
    same(cluster(atlas_counts, **change).clusters_, fitted.clusters_)


@pytest.mark.parametrize("n_buckets", [4096, 60])
def test_the_order_of_cells_changes_nothing(cluster, atlas_counts, n_buckets):
    """With each cell a bucket of its own, and with cells that share buckets."""
    order = np.random.default_rng(0).permutation(360)
    expected = cluster(atlas_counts, n_buckets=n_buckets)
    found = cluster(atlas_counts[order].copy(), n_buckets=n_buckets, n_threads=2)
    same(found.clusters_, expected.clusters_, order)
    np.testing.assert_array_equal(found.model_.centres, expected.model_.centres)
    assert found.facts_["joined"] == expected.facts_["joined"]


def test_the_order_changes_nothing_where_clusters_send_some(cluster, atlas_counts, monkeypatch):
    """And joining is decided by a few cells of each cluster."""
    monkeypatch.setattr("atlash.clustering.evidence.MAX_OF_CLUSTER", 20)
    order = np.random.default_rng(1).permutation(360)
    found = [cluster(cells, 4) for cells in (atlas_counts, atlas_counts[order].copy())]
    assert found[0].facts_["joined"] == found[1].facts_["joined"]
    assert found[0].facts_["joined"]
    same(found[1].clusters_, found[0].clusters_, order)


def test_copies_of_cells_in_any_order(cluster, counts):
    twice = np.repeat(counts[:100], 2, axis=0)
    order = np.random.default_rng(0).permutation(200)
    expected, found = cluster(twice), cluster(twice[order])
    same(found.clusters_, expected.clusters_, order)
    np.testing.assert_array_equal(expected.clusters_.labels[::2], expected.clusters_.labels[1::2])


def test_the_seed_decides_leiden_alone(cluster, atlas_counts, fitted):
    other = cluster(atlas_counts, seed=7)
    np.testing.assert_array_equal(other.clusters_.embedding, fitted.clusters_.embedding)
    assert adjusted_rand_score(other.clusters_.labels, fitted.clusters_.labels) > 0.95
    same(cluster(atlas_counts, seed=7).clusters_, other.clusters_)


@pytest.mark.parametrize("kind", ["h5ad", "zarr", "h5ad path as text", "backed", "view"])
def test_from_disk_as_from_memory(quiet, fitted, atlas_counts, tmp_path, kind):
    path = tmp_path / ("cells.zarr" if kind == "zarr" else "cells.h5ad")
    if kind == "zarr":
        import warnings

        with warnings.catch_warnings():  # of anndata and zarr, about defaults to come
            warnings.simplefilter("ignore")
            atlas_counts.write_zarr(path)
    else:
        atlas_counts.write_h5ad(path)
    cells = path
    if kind == "backed":
        cells = ad.read_h5ad(path, backed="r")
    elif kind == "view":
        cells = atlas_counts[:]
    elif kind == "h5ad path as text":
        cells = str(path)
    same(HashClusterer(config=quiet(chunk_size=100)).fit(cells).clusters_, fitted.clusters_)


@pytest.mark.parametrize(
    "store",
    [
        lambda X: X.astype(np.float64),
        lambda X: X.astype(np.int32),
        lambda X: sp.csr_matrix(X.astype(np.int64)),
        sp.csc_matrix,
        sp.csr_array,
        np.asfortranarray,
    ],
    ids=["float64", "int32", "sparse int64", "CSC", "CSR array", "Fortran order"],
)
def test_the_same_counts_stored_otherwise(cluster, fitted, atlas_counts, counts, store):
    same(cluster(ad.AnnData(store(counts), var=atlas_counts.var)).clusters_, fitted.clusters_)


def test_normalised_and_logarithmic_cells_give_nearly_the_clusters_of_counts(
    cluster, fitted, counts
):
    linear = counts / counts.sum(axis=1, keepdims=True) * 1e4
    for values in (linear, np.log1p(linear), np.log1p(linear).astype(np.float32)):
        found = cluster(sp.csr_matrix(values)).clusters_
        assert adjusted_rand_score(found.labels, fitted.clusters_.labels) > 0.95


def test_labels_are_not_looked_at(cluster, fitted, atlas):
    for labels in (["one"] * 360, np.arange(360), pd.Categorical([None] * 360)):
        atlas.obs["cell_type"] = labels
        same(cluster(atlas).clusters_, fitted.clusters_)
    del atlas.obs["cell_type"]
    atlas.obs_names = [f"x{k}" for k in range(360)]
    same(cluster(atlas).clusters_, fitted.clusters_)


def test_training_cells_are_predicted_into_their_clusters(fitted, atlas_counts):
    same(fitted.predict(atlas_counts), fitted.clusters_)


def test_shared_buckets_predict_the_same_too(cluster, atlas_counts):
    found = cluster(atlas_counts, n_buckets=40)
    same(found.predict(atlas_counts), found.clusters_)


def test_new_cells_alone_as_in_company(fitted, fresh_counts):
    together = fitted.predict(fresh_counts)
    for rows in ([0], [250], [9, 3, 100]):
        same(fitted.predict(fresh_counts[rows].copy()), together, rows)
    truth = fresh_counts.obs["cell_type"].astype(str) + fresh_counts.obs["batch"].astype(str)
    assert adjusted_rand_score(truth, together.labels) > 0.9


def test_genes_of_new_cells_are_matched_by_name(fitted, fresh_counts):
    expected = fitted.predict(fresh_counts)
    same(fitted.predict(fresh_counts[:, ::-1].copy()), expected)
    some = fitted.predict(fresh_counts[:, np.arange(300) % 10 > 0].copy())
    assert adjusted_rand_score(some.labels, expected.labels) > 0.8
    with pytest.raises(GeneMismatchError):
        fitted.predict(fresh_counts[:, :100].copy())


def test_nothing_fitted():
    with pytest.raises(InputError, match="holds no clusters yet"):
        HashClusterer().predict("cells.h5ad")
    with pytest.raises(InputError, match="nothing to save"):
        HashClusterer().save("clusters")


@pytest.mark.parametrize("n_clusters", [1, 2, 3, 6, 9])
def test_a_wanted_number_is_given(cluster, atlas_counts, n_clusters):
    found = cluster(atlas_counts, n_clusters)
    assert found.model_.n_clusters == n_clusters == len(sizes(found))
    assert min(sizes(found)) > 0
    if n_clusters == 3:
        types = atlas_counts.obs["cell_type"]
        assert adjusted_rand_score(types, found.clusters_.labels) > 0.5


def test_one_cluster_is_sure_of_itself(cluster, atlas_counts):
    found = cluster(atlas_counts, np.int64(1)).clusters_
    assert set(found.labels) == {0}
    assert found.membership.min() == found.stability.min() == 1


def test_a_wanted_resolution_is_taken_as_it_is(cluster, atlas_counts):
    coarse, fine = (cluster(atlas_counts, resolution=r) for r in (0.03, 4))
    assert coarse.model_.n_clusters == 6 < fine.model_.n_clusters  # six parts without an edge
    assert coarse.facts_["joined"] == fine.facts_["joined"] == []


def test_a_homogeneous_population_is_one_cluster(cluster):
    """Leiden divides noise; no axis of other cells tells more than noise, so it is joined."""
    rng = np.random.default_rng(0)
    share = rng.gamma(0.6, 1, 300)
    X = rng.poisson(np.tile(1500 * share / share.sum(), (500, 1))).astype(np.float32)
    found = cluster(sp.csr_matrix(X))
    assert found.facts_["n_before_joining"] > 3
    assert found.model_.n_clusters == 1


@pytest.mark.parametrize("n", [1, 2, 49])
def test_too_few_cells(cluster, counts, n):
    with pytest.raises(InputError, match=rf"has {n} cells.*at least 50"):
        cluster(counts[:n])


def test_fifty_cells_are_enough(cluster, counts):
    found = cluster(counts[:50])
    assert 1 <= found.model_.n_clusters < 10
    assert sum(sizes(found)) == 50


def test_cells_without_counts_are_unassigned(cluster, counts):
    X = counts.copy()
    empty = np.arange(0, 360, 9)
    X[empty] = 0
    found = cluster(X)
    alone = cluster(np.delete(X, empty, axis=0))
    told = found.clusters_
    assert set(told.labels[empty]) == {-1}
    assert set(told.bucket[empty]) == {-1}
    assert not told.membership[empty].any()
    assert not told.stability[empty].any()
    assert np.isnan(told.embedding[empty]).all()
    same(alone.clusters_, told, np.setdiff1d(np.arange(360), empty))
    same(found.predict(ad.AnnData(X)), told)
    assert found.graph_[0].weights.shape == (320, 320)


def test_no_cell_with_counts(cluster):
    with pytest.raises(EmptyInputError, match=r"None of the 80 cells .* has counts"):
        cluster(np.zeros((80, 30), dtype=np.float32))


def test_too_few_cells_with_counts(cluster, counts):
    X = counts.copy()
    X[:340] = 0
    with pytest.raises(InputError, match=r"Only 20 of the 360 cells .* have counts"):
        cluster(X)


@pytest.mark.parametrize("n_genes", [200, 300])
def test_constant_genes(cluster, counts, n_genes):
    X = counts.copy()
    X[:, :n_genes] = 1
    found = cluster(X)
    assert sum(sizes(found)) == 360
    assert np.isfinite(found.clusters_.embedding).all()
    if n_genes == 300:
        assert sizes(found) == [360]


def test_identical_cells_are_one_cluster(cluster, counts):
    found = cluster(np.repeat(counts[:1], 80, axis=0))
    assert sizes(found) == [80]
    assert found.clusters_.membership.min() == found.clusters_.stability.min() == 1
    assert len(found.model_.centres) == 1


def test_hardly_any_genes(cluster, counts):
    for n in (1, 2, 5):
        found = cluster(counts[:, :n])
        assert sum(sizes(found)) == (counts[:, :n].sum(axis=1) > 0).sum()


def test_a_batch_with_one_cell_and_batches_of_one(cluster, atlas):
    for batches in (["x"] + ["y"] * 359, [str(k) for k in range(360)], ["x"] * 360):
        atlas.obs["lab"] = batches
        found = cluster(atlas, batch_key="lab")
        assert sum(sizes(found)) == 360
        assert np.isfinite(found.clusters_.embedding).all()


def test_more_clusters_than_cells(cluster, counts):
    with pytest.raises(InputError, match="361 clusters are wanted of the 360 cells"):
        cluster(counts, 361)


def test_more_clusters_than_distinct_cells(cluster, counts):
    X = np.repeat(counts[:3], 40, axis=0)
    with pytest.raises(InputError, match="the 120 cells with counts lie at only 3 different"):
        cluster(X, 4)
    assert sizes(cluster(X, 3)) == [40, 40, 40]


def test_more_clusters_than_buckets(cluster, counts):
    with pytest.raises(InputError, match=r"41 clusters are wanted of 40 buckets.*n_buckets"):
        cluster(counts, 41, n_buckets=40)


def test_a_cluster_for_every_cell(cluster, counts):
    assert sizes(cluster(counts[:60], 60, n_runs=2)) == [1] * 60


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
@pytest.mark.parametrize("store", [np.asarray, sp.csr_matrix])
def test_values_that_are_no_counts(cluster, atlas_counts, counts, value, store):
    X = counts.copy()
    X[5, 7] = value
    with pytest.raises(InvalidValuesError, match=r"'GENE8'.*row 5"):
        cluster(ad.AnnData(store(X), obs=atlas_counts.obs, var=atlas_counts.var))


def test_scaled_values(cluster, counts):
    logged = np.log1p(counts)
    with pytest.raises(ScaleError, match="looks scaled"):
        cluster((logged - logged.mean(axis=0)) / (logged.std(axis=0) + 1e-3))


def test_unknown_layers_and_batches(cluster, atlas):
    with pytest.raises(KeyNotFoundError, match="cuonts"):
        cluster(atlas, layer="cuonts")
    with pytest.raises(KeyNotFoundError, match=r"no column 'bach'.*Did you mean 'batch'"):
        cluster(atlas, batch_key="bach")
    with pytest.raises(KeyNotFoundError, match="symbols"):
        cluster(atlas, gene_column="symbols")


@pytest.mark.parametrize("missing", [None, np.nan])
def test_cells_without_a_batch(cluster, atlas, missing):
    atlas.obs["lab"] = pd.Series(["a"] * 7 + [missing] * 3 + ["b"] * 350, index=atlas.obs_names)
    with pytest.raises(InputError, match=r"3 cells have no value in .*, the first in row 7"):
        cluster(atlas, batch_key="lab")


@pytest.mark.parametrize("shape", [(0, 20), (60, 0)])
def test_no_cells_or_genes(cluster, shape):
    with pytest.raises(EmptyInputError):
        cluster(np.zeros(shape, dtype=np.float32))


@pytest.mark.parametrize("n_clusters", [0, -3, 2.5, "3", None, True, np.nan, "AUTO", [2]])
def test_numbers_of_clusters_that_are_none(n_clusters):
    with pytest.raises(InputError, match=r"`n_clusters` is .* whole number from 1"):
        HashClusterer(n_clusters)


@pytest.mark.parametrize("resolution", [0, -1.0, np.nan, np.inf, "1", [1.0]])
def test_resolutions_that_are_none(resolution):
    with pytest.raises(InputError, match=r"`resolution` is .* above 0"):
        HashClusterer(resolution=resolution)


@pytest.mark.parametrize("seed", [-1, 1.5, "0", None])
def test_seeds_that_are_none(seed):
    with pytest.raises(InputError, match=r"`random_state` is .* whole number from 0"):
        HashClusterer(random_state=seed)


def test_a_number_and_a_resolution():
    with pytest.raises(InputError, match="not both"):
        HashClusterer(3, resolution=1.0)


@pytest.mark.parametrize("option", ["n_genes", "n_neighbors", "n_buckets", "n_runs", "n_splits"])
def test_options_out_of_range(quiet, option):
    with pytest.raises(InputError, match=f"`{option}` is 0"):
        HashClusterer(config=quiet(**{option: 0}))


def test_more_neighbours_than_cells(cluster, counts):
    assert sum(sizes(cluster(counts[:60], n_neighbors=500))) == 60


def test_depth_alone_makes_no_clusters(cluster):
    """Cells of one kind that differ in depth by a factor of two and more stay together."""
    rng = np.random.default_rng(0)
    share = rng.gamma(0.5, size=300) + 0.01
    depth = 800 * np.exp(0.5 * rng.standard_normal((600, 1)))
    counts = rng.poisson(depth * share / share.sum()).astype(np.float32)
    names = [f"GENE{number}" for number in range(300)]
    cells = ad.AnnData(sp.csr_array(counts))
    cells.var_names = names
    assert cluster(cells).model_.n_clusters == 1
