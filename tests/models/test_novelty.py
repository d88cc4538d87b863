import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from atlash.models.novelty import TAIL, KnownCells, Scorer, fit_novelty
from atlash.models.pc_space import N_SUBSCORES

N_FEATURES, N_TYPES = 80, 6


def draw(seed, n=900, new=False):
    """Log expression of counts of six known types, or of one that is not among them."""
    fixed, rng = np.random.default_rng(0), np.random.default_rng(seed)
    rates = fixed.gamma(0.7, 2.0, (N_TYPES + 1, N_FEATURES))
    labels = np.full(n, N_TYPES) if new else np.arange(n) % N_TYPES
    counts = rng.poisson(rates[labels] * rng.gamma(5.0, 0.2, (n, N_FEATURES)))
    scaled = 200 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return KnownCells(sp.csr_array(np.log1p(scaled).astype(np.float32)), labels)


@pytest.fixture(scope="module")
def known():
    return draw(1)


@pytest.fixture(scope="module")
def novelty(known):
    return fit_novelty(known, known.X, np.arange(900) // 6 % 2, random_state=0)


def test_a_new_type_is_more_novel_than_known_ones(novelty):
    old, new = novelty.score(draw(2).X), novelty.score(draw(3, n=300, new=True).X)
    better = (new[:, None] > old[None]).mean()  # area under the ROC curve
    assert better > 0.95
    assert np.median(new) > np.quantile(old, 0.95)


def test_cells_far_from_everything_are_far_beyond(novelty):
    rng = np.random.default_rng(4)
    far = sp.csr_array(rng.uniform(0, 8, (50, N_FEATURES)).astype(np.float32))
    assert novelty.score(far).min() > -np.log10(0.01)


@pytest.mark.parametrize("share", [0.5, 0.2, 0.05])
def test_novelty_is_about_the_share_of_known_cells_that_look_as_novel(novelty, share):
    # rather fewer: the space that scores has seen more cells than the one that set the scale
    fresh = novelty.score(draw(5, n=3000).X)
    assert share / 3 < (fresh > -np.log10(share)).mean() < 1.3 * share


def test_the_tail_of_known_cells_is_as_thin_as_it_says(novelty):
    fresh = novelty.score(draw(6, n=3000).X)
    assert (fresh > 2).mean() < 0.035  # one in a hundred, give or take an exponential's fit
    assert (fresh > 4).mean() < 0.003


def test_a_cell_is_scored_on_its_own(novelty):
    X = draw(7, n=40).X
    together = novelty.score(X)
    alone = np.concatenate([novelty.score(X[[row]]) for row in range(40)])
    np.testing.assert_array_equal(together, alone)
    assert together.dtype == np.float32
    assert (together >= 0).all()


def test_features_that_are_not_measured_are_taken_as_typical(novelty):
    cells = draw(8, n=600)
    measured = np.arange(N_FEATURES) % 10 > 0
    X = sp.csr_array(cells.X.toarray() * measured)
    known_as_missing = novelty.score(X, measured)
    taken_as_silent = novelty.score(X)
    # a tenth of the genes missing: known cells must not all look new
    assert np.median(known_as_missing) < 1
    assert np.median(known_as_missing) < np.median(taken_as_silent)


def test_the_fit_is_the_same_for_a_seed(known, novelty):
    groups = np.arange(900) // 6 % 2
    X = draw(9).X
    same = fit_novelty(known, known.X, groups, random_state=0).score(X)
    np.testing.assert_array_equal(novelty.score(X), same)
    other = fit_novelty(known, known.X, groups, random_state=1).score(X)
    assert (same != other).any()
    assert np.corrcoef(same, other)[0, 1] > 0.8  # but it tells the same story


def test_weights_are_not_negative(novelty):
    assert (novelty.scorer.weight >= 0).all()
    assert novelty.scorer.weight.sum() > 0
    assert len(novelty.scorer.weight) == N_SUBSCORES


@given(st.integers(0, 300))
def test_more_of_any_subscore_is_never_less_novel(novelty, seed):
    rng = np.random.default_rng(seed)
    scorer = novelty.scorer
    subscores = scorer.centre + scorer.spread * rng.normal(0, 2, (20, N_SUBSCORES))
    more = subscores + scorer.spread * rng.exponential(1, subscores.shape)
    assert (scorer.novelty(more) >= scorer.novelty(subscores)).all()


def test_the_scale_is_that_of_the_known_cells_with_an_exponential_tail():
    steps = np.linspace(0, 1, 101)  # joint scores at shares 1, ..., 5 %
    zeros, ones = np.zeros(1), np.ones(1)
    scorer = Scorer(zeros, ones, ones, steps, np.array([0.25]))

    def at(joint):
        low, high = -20.0, 20.0  # invert the joint score, which rises with its subscore
        for _ in range(80):
            middle = (low + high) / 2
            if scorer.joint(np.array([[middle]]))[0] < joint:
                low = middle
            else:
                high = middle
        return scorer.novelty(np.array([[low]]))[0]

    assert at(0.5) == pytest.approx(-np.log10(1 - 0.5 * (1 - TAIL)), abs=1e-3)
    assert at(1.0) == pytest.approx(-np.log10(TAIL), abs=1e-3)
    assert at(1.25) == pytest.approx(-np.log10(TAIL / np.e), abs=1e-3)  # one mean excess on
    assert at(2.0) == pytest.approx(-np.log10(TAIL / np.e**4), abs=1e-3)


@pytest.mark.parametrize(
    "sizes",
    [(100, 100), (20, 5), (2, 2), (100, 1), (60, 60, 1), (30, 30, 30, 2, 1), (2, 1, 1)],
)
@pytest.mark.parametrize("batches", [False, True])
def test_few_types_or_cells_are_no_obstacle(known, sizes, batches):
    index = np.concatenate(
        [np.flatnonzero(known.labels == kind)[:size] for kind, size in enumerate(sizes)]
    )
    groups = np.arange(len(index)) % 2 if batches else None
    few = fit_novelty(known[index], known[index].X, groups, random_state=0)
    assert np.isfinite(few.score(known.X)).all()
