import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from atlash.config import TransformerConfig
from atlash.nn.gene_tokens import hide, tokenise, values_of

N_GENES = 40


def draw_cells(n, seed, *, share=0.5):
    """Return logarithms of small counts, so that many values of a cell are equal."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(2.0, (n, N_GENES)) * (rng.random((n, N_GENES)) < share)
    counts[0] = 0  # a cell without genes
    return sp.csr_array(np.log1p(counts).astype(np.float32))


def tokens_of(X, **changes):
    return tokenise(X, **({"n_tokens": 12, "sampling": "random", "seed": 3} | changes))


def share_below(value, shown):
    """Say in the slowest way which share of the shown values lies below, equals by half."""
    if not shown:
        return 0.0
    return sum(1.0 if other < value else 0.5 if other == value else 0.0 for other in shown) / len(
        shown
    )


@pytest.mark.parametrize("sampling", ["random", "expressed"])
@pytest.mark.parametrize("n_tokens", [2, 12, 1000])
def test_tokens_are_expressed_genes_with_their_values_in_order(sampling, n_tokens):
    X = draw_cells(30, 0)
    tokens = tokens_of(X, n_tokens=n_tokens, sampling=sampling)
    dense = X.toarray()
    for row in range(len(tokens)):
        genes = tokens.genes[row][tokens.there[row]]
        expressed = np.flatnonzero(dense[row])
        assert len(genes) == min(n_tokens, len(expressed))
        assert set(genes) <= set(expressed)
        assert (np.diff(genes) > 0).all()
        np.testing.assert_array_equal(tokens.values[row][: len(genes)], dense[row, genes])
        assert not tokens.there[row][len(genes) :].any()
        assert not tokens.values[row][len(genes) :].any()


def test_the_most_expressed_are_those_of_the_highest_values():
    X = draw_cells(30, 1)
    tokens = tokens_of(X, n_tokens=5, sampling="expressed")
    dense = X.toarray()
    for row in range(len(tokens)):
        order = sorted(np.flatnonzero(dense[row]), key=lambda gene: (-dense[row, gene], gene))
        assert list(tokens.genes[row][tokens.there[row]]) == sorted(order[:5])


def test_a_random_sample_depends_on_the_cell_and_the_seed_alone():
    X = draw_cells(30, 2, share=1.0)
    together = tokens_of(X)
    for row in range(1, 30):
        alone = tokens_of(X[[row]])
        np.testing.assert_array_equal(alone.genes[0], together.genes[row])
    other = tokens_of(X, seed=4)
    assert (other.genes != together.genes).any(axis=1)[1:].mean() > 0.9


def test_a_random_sample_is_even():
    """One and the same cell, many seeds: each gene is drawn as often as any other."""
    cell = sp.csr_array(np.ones((1, N_GENES), np.float32))
    drawn = [tokens_of(cell, n_tokens=10, seed=seed).genes[0] for seed in range(2000)]
    counts = np.bincount(np.concatenate(drawn), minlength=N_GENES)
    assert abs(counts - 500).max() < 5 * np.sqrt(500 * 0.75)


def test_a_random_sample_does_not_depend_on_the_order_of_entries():
    X = draw_cells(20, 5, share=1.0)
    turned = X.copy()
    for row in range(20):
        span = slice(*turned.indptr[row : row + 2])
        turned.indices[span] = turned.indices[span][::-1]
        turned.data[span] = turned.data[span][::-1]
    expected = tokens_of(X)
    found = tokens_of(turned)
    np.testing.assert_array_equal(np.sort(found.genes), np.sort(expected.genes))


def test_no_cells_and_no_genes_have_empty_places():
    tokens = tokens_of(draw_cells(3, 0)[[0, 0]])
    assert tokens.genes.shape == (2, 1)
    assert not tokens.there.any()
    assert len(tokens_of(draw_cells(3, 0)[:0])) == 0


@given(seed=st.integers(0, 50))
def test_hidden_places_are_some_of_the_cell_and_never_all(seed):
    tokens = tokens_of(draw_cells(40, seed), n_tokens=30)
    hidden = hide(tokens, (0.25, 0.5, 0.75), np.random.default_rng(seed))
    assert not (hidden & ~tokens.there).any()
    sizes, n_hidden = tokens.sizes, hidden.sum(axis=1)
    for size, number in zip(sizes, n_hidden, strict=True):
        if size < 2:
            assert number == 0
        else:
            possible = {np.clip(round(ratio * size), 1, size - 1) for ratio in (0.25, 0.5, 0.75)}
            assert number in possible


def test_each_ratio_is_drawn_and_each_place_is_hidden_alike():
    cell = sp.csr_array(np.ones((1, 20), np.float32))
    tokens = tokens_of(sp.csr_array(sp.vstack([cell] * 3000)), n_tokens=20)
    hidden = hide(tokens, (0.25, 0.75), np.random.default_rng(0))
    numbers, counts = np.unique(hidden.sum(axis=1), return_counts=True)
    assert list(numbers) == [5, 15]
    assert counts.min() > 1350
    assert abs(hidden.mean(axis=0) - 0.5).max() < 0.05


@given(seed=st.integers(0, 50))
def test_bins_are_shares_of_the_shown_values_below(seed):
    tokens = tokens_of(draw_cells(10, seed), n_tokens=30)
    visible = tokens.there & ~hide(tokens, (0.25, 0.5), np.random.default_rng(seed))
    config = TransformerConfig(n_bins=11)
    values = values_of(tokens, visible, config)
    for row in range(len(tokens)):
        shown = list(tokens.values[row][visible[row]])
        for place in np.flatnonzero(tokens.there[row]):
            share = share_below(tokens.values[row, place], shown)
            assert values.target[row, place] == np.float32(share)
            wanted = 1 + min(int(share * 10), 9) if visible[row, place] else 0
            assert values.shown[row, place] == wanted


def test_continuous_values_are_logarithms_of_ratios_to_the_mean_of_the_shown():
    tokens = tokens_of(draw_cells(20, 3), n_tokens=30)
    visible = tokens.there & ~hide(tokens, (0.5,), np.random.default_rng(0))
    values = values_of(tokens, visible, TransformerConfig(values="continuous"))
    for row in range(1, len(tokens)):
        linear = np.expm1(tokens.values[row].astype(float))
        if visible[row].any():
            expected = np.log1p(linear / linear[visible[row]].mean())
            np.testing.assert_allclose(values.target[row], expected, rtol=1e-5)
        assert (values.shown[row][~visible[row]] == 0).all()
    assert np.isfinite(values.target).all()


@pytest.mark.parametrize("form", ["bins", "continuous"])
@given(seed=st.integers(0, 30), factor=st.floats(1.5, 100))
def test_a_hidden_value_leaves_no_trace_in_what_is_shown(form, seed, factor):
    tokens = tokens_of(draw_cells(10, seed), n_tokens=30)
    hidden = hide(tokens, (0.25, 0.5, 0.75), np.random.default_rng(seed))
    config = TransformerConfig(values=form)
    before = values_of(tokens, tokens.there & ~hidden, config)
    tokens.values[hidden] *= factor
    after = values_of(tokens, tokens.there & ~hidden, config)
    np.testing.assert_array_equal(before.shown, after.shown)
    assert (before.target[hidden] <= after.target[hidden]).all()


@pytest.mark.parametrize("form", ["bins", "continuous"])
def test_the_scale_of_a_cell_does_not_matter(form):
    """Depth is no news: a cell of twice the counts enters as it is."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(3.0, (5, N_GENES)).astype(np.float64)
    config = TransformerConfig(values=form)
    shown = []
    for depth in (1, 2):
        tokens = tokens_of(sp.csr_array(np.log1p(depth * counts)), n_tokens=N_GENES)
        shown.append(values_of(tokens, tokens.there, config).shown)
    np.testing.assert_allclose(*shown, rtol=1e-4)


def test_longer_rows_hold_the_same_cells():
    tokens = tokens_of(draw_cells(10, 0))
    longer = tokens.take(np.array([3, 1]), 64)
    assert longer.genes.shape == (2, 64)
    assert longer.sizes.tolist() == tokens.sizes[[3, 1]].tolist()
    np.testing.assert_array_equal(longer.values[:, :12], tokens.values[[3, 1]])
