import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlash.clustering.batch_estimates import BatchConfig, noise_of, offsets_of

N_BATCHES, N_AXES = 3, 6


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 4))
def test_offsets_are_the_ridge_regression_in_each_cluster(seed, n_clusters, n_axes):
    rng = np.random.default_rng(seed)
    mass = rng.uniform(0.5, 50, (N_BATCHES, n_clusters))
    means = rng.normal(size=(N_BATCHES, n_clusters, n_axes))
    config = BatchConfig(mean_ridge=1e30)  # no mean offset
    sums = mass[..., None] * means
    found = offsets_of(mass, sums, mass.sum(axis=1), ridge=config.ridge, config=config)
    share = mass.sum(axis=1) / mass.sum()
    for k in range(n_clusters):
        ridge = config.ridge + config.expected_ridge * share * mass[:, k].sum()
        design = np.hstack([np.ones((N_BATCHES, 1)), np.eye(N_BATCHES)])
        normal = design.T @ (mass[:, k, None] * design) + np.diag(np.append(0, ridge))
        solved = np.linalg.solve(normal, design.T @ (mass[:, k, None] * means[:, k]))
        np.testing.assert_allclose(found[:, k], solved[1:], atol=1e-9)


def clusters_of_cells(spread, *, n_clusters=60, n_batches=5, seed=0):
    """Sums of cells of variance 1 an axis, in batches whose offsets deviate by ``spread``."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(10, 60, (n_batches, n_clusters))
    sums, squares = np.empty((*sizes.shape, N_AXES)), np.empty(sizes.shape)
    for place, size in np.ndenumerate(sizes):
        offset = spread * rng.normal(size=N_AXES)
        cells = 5 * place[1] + offset + rng.normal(size=(size, N_AXES))
        sums[place], squares[place] = cells.sum(axis=0), np.square(cells).sum()
    return sizes.astype(float), sums, squares


@pytest.mark.parametrize("spread", [0.2, 0.5, 2.0])
def test_noise_is_the_variance_of_cells_over_that_of_offsets(spread):
    assert noise_of(*clusters_of_cells(spread)) == pytest.approx(spread**-2, rel=0.2)


def test_batches_that_differ_by_chance_alone_have_no_offsets():
    assert np.median([noise_of(*clusters_of_cells(0.0, seed=k)) for k in range(5)]) > 500


def test_clusters_of_one_batch_each_tell_of_no_offset():
    mass, sums, squares = clusters_of_cells(1.0, n_batches=1)
    assert noise_of(mass, sums, squares) > 1e6
    assert np.isfinite(noise_of(0 * mass, 0 * sums, 0 * squares))


def test_offsets_without_cells_are_the_mean_offset():
    mass = np.array([[900.0, 500.0], [900.0, 0.0]])
    sums = mass[..., None] * np.array([[[1.0], [0.0]], [[-1.0], [0.0]]])
    found = offsets_of(mass, sums, np.array([1400.0, 900.0]), ridge=10.0, config=BatchConfig())
    assert found[1, 0, 0] < -0.8
    assert found[1, 1, 0] < -0.6
