"""How much of an axis is no noise, and what depth explains of it."""

import numpy as np
import pytest

from atlash.clustering.reliability import _correlations, _explained, reliability_of_axes


def test_correlations_against_numpy_column_by_column():
    rng = np.random.default_rng(0)
    first = rng.normal(size=(50, 4)).astype(np.float32)
    second = (first + rng.normal(size=(50, 4))).astype(np.float32)
    expected = [np.corrcoef(first[:, i], second[:, i])[0, 1] for i in range(4)]
    np.testing.assert_allclose(_correlations(first, second), expected, rtol=1e-6)


def test_a_constant_column_correlates_with_nothing():
    first = np.ones((9, 1), dtype=np.float32)
    second = np.arange(9, dtype=np.float32)[:, None]
    assert _correlations(first, second) == [0.0]


def test_what_depth_explains_against_a_fitted_parabola():
    rng = np.random.default_rng(0)
    depth = rng.normal(size=200)
    places = np.stack([depth**2 - depth, depth + rng.normal(size=200), rng.normal(size=200)], 1)
    expected = [
        1 - np.var(column - np.polyval(np.polyfit(depth, column, 2), depth)) / np.var(column)
        for column in places.T
    ]
    np.testing.assert_allclose(_explained(places, depth), expected, atol=1e-9)
    assert expected[0] == pytest.approx(1)


def test_one_depth_explains_nothing():
    np.testing.assert_array_equal(_explained(np.eye(5), np.ones(5)), 0)


def test_types_are_reliable_and_the_rest_is_noise(dealt, surveyed, quiet):
    """Three types and two batches span three axes; the tenth and later ones are noise."""
    reliability = reliability_of_axes(dealt[1], surveyed.genes, 20, config=quiet())
    assert (reliability[:2] > 0.8).all()
    assert (np.abs(reliability[10:]) < 0.4).all()


def test_too_few_cells_tell_nothing(dealt, surveyed, quiet):
    few = dealt[1][np.arange(12)]
    np.testing.assert_array_equal(reliability_of_axes(few, surveyed.genes, 12, config=quiet()), 0)
