"""UMAP of buckets, and cells among them."""

import sys

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from atlash.errors import InputError, InvalidValuesError, KeyNotFoundError
from atlash.tl.umap import bucket_means, place_cells, umap

N_BLOBS, N_OF_BLOB, N_DIMS, N_BUCKETS = 4, 150, 6, 60


@pytest.fixture
def cells():
    """Four far blobs, 15 buckets in each."""
    rng = np.random.default_rng(0)
    blob = np.repeat(np.arange(N_BLOBS), N_OF_BLOB)
    X = 10 * np.eye(N_DIMS)[blob] + rng.standard_normal((blob.size, N_DIMS))
    first = np.argsort(X[:, 4] + 100 * blob)
    bucket = np.empty(blob.size, dtype=int)
    bucket[first] = np.arange(blob.size) // 10
    obs = pd.DataFrame({"blob": blob, "atlash_bucket": bucket})
    obs.index = obs.index.astype(str)
    cells = ad.AnnData(np.zeros((blob.size, 1), dtype=np.float32), obs=obs)
    cells.obsm["X_atlash"] = X.astype(np.float32)
    return cells


def test_means_are_means(cells):
    X, bucket = cells.obsm["X_atlash"], cells.obs["atlash_bucket"].to_numpy()
    found = bucket_means(X, bucket, n_buckets=N_BUCKETS)
    wanted = [X[bucket == b].mean(axis=0) for b in range(N_BUCKETS)]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_buckets_of_one_cell_are_where_their_cell_is():
    rng = np.random.default_rng(1)
    X, layout = rng.standard_normal((40, 5)), rng.standard_normal((40, 2))
    found = place_cells(X, np.arange(40, dtype=np.int32), X, layout=layout)
    np.testing.assert_allclose(found, layout, atol=1e-6)


@given(st.integers(0, 1000), st.integers(2, 12))
def test_cells_lie_among_the_buckets_whatever_the_company(seed, n_buckets):
    rng = np.random.default_rng(seed)
    X, layout = rng.standard_normal((50, 3)), rng.standard_normal((n_buckets, 2))
    buckets = np.append(np.arange(n_buckets), rng.integers(0, n_buckets, 50 - n_buckets))
    buckets = buckets.astype(np.int32)
    means = bucket_means(X, buckets, n_buckets=n_buckets)
    found = place_cells(X, buckets, means, layout=layout)
    order = rng.permutation(50)
    np.testing.assert_array_equal(
        place_cells(X[order], buckets[order], means, layout=layout), found[order]
    )
    apart = np.linalg.norm(layout[:, None] - layout, axis=2) + np.diag(np.full(n_buckets, np.inf))
    slack = 0.5 * np.median(apart.min(axis=1)) + 1e-6
    assert (found >= layout.min(axis=0) - slack).all()
    assert (found <= layout.max(axis=0) + slack).all()


def test_no_cell_lies_in_the_void_between_far_buckets():
    """Two islands, near in the data and far in the picture."""
    rng = np.random.default_rng(2)
    layout = np.concatenate([rng.random((10, 2)), rng.random((10, 2)) + 50])
    X = rng.standard_normal((400, 4))
    buckets = (np.arange(400) % 20).astype(np.int32)
    means = bucket_means(X, buckets, n_buckets=20)
    found = place_cells(X, buckets, means, layout=layout)
    np.testing.assert_array_equal(found[:, 0] > 25, buckets >= 10)
    assert not ((found[:, 0] > 3) & (found[:, 0] < 48)).any()


def test_blobs_stay_apart(cells):
    pytest.importorskip("umap")
    assert umap(cells, n_neighbors=6) is None
    places, blob = cells.obsm["X_umap"], cells.obs["blob"].to_numpy()
    assert (places.dtype, places.shape) == (np.float32, (600, 2))
    apart = np.linalg.norm(places[:, None].astype(float) - places, axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (blob[apart.argmin(axis=1)] == blob).mean() > 0.99
    assert len(np.unique(places, axis=0)) == 600
    assert cells.uns["umap"]["params"]["n_neighbors"] == 6


def test_the_seed_decides(cells):
    pytest.importorskip("umap")
    other = cells.copy()
    umap(cells, n_neighbors=6, key_added="mine")
    umap(other, n_neighbors=6, key_added="mine")
    np.testing.assert_array_equal(cells.obsm["X_mine"], other.obsm["X_mine"])
    umap(other, n_neighbors=6, random_state=1)
    assert (other.obsm["X_umap"] != cells.obsm["X_mine"]).any()
    assert "mine" in cells.uns


@pytest.mark.parametrize(
    "options", [{"n_neighbors": 1}, {"n_neighbors": 60}, {"min_dist": 1.0}, {"min_dist": -0.1}]
)
def test_options_out_of_range(cells, options):
    with pytest.raises(InputError, match="for 60 buckets; need at least 2 neighbours"):
        umap(cells, **options)


def test_what_is_missing_or_not_finite(cells):
    with pytest.raises(KeyNotFoundError, match=r"no 'X_pca'; it has 'X_atlash'"):
        umap(cells, use_rep="X_pca")
    with pytest.raises(KeyNotFoundError, match="no column 'buckets'"):
        umap(cells, bucket_key="buckets")
    cells.obsm["X_atlash"][7, 2] = np.nan
    with pytest.raises(
        InvalidValuesError, match="NaN or infinite values for 1 cells, the first '7'"
    ):
        umap(cells)


def test_coordinates_that_are_no_numbers(cells):
    cells.obsm["X_text"] = pd.DataFrame({"a": ["x"] * 600}, index=cells.obs_names)
    with pytest.raises(InputError, match=r"`obsm\['X_text'\]` holds values that are no numbers"):
        umap(cells, use_rep="X_text")


def test_sparse_coordinates_are_like_dense_ones(cells):
    pytest.importorskip("umap")
    cells.obsm["X_sparse"] = sp.csr_matrix(cells.obsm["X_atlash"])
    umap(cells, n_neighbors=6)
    umap(cells, n_neighbors=6, use_rep="X_sparse", key_added="other")
    np.testing.assert_array_equal(cells.obsm["X_other"], cells.obsm["X_umap"])


def test_a_seed_that_umap_learn_does_not_take(cells):
    with pytest.raises(InputError, match=r"`random_state` is 4294967296, .* above 4294967295"):
        umap(cells, n_neighbors=6, random_state=2**32)


def test_without_umap_learn_the_remedy_is_told(cells, monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ImportError, match=r"pip install 'atlash\[umap\]'"):
        umap(cells)
