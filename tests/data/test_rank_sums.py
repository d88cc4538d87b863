"""Rank sums over chunks: exact for binned values, close for others, the same in any order."""

import math

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import false_discovery_control, mannwhitneyu

from atlash.data.rank_sums import N_BINS, TARGET, benjamini_hochberg, compare, rank_sums
from atlash.data.scale import detect_scale
from atlash.data.source import open_source
from atlash.errors import InvalidValuesError

FIELDS = ("score", "auroc", "log2_fold_change", "fraction_in", "fraction_out", "p_value")
N_CELLS, N_GENES, N_GROUPS = 150, 25, 3


def drawn(seed=0):
    """Return counts with a silent gene and an empty cell, and groups, some cells in none."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(-1, N_GROUPS, N_CELLS).astype(np.int32)
    mean = rng.gamma(0.6, 2.0, N_GENES) * np.where(rng.random((N_GROUPS + 1, N_GENES)) < 0.2, 5, 1)
    counts = rng.poisson(mean[groups] * rng.lognormal(0, 0.5, (N_CELLS, 1)))
    counts[:, 3] = 0
    counts[7] = 0
    return counts, groups


def computed(counts, groups, **options):
    cells = ad.AnnData(sp.csr_matrix(counts.astype(np.float32)))
    source = open_source(cells)
    return rank_sums(source, groups, N_GROUPS, scale=detect_scale(source), **options)


def normalised(counts):
    total = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return np.log1p(TARGET * counts / total).astype(np.float32).astype(float)


def binned(values, n_bins=N_BINS):
    width = math.log1p(TARGET) / (n_bins - 1)
    return np.where(values > 0, np.minimum(1 + np.floor(values / width), n_bins - 1), 0)


def u_tests(values, groups):
    """Return scipy's U and p of each group against the rest ``(2, n_groups, n_genes)``."""
    tests = [
        mannwhitneyu(
            values[groups == own],
            values[(groups != own) & (groups >= 0)],
            method="asymptotic",
            use_continuity=False,
        )
        for own in range(N_GROUPS)
    ]
    return np.array([[test.statistic, test.pvalue] for test in tests]).swapaxes(0, 1)


def pairs_of(groups):
    n = np.bincount(groups[groups >= 0])[:, None]
    return n * (n.sum() - n)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_bins", [2, 7, N_BINS])
def test_exact_for_binned_values(seed, n_bins):
    counts, groups = drawn(seed)
    found = computed(counts, groups, n_bins=n_bins)
    u, p = u_tests(binned(normalised(counts), n_bins), groups)
    varies = normalised(counts)[groups >= 0].any(axis=0)
    np.testing.assert_allclose(found.auroc, u / pairs_of(groups), rtol=1e-12)
    np.testing.assert_allclose(found.p_value[:, varies], p[:, varies], rtol=1e-9)
    np.testing.assert_array_equal(np.sign(found.score), np.sign(found.auroc - 0.5))


def test_unbinned_values_are_met_within_the_bound_stated():
    counts, groups = drawn()
    values = normalised(counts)
    found = computed(counts, groups)
    u, _ = u_tests(values, groups)
    bins = binned(values)
    for own in range(N_GROUPS):
        here, there = groups == own, (groups >= 0) & (groups != own)
        for gene in range(N_GENES):
            inside, outside = bins[here, gene], bins[there, gene]
            shared = (inside[:, None] == outside) & (inside[:, None] > 0)
            off = abs(found.auroc[own, gene] - u[own, gene] / pairs_of(groups)[own, 0])
            assert off <= shared.mean() / 2 + 1e-12
    exact = u / pairs_of(groups)
    np.testing.assert_allclose(found.auroc, exact, atol=0.01)
    assert (found.auroc != exact).any()


def test_shares_and_fold_changes():
    counts, groups = drawn()
    values, found = normalised(counts), computed(counts, groups)
    for own in range(N_GROUPS):
        here, there = groups == own, (groups >= 0) & (groups != own)
        np.testing.assert_allclose(found.fraction_in[own], (counts[here] > 0).mean(axis=0))
        np.testing.assert_allclose(found.fraction_out[own], (counts[there] > 0).mean(axis=0))
        means = np.expm1(values[here].mean(axis=0)), np.expm1(values[there].mean(axis=0))
        ratio = (means[0] + 1e-9) / (means[1] + 1e-9)
        np.testing.assert_allclose(found.log2_fold_change[own], np.log2(ratio), atol=1e-6)


def test_a_gene_without_variation_says_nothing():
    found = computed(*drawn())
    assert (found.score[:, 3] == 0).all()
    assert (found.auroc[:, 3] == 0.5).all()
    assert (found.p_value[:, 3] == 1).all()
    assert (found.log2_fold_change[:, 3] == 0).all()


@pytest.mark.parametrize("options", [{"chunk_size": 7}, {"most_bytes": 4 * N_BINS * N_GROUPS * 4}])
def test_neither_chunks_nor_blocks_of_genes_matter(options):
    counts, groups = drawn()
    one, other = computed(counts, groups), computed(counts, groups, **options)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_the_order_of_cells_does_not_matter():
    counts, groups = drawn()
    order = np.random.default_rng(1).permutation(N_CELLS)
    one, other = computed(counts, groups), computed(counts[order], groups[order])
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_a_bad_value_is_found_behind_the_cells_looked_at_for_the_scale():
    counts, groups = drawn()
    source = open_source(ad.AnnData(sp.csr_matrix(counts.astype(np.float32))))
    scale = detect_scale(source)
    bad = counts.astype(np.float32)
    bad[100, 5] = np.nan
    source = open_source(ad.AnnData(sp.csr_matrix(bad)))
    with pytest.raises(InvalidValuesError, match=r"gene '5' in cell '100' \(row 100\) is NaN"):
        rank_sums(source, groups, N_GROUPS, scale=scale)


@given(
    hnp.arrays(np.int32, st.tuples(st.just(2), st.integers(1, 3), st.integers(2, 5)),
               elements=st.integers(0, 20))
)  # fmt: skip
def test_two_groups_mirror_each_other(counts):
    counts[..., 0] += 1
    full = counts.sum(axis=2).max()
    counts[..., 0] += full - counts.sum(axis=2)
    found = compare(counts, np.zeros(counts.shape[:2]))
    assert ((found.auroc >= 0) & (found.auroc <= 1)).all()
    np.testing.assert_allclose(found.auroc[0], 1 - found.auroc[1], atol=1e-12)
    np.testing.assert_allclose(found.score[0], -found.score[1], atol=1e-9)
    np.testing.assert_array_equal(found.fraction_in[0], found.fraction_out[1])


@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(1, 30)),
                  elements=st.floats(0, 1)))  # fmt: skip
def test_adjusted_p_values_are_scipys(p):
    np.testing.assert_allclose(
        benjamini_hochberg(p), [false_discovery_control(row) for row in p], rtol=1e-12
    )
