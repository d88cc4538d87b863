"""The estimator: its clusters, what they depend on, and new cells."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.metrics import adjusted_rand_score

from atlash import HashClusterer
from atlash.errors import (
    GeneMismatchError,
    InputError,
)


def test_types_and_batches_are_found(fitted, atlas_counts):
    """Batches differ in every gene, so that nothing but `batch_key` joins them."""
    truth = atlas_counts.obs["cell_type"].astype(str) + atlas_counts.obs["batch"].astype(str)
    assert adjusted_rand_score(truth, fitted.clusters_.labels) > 0.95
    assert fitted.model_.n_clusters == 6


def test_what_is_said_of_cells(fitted, sizes):
    found = fitted.clusters_
    names = ("labels", "membership", "stability", "bucket", "embedding")
    assert [getattr(found, name).dtype for name in names] == [
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
def test_threads_and_chunks_change_nothing(cluster, fitted, atlas_counts, change, same):
    same(cluster(atlas_counts, **change).clusters_, fitted.clusters_)


@pytest.mark.parametrize("n_buckets", [4096, 60])
def test_the_order_of_cells_changes_nothing(cluster, atlas_counts, n_buckets, same):
    """With each cell a bucket of its own, and with cells that share buckets."""
    order = np.random.default_rng(0).permutation(360)
    expected = cluster(atlas_counts, n_buckets=n_buckets)
    found = cluster(atlas_counts[order].copy(), n_buckets=n_buckets, n_threads=2)
    same(found.clusters_, expected.clusters_, order)
    np.testing.assert_array_equal(found.model_.centres, expected.model_.centres)
    assert found.facts_["joined"] == expected.facts_["joined"]


def test_the_order_changes_nothing_where_clusters_send_some(
    cluster, atlas_counts, monkeypatch, same
):
    """And joining is decided by a few cells of each cluster."""
    monkeypatch.setattr("atlash.clustering.evidence.MAX_OF_CLUSTER", 20)
    order = np.random.default_rng(1).permutation(360)
    found = [cluster(cells, 4) for cells in (atlas_counts, atlas_counts[order].copy())]
    assert found[0].facts_["joined"] == found[1].facts_["joined"]
    assert found[0].facts_["joined"]
    same(found[1].clusters_, found[0].clusters_, order)


def test_copies_of_cells_in_any_order(cluster, counts, same):
    twice = np.repeat(counts[:100], 2, axis=0)
    order = np.random.default_rng(0).permutation(200)
    expected, found = cluster(twice), cluster(twice[order])
    same(found.clusters_, expected.clusters_, order)
    np.testing.assert_array_equal(expected.clusters_.labels[::2], expected.clusters_.labels[1::2])


def test_the_seed_decides_leiden_alone(cluster, atlas_counts, fitted, same):
    other = cluster(atlas_counts, seed=7)
    np.testing.assert_array_equal(other.clusters_.embedding, fitted.clusters_.embedding)
    assert adjusted_rand_score(other.clusters_.labels, fitted.clusters_.labels) > 0.95
    same(cluster(atlas_counts, seed=7).clusters_, other.clusters_)


@pytest.mark.parametrize("kind", ["h5ad", "zarr", "h5ad path as text", "backed", "view"])
def test_from_disk_as_from_memory(quiet, fitted, atlas_counts, tmp_path, kind, *, same):
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
def test_the_same_counts_stored_otherwise(cluster, fitted, atlas_counts, counts, store, *, same):
    same(cluster(ad.AnnData(store(counts), var=atlas_counts.var)).clusters_, fitted.clusters_)


def test_normalised_and_logarithmic_cells_give_nearly_the_clusters_of_counts(
    cluster, fitted, counts
):
    linear = counts / counts.sum(axis=1, keepdims=True) * 1e4
    for values in (linear, np.log1p(linear), np.log1p(linear).astype(np.float32)):
        found = cluster(sp.csr_matrix(values)).clusters_
        assert adjusted_rand_score(found.labels, fitted.clusters_.labels) > 0.95


def test_labels_are_not_looked_at(cluster, fitted, atlas, same):
    for labels in (["one"] * 360, np.arange(360), pd.Categorical([None] * 360)):
        atlas.obs["cell_type"] = labels
        same(cluster(atlas).clusters_, fitted.clusters_)
    del atlas.obs["cell_type"]
    atlas.obs_names = [f"x{k}" for k in range(360)]
    same(cluster(atlas).clusters_, fitted.clusters_)


def test_training_cells_are_predicted_into_their_clusters(fitted, atlas_counts, same):
    same(fitted.predict(atlas_counts), fitted.clusters_)


def test_shared_buckets_predict_the_same_too(cluster, atlas_counts, same):
    found = cluster(atlas_counts, n_buckets=40)
    same(found.predict(atlas_counts), found.clusters_)


def test_new_cells_alone_as_in_company(fitted, fresh_counts, same):
    together = fitted.predict(fresh_counts)
    for rows in ([0], [250], [9, 3, 100]):
        same(fitted.predict(fresh_counts[rows].copy()), together, rows)
    truth = fresh_counts.obs["cell_type"].astype(str) + fresh_counts.obs["batch"].astype(str)
    assert adjusted_rand_score(truth, together.labels) > 0.9


def test_genes_of_new_cells_are_matched_by_name(fitted, fresh_counts, same):
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
def test_a_wanted_number_is_given(cluster, atlas_counts, n_clusters, sizes):
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


def test_the_story_names_the_batches_brought_together(atlas_counts, quiet, fitted, tmp_path):
    told = HashClusterer(config=quiet()).fit(atlas_counts, batch_key="batch")
    sizes = atlas_counts.obs["batch"].value_counts()
    assert told.facts_["batch_key"] == "batch"
    found = zip(told.facts_["batches"], told.facts_["cells_of_batch"], strict=True)
    assert dict(found) == sizes.to_dict()
    told.save(tmp_path / "told")
    assert HashClusterer.load(tmp_path / "told").facts_ == told.facts_
    assert fitted.facts_["batch_key"] is None
    assert fitted.facts_["batches"] == []
