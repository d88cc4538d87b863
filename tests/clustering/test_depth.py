"""Depth taken off places: what thinned copies tell, and clusters of two runs of unlike depth."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.metrics import adjusted_rand_score

from atlash import HashClusterer
from atlash.clustering.depth import KEPT, at_one_depth, depth_effect
from atlash.clustering.places import places_on


def test_the_effect_is_the_slope_of_copies(dealt, surveyed):
    """Against a regression of every move on the fall of the logarithm, without an intercept."""
    axes, sketch = dealt
    on_axes = places_on(axes.matrix, surveyed.genes)
    whole = on_axes.of(sketch.logged).astype(np.float64)
    falls = np.repeat(np.log(16 / np.array(KEPT)), sketch.n_cells)
    moves = np.concatenate([sketch.thinned(on_axes, kept) - whole for kept in KEPT])
    expected = np.linalg.lstsq(falls[:, None], moves, rcond=None)[0][0]
    found = depth_effect(sketch, on_axes)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_cells_of_the_common_depth_stay_and_shallow_ones_go_back():
    places, effect = np.ones((3, 2), dtype=np.float32), np.array([1.0, -2.0], dtype=np.float32)
    found = at_one_depth(places, np.array([1.0, np.exp(-1), np.exp(2)]), effect)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[1, 1], [0, 3], [3, -3]], rtol=1e-6)


@pytest.fixture(scope="module")
def two_runs():
    """Three types; a second run has a quarter of the depth. Counts, types, runs."""
    rng = np.random.default_rng(4)
    kind, run = np.arange(900) % 3, rng.integers(0, 2, 900)
    shares = rng.gamma(0.5, 1, 400) * np.ones((3, 1))
    for own in range(3):
        shares[own, 25 * own : 25 * (own + 1)] *= 3
    mean = shares[kind] / shares[kind].sum(axis=1, keepdims=True)
    depth = 1200 * np.where(run == 1, 0.25, 1) * np.exp(rng.normal(0, 0.2, 900))
    return sp.csr_matrix(rng.poisson(mean * depth[:, None]).astype(np.float32)), kind, run


def cells_of(counts):
    return ad.AnnData(counts, var=pd.DataFrame(index=[f"gene{j}" for j in range(400)]))


@pytest.fixture(scope="module")
def fitted_to_runs(two_runs, quiet):
    return HashClusterer(config=quiet()).fit(cells_of(two_runs[0]))


def test_runs_of_unlike_depth_are_no_clusters(two_runs, fitted_to_runs, quiet):
    counts, kind, run = two_runs
    labels = fitted_to_runs.clusters_.labels
    assert adjusted_rand_score(kind, labels) > 0.95
    assert abs(adjusted_rand_score(run, labels)) < 0.02
    places = fitted_to_runs.clusters_.embedding
    as_it_is = (
        HashClusterer(config=quiet(even_depth=False)).fit(cells_of(counts)).clusters_.embedding
    )
    assert _apart(places, kind, run) < 0.5 * _apart(as_it_is, kind, run)


def _apart(places, kind, run):
    """Mean squared distance of the runs inside types, over that of all cells from their middle."""
    steps = [
        places[(kind == k) & (run == 0)].mean(axis=0)
        - places[(kind == k) & (run == 1)].mean(axis=0)
        for k in range(3)
    ]
    return (
        np.square(steps).sum(axis=1).mean() / np.square(places - places.mean(axis=0)).sum(1).mean()
    )


def test_cells_that_were_learned_from_are_put_where_they_were(
    two_runs, fitted_to_runs, quiet, tmp_path
):
    fitted_to_runs.save(tmp_path / "clusters")
    loaded = HashClusterer.load(tmp_path / "clusters")
    assert loaded.config.even_depth
    loaded.config = quiet()
    few = cells_of(two_runs[0][:60])
    for clusterer in (fitted_to_runs, loaded):
        found = clusterer.predict(few)
        for name in ("labels", "embedding"):
            expected = getattr(fitted_to_runs.clusters_, name)[:60]
            np.testing.assert_array_equal(getattr(found, name), expected)


def test_cells_without_counts_have_no_place(fitted_to_runs):
    found = fitted_to_runs.predict(cells_of(sp.csr_matrix((3, 400), dtype=np.float32)))
    assert (found.labels == -1).all()
    assert np.isnan(found.embedding).all()
