from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from atlash.config import TrainConfig
from atlash.nn.batches import as_they_are, augmented, batches, thin

PLAIN = as_they_are(TrainConfig())
SEEDS = st.integers(0, 10_000)


def rng(seed=0):
    return np.random.default_rng(seed)


def expected_cells(cells, index, standardiser):
    """Standardise log1p of scaled counts the obvious way, dense."""
    scaled = cells.target_sum * cells.counts.toarray()[index] / cells.library[index, None]
    standard = (np.log1p(scaled) - standardiser.mean) * standardiser.inverse_scale
    return np.minimum(standard, standardiser.upper)


@pytest.mark.parametrize("count", [1, 2, 7, 400])
def test_thin_draws_binomially(count):
    n, share = 40_000, 0.3
    kept = thin(np.full(n, count, np.float32), np.full(n, share), rng())
    error = np.sqrt(count * share * (1 - share) / n)
    assert kept.mean() == pytest.approx(count * share, abs=4 * error)
    assert kept.var() == pytest.approx(count * share * (1 - share), rel=0.05)
    assert kept.dtype == np.float32


@given(st.lists(st.integers(0, 10_000_000), min_size=1, max_size=50), SEEDS)
def test_thin_gives_integers_of_at_most_the_count(counts, seed):
    counts = np.array(counts, np.float32)
    kept = thin(counts, rng(seed).random(len(counts)), rng(seed))
    assert (kept == np.floor(kept)).all()
    assert ((kept >= 0) & (kept <= counts)).all()


@given(st.lists(st.integers(0, 10_000_000), min_size=1, max_size=50), SEEDS)
def test_thin_with_a_share_of_one_changes_nothing(counts, seed):
    counts = np.array(counts, np.float32)
    np.testing.assert_array_equal(thin(counts, np.ones(len(counts)), rng(seed)), counts)


def test_thin_leaves_large_counts_as_they_are():
    counts = np.full(100_000, 300_001, np.float32)  # near here float32 steps by 1/32
    np.testing.assert_array_equal(thin(counts, np.ones(len(counts)), rng()), counts)


@pytest.mark.parametrize("value", [0.25, 1.5, 3.9])
def test_thin_keeps_the_mean_of_expected_counts(value):
    n = 40_000
    kept = thin(np.full(n, value, np.float32), np.full(n, 0.5), rng())
    assert kept.mean() == pytest.approx(value / 2, abs=4 * np.sqrt(value / n))
    assert (kept == np.floor(kept)).all()


def test_thin_with_a_share_of_zero_keeps_nothing():
    counts = np.arange(50, dtype=np.float32)
    np.testing.assert_array_equal(thin(counts, np.zeros(50), rng()), 0)


def test_without_augmentation_cells_are_standardised_and_no_more(cells, standardiser):
    index = np.array([5, 0, 199, 5])
    found = augmented(cells, index, standardiser, config=PLAIN, rng=rng())
    expected = expected_cells(cells, index, standardiser)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert (expected == standardiser.upper).any()  # the upper limit is at work
    assert found.dtype == np.float32


def test_without_augmentation_nothing_is_random(cells, standardiser):
    index = np.arange(20)
    one, other = (
        augmented(cells, index, standardiser, config=PLAIN, rng=rng(seed)) for seed in (0, 1)
    )
    np.testing.assert_array_equal(one, other)


def test_as_they_are_turns_off_every_augmentation_and_nothing_else():
    given = TrainConfig(mixup=0.2, n_steps=7)
    off = {"thin_probability": 0, "gene_dropout": 0, "gene_jitter": 0, "mixup": 0}
    assert as_they_are(given) == replace(given, **off)


@pytest.mark.parametrize(
    "option", [{"thin_probability": 1.0}, {"gene_dropout": 0.25}, {"gene_jitter": 0.3}]
)
def test_each_augmentation_changes_cells_the_same_way_for_a_seed(cells, standardiser, option):
    config, index = replace(PLAIN, **option), np.arange(50)
    plain = augmented(cells, index, standardiser, config=PLAIN, rng=rng())
    first = augmented(cells, index, standardiser, config=config, rng=rng(3))
    again = augmented(cells, index, standardiser, config=config, rng=rng(3))
    other = augmented(cells, index, standardiser, config=config, rng=rng(4))
    np.testing.assert_array_equal(first, again)
    assert (first != plain).any()
    assert (first != other).any()


def test_genes_left_out_are_exactly_zero_and_the_others_untouched(cells, standardiser):
    index = np.repeat(np.arange(200), 10)
    plain = augmented(cells, index, standardiser, config=PLAIN, rng=rng())
    config = replace(PLAIN, gene_dropout=0.25)
    found = augmented(cells, index, standardiser, config=config, rng=rng())
    left_out = found != plain
    np.testing.assert_array_equal(found[left_out], 0)
    assert left_out.mean() == pytest.approx(0.25, abs=0.015)
    share = left_out.mean(axis=1)  # from hardly any gene to half of them
    assert share.min() < 0.1
    assert share.max() > 0.4


def test_jitter_changes_expressed_genes_alike_in_a_pseudo_batch(cells, standardiser):
    index = np.arange(200)
    config = replace(PLAIN, gene_jitter=0.3, n_pseudo_batches=1)
    wide = replace(standardiser, upper=np.inf)
    found = augmented(cells, index, wide, config=config, rng=rng())
    plain = augmented(cells, index, wide, config=PLAIN, rng=rng())
    silent = cells.counts.toarray() == 0
    np.testing.assert_array_equal(found[silent], plain[silent])
    values, before = (np.expm1(x / wide.inverse_scale + wide.mean) for x in (found, plain))
    factors = np.where(silent, np.nan, values / np.where(silent, 1, before))
    spread = np.nanmax(factors, axis=0) - np.nanmin(factors, axis=0)
    np.testing.assert_allclose(spread, 0, atol=1e-3)
    assert np.log(np.nanmean(factors, axis=0)).std() == pytest.approx(0.3, rel=0.4)


def test_thinning_keeps_the_level_of_expression(cells, standardiser):
    config = replace(PLAIN, thin_probability=1.0, thin_least=0.5)
    wide = replace(standardiser, upper=np.inf)
    deep = replace(cells, counts=cells.counts * 50, library=cells.library * 50)
    found, plain = (
        augmented(deep, np.arange(200), wide, config=options, rng=rng())
        for options in (config, PLAIN)
    )
    linear = [np.expm1(x / wide.inverse_scale + wide.mean).mean() for x in (found, plain)]
    assert linear[0] == pytest.approx(linear[1], rel=0.01)


def test_cells_without_counts_are_silent_not_broken(cells, standardiser):
    empty = replace(cells, counts=sp.csr_array(cells.counts.shape, dtype=np.float32),
                    library=np.zeros(200))  # fmt: skip
    config = replace(TrainConfig(), gene_dropout=0.0)
    found = augmented(empty, np.arange(4), standardiser, config=config, rng=rng())
    silent = -standardiser.mean * standardiser.inverse_scale
    np.testing.assert_allclose(found, np.tile(silent, (4, 1)), rtol=1e-6)


def test_batches_show_every_cell_before_any_comes_again(cells, standardiser):
    config = replace(PLAIN, batch_size=40)
    stream = batches(cells, standardiser, config=config, rng=rng())
    drawn = [x.numpy() for x, _ in islice(stream, 5)]
    everyone = expected_cells(cells, np.arange(200), standardiser)
    order = np.lexsort(np.concatenate(drawn).round(3).T)
    np.testing.assert_allclose(
        np.concatenate(drawn)[order], everyone[np.lexsort(everyone.round(3).T)], atol=1e-4
    )


def test_batches_pair_cells_with_their_types(cells, standardiser):
    x, labels = next(batches(cells, standardiser, config=PLAIN, rng=rng()))
    everyone = expected_cells(cells, np.arange(200), standardiser)
    for row, label in zip(x.numpy(), labels.tolist(), strict=True):
        match = np.flatnonzero(np.abs(everyone - row).max(axis=1) < 1e-4)
        assert label in cells.labels[match]


def test_batches_are_no_larger_than_the_cells(cells, standardiser):
    config = replace(PLAIN, batch_size=1000)
    assert [
        len(y) for _, y in islice(batches(cells, standardiser, config=config, rng=rng()), 3)
    ] == [200] * 3


def test_batches_are_the_same_for_a_seed(cells, standardiser):
    config = TrainConfig(batch_size=32)
    first, again = (
        [x.numpy() for x, _ in islice(batches(cells, standardiser, config=config, rng=rng(5)), 8)]
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, again)


def test_thin_takes_counts_beyond_64_bits():
    share = np.array([0.5, 0.25, 0.0, 1.0])
    found = thin(np.array([1e20, 1e25, 1e30, 3.0], np.float32), share, rng())
    np.testing.assert_allclose(found, [5e19, 2.5e24, 0, 3], rtol=1e-6)
