import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from atlash.data.variable import (
    MIN_BATCH,
    N_BINS,
    _relative_dispersion,
    batch_masks,
    mean_and_variance,
    normalise_counts,
    variable_genes,
)

SEEDS = st.integers(0, 1000)


def draw_counts(seed, n=60, n_genes=40):
    rng = np.random.default_rng(seed)
    level = 0.2 + rng.gamma(1.0, 3.0, n_genes)
    level[::10] = 0  # never detected
    return rng.poisson(level, (n, n_genes)).astype(np.float32)


def slow_dispersion(cells):
    """Dispersion relative to that of genes in the same bin of the mean, gene by gene."""
    cells = cells.astype(np.float64)
    found = [g for g in range(cells.shape[1]) if cells[:, g].sum() > 0]
    level = {g: np.log1p(cells[:, g].mean()) for g in found}
    spread = {g: np.log(max(cells[:, g].var(), 1e-12) / cells[:, g].mean()) for g in found}
    low, high = min(level.values()), max(level.values())
    width = (high - low) / N_BINS
    place = {g: min(int((level[g] - low) / width), N_BINS - 1) for g in found}
    score = np.full(cells.shape[1], -np.inf)
    for g in found:
        like = [spread[h] for h in found if place[h] == place[g]]
        alone = len(like) == 1
        score[g] = 1.0 if alone else (spread[g] - np.mean(like)) / max(np.std(like), 1e-6)
    return score


def slow_order(dense, groups, n_top):
    """How many batches choose a gene among their first, then its median rank."""
    ranks = []
    for group in range(groups.max() + 1):
        score = _relative_dispersion(*mean_and_variance(sp.csr_array(dense[groups == group])))
        order = sorted(range(dense.shape[1]), key=lambda g: (-score[g], g))
        ranks.append([order.index(g) for g in range(dense.shape[1])])
    chosen = [sum(rank[g] < n_top for rank in ranks) for g in range(dense.shape[1])]
    median = [np.median([rank[g] for rank in ranks]) for g in range(dense.shape[1])]
    return sorted(range(dense.shape[1]), key=lambda g: (-chosen[g], median[g], g))


@given(SEEDS)
def test_counts_are_scaled_to_the_target(seed):
    dense = draw_counts(seed)
    dense[0] = 0
    library = dense.sum(axis=1, dtype=np.float64)
    found = normalise_counts(sp.csr_array(dense), library, 1e4).toarray()
    np.testing.assert_allclose(found.sum(axis=1)[1:], 1e4, rtol=1e-5)
    np.testing.assert_array_equal(found[0], 0)
    np.testing.assert_allclose(found[1], dense[1] * 1e4 / library[1], rtol=1e-6)


def test_scaling_does_not_touch_the_counts():
    counts = sp.csr_array(draw_counts(0))
    before = counts.data.copy()
    normalise_counts(counts, np.full(60, 2.0), 1.0)
    np.testing.assert_array_equal(counts.data, before)


@given(SEEDS)
def test_moments_are_numpys(seed):
    dense = draw_counts(seed)
    mean, variance = mean_and_variance(sp.csr_array(dense))
    np.testing.assert_allclose(mean, dense.mean(axis=0, dtype=np.float64), atol=1e-12)
    np.testing.assert_allclose(variance, dense.var(axis=0, dtype=np.float64), atol=1e-9)


def test_variance_is_never_negative():
    _, variance = mean_and_variance(sp.csr_array(np.full((50, 3), 1e4 + 0.1, np.float32)))
    assert (variance >= 0).all()


@given(SEEDS)
def test_dispersion_is_relative_to_genes_of_like_mean(seed):
    dense = draw_counts(seed, n_genes=100)
    found = _relative_dispersion(*mean_and_variance(sp.csr_array(dense)))
    np.testing.assert_allclose(found, slow_dispersion(dense), atol=1e-6)


@given(SEEDS)
def test_genes_that_more_batches_choose_go_first(seed):
    dense = draw_counts(seed, n=120)
    groups = np.repeat([0, 1, 2], 40)
    found = variable_genes(sp.csr_array(dense), groups, n_top=8)
    np.testing.assert_array_equal(found, slow_order(dense, groups, 8))


def test_all_genes_are_given_and_silent_ones_last():
    dense = draw_counts(0)
    order = variable_genes(sp.csr_array(dense), None, n_top=5)
    assert sorted(order) == list(range(40))
    assert set(order[-4:]) == {0, 10, 20, 30}


def test_a_gene_that_varies_more_than_its_like_goes_first():
    rng = np.random.default_rng(0)
    dense = rng.poisson(5.0, (200, 400)).astype(np.float32)
    dense[:, 7] = rng.poisson(np.repeat([1.0, 9.0], 100))
    assert variable_genes(sp.csr_array(dense), None, n_top=5)[0] == 7


def test_a_gene_that_differs_between_batches_only_is_not_variable():
    rng = np.random.default_rng(0)
    groups = np.repeat([0, 1], 100)
    dense = rng.poisson(5.0, (200, 400)).astype(np.float32)
    dense[:, 7] = rng.poisson(np.array([1.0, 9.0])[groups])
    dense[:, 9] = rng.poisson(np.tile([1.0, 9.0], 100))
    together = variable_genes(sp.csr_array(dense), None, n_top=5)
    apart = variable_genes(sp.csr_array(dense), groups, n_top=5)
    assert set(together[:2]) == {7, 9}
    assert apart[0] == 9
    assert 7 not in apart[:5]


def test_small_batches_have_no_say():
    dense = draw_counts(1, n=60 + MIN_BATCH - 1)
    groups = np.repeat([0, 1], [60, MIN_BATCH - 1])
    with_small = variable_genes(sp.csr_array(dense), groups, n_top=8)
    without = variable_genes(sp.csr_array(dense[:60]), None, n_top=8)
    np.testing.assert_array_equal(with_small, without)


def test_where_all_batches_are_small_all_cells_are_one():
    masks = batch_masks(np.arange(30), 30)
    assert len(masks) == 1
    assert masks[0].all()


@pytest.mark.parametrize("groups", [None, np.zeros(30, dtype=np.int64)])
def test_one_batch_is_all_cells(groups):
    masks = batch_masks(groups, 30)
    assert [mask.sum() for mask in masks] == [30]


def test_cells_without_any_count_break_nothing():
    order = variable_genes(sp.csr_array((30, 6), dtype=np.float32), None, n_top=3)
    assert sorted(order) == list(range(6))
