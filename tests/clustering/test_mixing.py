import numpy as np
import pytest
from scipy.stats import chisquare, entropy

from atlash.clustering.mixing import integration, kept_neighbours, mixing
from atlash.errors import EmptyInputError, InvalidValuesError
from atlash.graph.neighbours import nearest


@pytest.fixture
def places():
    return np.random.default_rng(0).normal(size=(600, 4)).astype(np.float32)


def test_figures_are_their_formulas():
    rng = np.random.default_rng(1)
    batches = rng.choice(3, 80, p=[0.6, 0.3, 0.1])
    near = rng.integers(0, 80, (80, 20))
    counts = np.array([np.bincount(batches[row], minlength=3) for row in near])
    expected = np.bincount(batches) / 80
    found = mixing(near, batches)
    inverse = 1 / np.square(counts / 20).sum(axis=1)
    assert found.ilisi == pytest.approx((inverse.mean() - 1) / 2)
    assert found.entropy == pytest.approx(entropy(counts, axis=1).mean() / entropy(expected))
    accepted = chisquare(counts, 20 * expected[None], axis=1).pvalue >= 0.05
    assert found.kbet == pytest.approx(accepted.mean())


def test_chance_mixes_well(places):
    batches = np.random.default_rng(2).integers(0, 3, len(places))
    found = mixing(nearest(places, n_neighbors=50).rows, batches)
    assert found.ilisi > 0.85
    assert found.entropy > 0.93
    assert found.kbet == pytest.approx(0.95, abs=0.04)


def test_batches_apart_do_not_mix(places):
    batches = np.arange(len(places)) % 2
    apart = places + 100 * batches[:, None].astype(np.float32)
    found = mixing(nearest(apart, n_neighbors=30).rows, batches)
    assert found == pytest.approx((0, 0, 0), abs=1e-12)


def test_numbers_of_batches_are_only_names(places):
    near = nearest(places, n_neighbors=10).rows
    batches = np.random.default_rng(2).integers(0, 3, len(places))
    assert mixing(near, 7 * batches + 5) == mixing(near, batches)


def test_mixing_refuses_what_it_cannot_measure():
    with pytest.raises(InvalidValuesError, match="one batch"):
        mixing(np.array([[1], [0]]), [0, 0])
    with pytest.raises(EmptyInputError, match="no neighbours"):
        mixing(np.empty((3, 0), dtype=np.int32), [0, 1, 0])


def test_moved_batches_keep_their_neighbours(places):
    batches = np.arange(len(places)) % 3
    moved = 2 * places + 8 * batches[:, None].astype(np.float32)
    assert kept_neighbours(places, moved, batches) == pytest.approx(1, abs=1e-3)


def test_shuffled_cells_keep_few_neighbours(places):
    batches = np.arange(len(places)) % 3
    shuffled = np.random.default_rng(3).permutation(places)
    assert kept_neighbours(places, shuffled, batches) == pytest.approx(15 / 199, abs=0.02)


def test_small_batches_are_compared_as_far_as_they_go(places):
    few = places[:7]
    assert kept_neighbours(few, few, [0, 0, 0, 0, 1, 1, 2]) == 1
    with pytest.raises(EmptyInputError, match="three cells"):
        kept_neighbours(few, few, np.arange(7))


def test_integration_is_the_figures_of_before_and_after(places):
    batches = np.arange(len(places)) % 3
    apart = places + 8 * batches[:, None].astype(np.float32)
    found = integration(apart, places, batches)
    for figures, where in ((found.before, apart), (found.after, places)):
        assert figures == mixing(nearest(where, n_neighbors=50).rows, batches)
    assert found.kept_neighbours == kept_neighbours(apart, places, batches) > 0.99
    assert found.n_cells == len(places)
    assert found.before.ilisi < 0.1
    assert found.after.ilisi > 0.8
    assert integration(apart, places, batches, n_threads=2) == found


def test_integration_looks_at_some_of_many_cells(places, monkeypatch):
    monkeypatch.setattr("atlash.clustering.mixing.MAX_CELLS", 100)
    batches = np.random.default_rng(4).integers(0, 2, len(places))
    rows = np.linspace(0, 599, 100).astype(np.int64)
    found = integration(places, places, batches)
    assert found.n_cells == 100
    assert found == integration(places[rows], places[rows], batches[rows])


@pytest.mark.parametrize("batches", [np.zeros(600, int), np.arange(600) // 599, np.arange(600)])
def test_no_figures_where_no_two_batches_compare(places, batches):
    assert integration(places, places, batches) is None
