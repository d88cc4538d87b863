import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from atlash.models.thresholds import (
    MAX_OF_ONE,
    MAX_TAKEN,
    fit_probability,
    hardest_type,
    predictive_spread,
    set_threshold,
    taking_threshold,
)


def draw(seed, n=400, n_types=4, n_new=20, apart=3.0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(n_types, size=n).astype(np.int32)
    return rng.normal(size=n) - labels, labels, rng.normal(size=n_new) + apart


def shares(old, labels, threshold):
    return np.array([(old[labels == kind] > threshold).mean() for kind in np.unique(labels)])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 999), n_new=st.integers(5, 40), apart=st.floats(-1, 8))
def test_the_threshold_is_the_best_of_those_allowed(seed, n_new, apart):
    old, labels, new = draw(seed, n_new=n_new, apart=apart)

    def worth(threshold):
        taken, found = shares(old, labels, threshold), (new > threshold).mean()
        if taken.mean() > MAX_TAKEN or taken.max() > MAX_OF_ONE:
            return -1
        return 2 * found / (1 + found + taken.sum())

    found = taking_threshold(old, labels, new)
    assert worth(found) == pytest.approx(max(worth(threshold) for threshold in old))


def test_a_wide_gap_is_parted_in_the_middle():
    old, labels = np.array([0.0, 1.0, 2.0]), np.array([0, 1, 1], dtype=np.int32)
    assert taking_threshold(old, labels, np.array([6.0, 7.0])) == 4.0


def test_where_no_new_cell_may_be_taken_the_threshold_is_above_almost_all():
    old, labels, _ = draw(0)
    threshold = taking_threshold(old, labels, np.full(9, -50.0))
    assert threshold >= old.max()


def test_the_set_holds_all_but_five_per_cent():
    new = np.random.default_rng(0).permutation(199).astype(float)
    assert (new > set_threshold(new)).sum() == 190
    assert (new[:7] > set_threshold(new[:7])).all()


@pytest.mark.parametrize("seed", range(3))
def test_probabilities_hold_where_types_are_equally_frequent(seed):
    old, labels, new = draw(seed, n=4000, n_new=1000, apart=1.5)
    slope, offset = fit_probability(old, labels, new)
    fresh, _, fresh_new = draw(seed + 50, n=4000, n_new=1000, apart=1.5)
    score = np.concatenate([fresh, fresh_new])
    is_new = np.repeat([False, True], [4000, 1000])
    probability = 1 / (1 + np.exp(-slope * score - offset))
    for low, high in ((0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1)):
        inside = (probability >= low) & (probability < high)
        assert abs(is_new[inside].mean() - probability[inside].mean()) < 0.1


def test_few_cells_promise_less():
    old, labels, _ = draw(0)
    few, many = (fit_probability(old, labels, np.linspace(7.5, 8.5, n)) for n in (5, 500))
    assert few @ [8, 1] < many @ [8, 1]


def test_a_higher_score_is_never_evidence_against():
    old, labels, new = draw(1, apart=-8)
    assert fit_probability(old, labels, new)[0] >= 0


def test_the_spread_predicts_one_more_draw():
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(2000):
        mean, scale, freedom = predictive_spread(np.exp(rng.normal(3, 0.5, 8)))
        inside.append((rng.normal(3, 0.5) - mean) / scale < 1.895)  # 95 % for 7 degrees
        assert freedom == 7
    assert abs(np.mean(inside) - 0.95) < 0.02


def test_cells_all_alike_have_some_spread_still():
    mean, scale, _ = predictive_spread(np.zeros(6))
    assert np.isfinite(mean)
    assert scale > 0


def test_the_hardest_type_is_that_of_the_least_area():
    old, labels, new = draw(3, apart=1.0)
    old = np.round(old, 1)  # ties
    areas = [
        roc_auc_score(
            np.repeat([0, 1], [(labels == kind).sum(), len(new)]),
            np.concatenate([old[labels == kind], new]),
        )
        for kind in range(4)
    ]
    kind, area = hardest_type(old, labels, new)
    assert kind == np.argmin(areas)
    assert area == pytest.approx(min(areas))
