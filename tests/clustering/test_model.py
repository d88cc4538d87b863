"""Where a model puts cells: each by itself, as those that it was learned from."""

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from atlash.clustering._vote import vote
from atlash.clustering.model import N_AROUND
from atlash.config import InputConfig
from atlash.data.source import open_source


@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(1, 6))
def test_votes_against_slow_loops(seed, n_buckets, width):
    rng = np.random.default_rng(seed)
    width = min(width, n_buckets)
    places = rng.normal(size=(5, 3)).astype(np.float32)
    centres = rng.normal(size=(n_buckets, 3)).astype(np.float32)
    bucket = rng.integers(0, n_buckets, 5).astype(np.int32)
    around = np.array([
        [own, *rng.permutation(np.delete(np.arange(n_buckets), own))[: width - 1]]
        for own in range(n_buckets)
    ]).astype(np.int32)  # fmt: skip
    cluster = rng.integers(0, 3, n_buckets).astype(np.int32)
    sizes = rng.integers(1, 9, n_buckets)
    found = np.empty(5, dtype=np.float32)
    vote(places, bucket, centres, around, cluster, sizes, found)
    for row in range(5):
        near = around[bucket[row]]
        squared = ((places[row].astype(float) - centres[near]) ** 2).sum(axis=1)
        weight = sizes[near] / (1 + squared / squared.mean())
        expected = weight[cluster[near] == cluster[bucket[row]]].sum() / weight.sum()
        assert found[row] == pytest.approx(expected, rel=1e-6)
    assert (found > 0).all()
    assert (found <= 1).all()


def test_a_vote_where_all_lie_at_one_place():
    at = np.zeros((2, 3), dtype=np.float32)
    found = np.empty(2, dtype=np.float32)
    around = np.array([[0, 1], [1, 0]], dtype=np.int32)
    own = np.array([0, 1], dtype=np.int32)
    vote(at, own, at, around, own, np.array([3, 1]), found)
    np.testing.assert_array_equal(found, [0.75, 0.25])


@pytest.fixture(scope="module")
def model(fitted):
    return fitted.model_


def bound_to(model, cells):
    return model.genes.bind(open_source(cells), InputConfig())


def test_places_of_new_cells_depend_on_nothing_but_themselves(model, fresh_counts, quiet):
    together = model.place(bound_to(model, fresh_counts), quiet())
    for change in ({"chunk_size": 13}, {"n_threads": 2}):
        found = model.place(bound_to(model, fresh_counts), quiet(**change))
        np.testing.assert_array_equal(found, together)
    rows = np.array([200, 3, 77])
    few = model.place(bound_to(model, fresh_counts[rows].copy()), quiet())
    np.testing.assert_array_equal(few, together[rows])


def test_cells_without_counts_have_no_place(model, fresh_counts, quiet):
    X = fresh_counts.X.toarray()
    X[[2, 9]] = 0
    cells = ad.AnnData(sp.csr_matrix(X), var=fresh_counts.var)
    places = model.place(bound_to(model, cells), quiet(chunk_size=5))
    assert np.flatnonzero(np.isnan(places).all(axis=1)).tolist() == [2, 9]
    assert np.isnan(places).sum() == 2 * places.shape[1]
    bucket = model.bucket_of(places, 1)
    assert np.flatnonzero(bucket < 0).tolist() == [2, 9]
    membership = model.membership(places, bucket)
    assert np.flatnonzero(membership == 0).tolist() == [2, 9]


def test_no_cell_with_a_place(model):
    places = np.full((3, model.centres.shape[1]), np.nan, dtype=np.float32)
    bucket = model.bucket_of(places, 1)
    assert bucket.tolist() == [-1, -1, -1]
    assert model.membership(places, bucket).tolist() == [0, 0, 0]


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_buckets_are_the_nearest_centres(model, seed):
    places = 3 * np.random.default_rng(seed).normal(size=(4, model.centres.shape[1]))
    found = model.bucket_of(places.astype(np.float32), 1)
    squared = ((places[:, None] - model.centres.astype(float)) ** 2).sum(axis=-1)
    own = squared[np.arange(4), found]
    np.testing.assert_allclose(own, squared.min(axis=1), rtol=1e-5)


def test_membership_is_high_inside_and_lower_between(model):
    of = [model.centres[model.cluster == k].mean(axis=0) for k in range(2)]
    ends = np.stack([of[0], (of[0] + of[1]) / 2]).astype(np.float32)
    inside, between = model.membership(ends, model.bucket_of(ends, 1))
    assert inside > 0.9
    assert between < inside


def test_one_bucket_belongs_to_itself(model):
    import dataclasses

    only = dataclasses.replace(
        model, centres=model.centres[:1], sizes=model.sizes[:1], cluster=np.zeros(1, np.int32)
    )
    places = model.centres[:5]
    assert only.n_clusters == 1
    assert only.membership(places, only.bucket_of(places, 1)).tolist() == [1] * 5


def test_as_many_buckets_around_as_are_told(model):
    assert model._around().shape == (len(model.centres), N_AROUND + 1)
