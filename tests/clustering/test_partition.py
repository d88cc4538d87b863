"""Buckets, the graph of cells, and clusters of buckets."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from atlash.clustering.partition import RESOLUTIONS, divide, into_buckets, join_cells
from atlash.graph.coarse import bucket_graph
from atlash.graph.modularity import modularity


@pytest.fixture(scope="module")
def places():
    """Five groups of 60 cells, and the group of each."""
    rng = np.random.default_rng(0)
    kind = np.arange(300) % 5
    Z = 12 * rng.normal(size=(5, 4))[kind] + rng.normal(size=(300, 4))
    return Z.astype(np.float32), kind


def test_few_cells_are_a_bucket_each(places, quiet):
    Z, _ = places
    found = into_buckets(np.concatenate([Z, Z[:7]]), quiet())
    assert len(found.centres) == 300
    assert found.sizes.sum() == 307
    assert np.bincount(found.sizes).tolist() == [0, 293, 7]
    np.testing.assert_array_equal(found.centres[found.of_cell][:300], Z)
    np.testing.assert_array_equal(found.of_cell[300:], found.of_cell[:7])


@pytest.mark.parametrize("n_threads", [1, 2])
def test_many_cells_share_buckets_and_none_is_empty(places, quiet, n_threads):
    Z, _ = places
    found = into_buckets(Z, quiet(n_buckets=40, n_threads=n_threads))
    assert len(found.centres) <= 40
    assert found.sizes.min() >= 1
    squared = ((Z[:, None].astype(float) - found.centres) ** 2).sum(axis=-1)
    own = squared[np.arange(300), found.of_cell]
    np.testing.assert_allclose(own, squared.min(axis=1), rtol=1e-5)
    np.testing.assert_array_equal(found.sizes, np.bincount(found.of_cell))


def test_centres_without_cells_are_dropped(places, quiet, monkeypatch):
    Z, _ = places
    centres = np.concatenate([np.full((1, 4), -1e4), Z[:10], np.full((1, 4), 1e4)])
    monkeypatch.setattr(
        "atlash.clustering.partition.learn_centres", lambda *_, **__: centres.astype(np.float32)
    )
    found = into_buckets(Z, quiet(n_buckets=20))
    np.testing.assert_array_equal(found.centres, Z[:10])
    assert found.of_cell.max() == 9


def test_the_graph_joins_near_cells(places, quiet):
    Z, kind = places
    options = quiet(n_neighbors=12)
    graph = join_cells(Z, into_buckets(Z, options), options)
    assert graph.neighbours.rows.shape == (300, 11)
    edges = graph.weights.tocoo()
    assert (kind[edges.row] == kind[edges.col]).mean() > 0.95
    assert 0 < edges.data.min() <= edges.data.max() <= 1


def test_the_best_run_is_taken(places, quiet):
    Z, kind = places
    options = quiet(n_runs=6)
    buckets = into_buckets(Z, options)
    graph = join_cells(Z, buckets, options)
    found = divide(graph, buckets, options, resolution=1.0, random_state=0)
    coarse = bucket_graph(graph.weights, buckets.of_cell, len(buckets.centres))
    quality = [modularity(coarse, run) for run in found.runs]
    assert modularity(coarse, found.labels) >= max(quality) - 1e-9
    assert found.runs.shape == (6, 300)
    assert adjusted_rand_score(kind, found.labels[buckets.of_cell]) > 0.95
    assert found.curve.resolution.tolist() == list(RESOLUTIONS)
    assert found.curve.stability.max() > 0.99


@pytest.mark.parametrize("n", [1, 2, 3])
def test_hardly_any_cells(quiet, n):
    Z = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
    buckets = into_buckets(Z, quiet())
    graph = join_cells(Z, buckets, quiet())
    found = divide(graph, buckets, quiet(), resolution=1.0, random_state=0)
    assert len(found.labels) == n
    assert np.isfinite(found.curve.stability).all()
