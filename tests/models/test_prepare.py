from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from atlash.config import TrainConfig
from atlash.models.prepare import (
    TARGET_SUM,
    LabelledCounts,
    UnlabelledCounts,
    freeze,
    library_sizes,
    normalised_features,
    thinned,
    training_cells,
)

CONFIG = TrainConfig(n_features=30, n_components=5)


@pytest.fixture(scope="module")
def cells():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 40)
    mean = rng.gamma(1.0, 2.0, (3, 50))
    mean[:, 0] = 0  # never detected
    counts = sp.csr_array(rng.poisson(mean[labels]).astype(np.float32))
    return LabelledCounts(counts, labels, rng.integers(0, 2, 120), 3)


@pytest.fixture(scope="module")
def frozen(cells):
    return freeze(cells, CONFIG)


def dense_features(cells, frozen):
    dense = cells.counts.toarray().astype(np.float64)
    scaled = TARGET_SUM * dense / dense.sum(axis=1, keepdims=True)
    return np.log1p(scaled)[:, frozen.features]


def test_normalised_features_are_log1p_of_counts_per_ten_thousand(cells, frozen):
    found = normalised_features(cells, frozen)
    np.testing.assert_allclose(found.toarray(), dense_features(cells, frozen), rtol=1e-5)
    assert found.dtype == np.float32


def test_the_statistics_are_those_of_the_cells(cells, frozen):
    dense = dense_features(cells, frozen)
    np.testing.assert_allclose(frozen.standardiser.mean, dense.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(frozen.standardiser.inverse_scale, 1 / dense.std(axis=0), rtol=1e-3)


def test_fractions_are_mean_shares_of_all_genes(cells, frozen):
    dense = cells.counts.toarray()
    shares = (dense / dense.sum(axis=1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(frozen.fraction, shares, atol=1e-6)
    assert frozen.fraction.sum() == pytest.approx(1)
    assert frozen.fraction[0] == 0


def test_axes_are_at_right_angles_and_components_of_unit_size(cells, frozen):
    assert frozen.axes.shape == (30, 5)
    gram = frozen.axes.T @ frozen.axes
    np.testing.assert_allclose(gram, gram[0, 0] * np.eye(5), atol=1e-4 * gram[0, 0])
    dense = dense_features(cells, frozen)
    standard = np.minimum((dense - dense.mean(axis=0)) / dense.std(axis=0), CONFIG.upper)
    components = standard @ frozen.axes
    assert components.var(axis=0).mean() == pytest.approx(1, rel=0.05)


def test_axes_hold_what_varies_most(cells, frozen):
    dense = dense_features(cells, frozen)
    standard = np.minimum((dense - dense.mean(axis=0)) / dense.std(axis=0), CONFIG.upper)
    values = np.linalg.svd(standard - standard.mean(axis=0), compute_uv=False)
    unit = frozen.axes / np.linalg.norm(frozen.axes, axis=0)
    held = ((standard - standard.mean(axis=0)) @ unit) ** 2
    assert held.sum() == pytest.approx((values[:5] ** 2).sum(), rel=0.01)


def test_there_are_no_more_axes_than_cells_or_features(cells):
    few = cells[np.array([0, 1, 50, 51])]
    assert freeze(few, CONFIG).axes.shape[1] <= 4


def test_training_cells_know_the_library_over_all_genes(cells, frozen):
    found = training_cells(cells, frozen)
    dense = cells.counts.toarray()
    np.testing.assert_array_equal(found.counts.toarray(), dense[:, frozen.features])
    np.testing.assert_array_equal(found.library, dense.sum(axis=1))
    assert found.n_types == 3


def test_library_sizes_are_exact_where_float32_is_not():
    counts = sp.csr_array(np.full((1, 3), 2.0**24, np.float32) + np.float32([0, 2, 0]))
    assert library_sizes(counts)[0] == 3 * 2**24 + 2


def test_some_of_the_cells_are_cells(cells):
    some = cells[np.array([3, 100, 7])]
    assert len(some) == 3
    np.testing.assert_array_equal(some.labels, cells.labels[[3, 100, 7]])
    np.testing.assert_array_equal(some.groups, cells.groups[[3, 100, 7]])
    np.testing.assert_array_equal(some.counts.toarray(), cells.counts.toarray()[[3, 100, 7]])
    no_batches = LabelledCounts(cells.counts, cells.labels, None, 3)
    assert no_batches[np.array([1])].groups is None


@pytest.fixture(scope="module")
def half(cells):
    """The cells, of which every second has lost its label."""
    part, rest = cells[np.arange(0, 120, 2)], cells[np.arange(1, 120, 2)]
    return replace(part, unlabelled=UnlabelledCounts(rest.counts, rest.groups))


def test_unlabelled_cells_enter_the_statistics_as_others_do(cells, half):
    assert (len(half), half.n_unlabelled) == (60, 60)
    config = replace(CONFIG, marker_share=0.0)  # markers are the one thing that labels tell
    order = np.r_[0:120:2, 1:120:2]
    found, expected = freeze(half, config), freeze(cells[order], config)
    np.testing.assert_array_equal(found.features, expected.features)
    np.testing.assert_allclose(found.fraction, expected.fraction)
    np.testing.assert_array_equal(found.standardiser.mean, expected.standardiser.mean)
    np.testing.assert_array_equal(found.axes, expected.axes)


def test_markers_are_told_by_labelled_cells_alone(half):
    config = replace(CONFIG, marker_share=1.0, n_features=12)
    alone = freeze(replace(half, unlabelled=None), config)
    np.testing.assert_array_equal(freeze(half, config).features, alone.features)


def test_unlabelled_cells_are_used_for_variable_genes_where_labelled_ones_are_few(half):
    config = replace(CONFIG, marker_share=0.0, n_features=10)
    few = half[np.array([0, 1, 30])]
    assert few.n_unlabelled == 0
    helped = freeze(replace(few, unlabelled=half.unlabelled), config)
    assert (helped.features != freeze(few, config).features).any()


def test_without_batches_of_both_there_are_none(half):
    blind = replace(half, groups=None)
    assert np.isfinite(freeze(blind, CONFIG).axes).all()


def test_a_feature_that_does_not_vary_is_given_no_weight(cells):
    alike = cells.counts.toarray()
    alike[:, :] = alike[0]
    found = freeze(LabelledCounts(sp.csr_array(alike), cells.labels, None, 3), CONFIG)
    assert np.isfinite(found.standardiser.inverse_scale).all()
    assert np.isfinite(found.axes).all()


def test_thinned_cells_keep_a_share_of_their_counts(cells):
    fewer = thinned(cells, random_state=0)
    assert (fewer.counts.toarray() <= cells.counts.toarray()).all()
    share = library_sizes(fewer.counts) / library_sizes(cells.counts)
    assert 0.1 < share.min() < 0.45
    assert 0.85 < share.max() <= 1
    again = thinned(cells, random_state=0).counts.toarray()
    np.testing.assert_array_equal(fewer.counts.toarray(), again)
