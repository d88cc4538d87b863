import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlash.codes.anchors import make_anchors
from atlash.models.calibration import (
    COVERAGE,
    METHODS,
    STEEPNESS,
    Calibration,
    conformal_floor,
    fit_calibration,
    softmax,
)
from atlash.models.held_out import HeldOutFold

ANCHORS = make_anchors(6, 64)[0]
SEEDS = st.integers(0, 500)


def draw_fold(seed, n=2000, noise=1.0):
    """Codes around anchors, some cells much less certain than others."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(ANCHORS), n)
    signal = rng.uniform(0, 0.6, (n, 1))
    z = signal * ANCHORS[labels] + noise * rng.normal(size=(n, ANCHORS.shape[1]))
    return HeldOutFold(z.astype(np.float32), labels, ANCHORS)


class Simulated(HeldOutFold):
    """Similarities given, labels drawn from a softmax of known steepness."""

    def similarity(self, method):
        return self.z


def simulated(seed, steepness, n=8000):
    rng = np.random.default_rng(seed)
    similarities = rng.uniform(-0.3, 0.3, (n, 6)).astype(np.float32)
    cumulated = softmax(steepness * similarities).cumsum(axis=1)
    labels = (rng.random((n, 1)) > cumulated).sum(axis=1).clip(max=5)
    return Simulated(similarities, labels, ANCHORS)


@pytest.mark.parametrize("steepness", [3.0, 10.0, 40.0])
def test_the_steepness_that_made_the_labels_is_found(steepness):
    fitted = fit_calibration([simulated(0, steepness), simulated(1, steepness)])
    np.testing.assert_allclose(fitted.steepness, steepness, rtol=0.1)


@pytest.mark.parametrize("steepness", [3.0, 40.0])
def test_probabilities_mean_what_they_say(steepness):
    fitted, fresh = fit_calibration([simulated(0, steepness)]), simulated(7, steepness)
    probability = fitted.probabilities(fresh.z, "asymmetric")
    confidence, right = probability.max(axis=1), probability.argmax(axis=1) == fresh.labels
    for low in np.arange(0.2, 1, 0.2):
        inside = (confidence >= low) & (confidence < low + 0.2)
        if inside.sum() > 300:
            assert right[inside].mean() == pytest.approx(confidence[inside].mean(), abs=0.06)


def test_each_method_has_a_fit_of_its_own():
    fitted = fit_calibration([draw_fold(0), draw_fold(1)])
    assert fitted.steepness[0] != fitted.steepness[1]
    for k, method in enumerate(METHODS):
        similarities = draw_fold(2).similarity(method)
        expected = softmax(fitted.steepness[k] * similarities)
        np.testing.assert_array_equal(fitted.probabilities(similarities, method), expected)


def test_steepness_stays_in_its_bounds():
    perfect = HeldOutFold(9 * np.tile(ANCHORS, (20, 1)).astype(np.float32),
                          np.tile(np.arange(6), 20), ANCHORS)  # fmt: skip
    useless = draw_fold(0, noise=1000.0)
    for fold in (perfect, useless):
        fitted = fit_calibration([fold]).steepness
        assert ((STEEPNESS[0] <= fitted) & (fitted <= STEEPNESS[1])).all()


@given(SEEDS, st.floats(0.1, 500))
def test_rows_of_probabilities_sum_to_one(seed, steepness):
    similarities = np.random.default_rng(seed).uniform(-1, 1, (30, 9)).astype(np.float32)
    calibration = Calibration(np.full(2, steepness), np.zeros(2))
    probability = calibration.probabilities(similarities, "hamming")
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    assert ((probability >= 0) & (probability <= 1)).all()
    np.testing.assert_array_equal(probability.argmax(axis=1), similarities.argmax(axis=1))


def test_softmax_does_not_overflow():
    np.testing.assert_allclose(softmax(np.array([[1e5, 0.0], [-1e5, 0.0]])), [[1, 0], [0, 1]])


@given(SEEDS, st.integers(1, 400), st.sampled_from([0.5, 0.8, 0.9, 0.95]))
def test_the_floor_is_the_split_conformal_quantile(seed, n, coverage):
    known = np.random.default_rng(seed).random(n)
    floor = conformal_floor(known, coverage)
    # the guarantee: of n + 1 exchangeable cells, at most this many fall below
    assert (known < floor).sum() <= (n + 1) * (1 - coverage)
    if floor > 0:
        assert (known <= floor).sum() + 1 > (n + 1) * (1 - coverage)


@pytest.mark.parametrize("n", [30, 99, 400])
def test_new_cells_reach_the_floor_as_often_as_promised(n):
    rng = np.random.default_rng(n)
    reached = [
        np.mean(rng.beta(5, 2, 200) >= conformal_floor(rng.beta(5, 2, n), 0.9)) for _ in range(400)
    ]
    assert np.mean(reached) >= 0.9 - 0.005
    assert np.mean(reached) <= 0.9 + 1 / (n + 1) + 0.005


@pytest.mark.parametrize("n", [0, 1, 8])
def test_too_few_held_out_cells_exclude_nothing(n):
    assert conformal_floor(np.full(n, 0.7), 0.9) == 0


def test_ties_are_in_the_set():
    assert (np.full(100, 0.4) >= conformal_floor(np.full(100, 0.4), 0.9)).all()


@given(SEEDS, st.floats(0, 1))
def test_sets_hold_the_likeliest_type_and_all_above_the_floor(seed, floor):
    rng = np.random.default_rng(seed)
    probability = softmax(rng.normal(0, 2, (40, 5)))
    sets = Calibration(np.ones(2), np.full(2, floor)).sets(probability, "asymmetric")
    assert sets[np.arange(40), probability.argmax(axis=1)].all()
    likeliest = probability == probability.max(axis=1, keepdims=True)
    np.testing.assert_array_equal(sets, (probability >= floor) | likeliest)


@pytest.mark.parametrize("method", METHODS)
def test_sets_of_new_cells_hold_the_true_type_as_often_as_promised(method):
    fitted = fit_calibration([draw_fold(0), draw_fold(1)])
    fresh = draw_fold(9, n=4000)
    probability = fitted.probabilities(fresh.similarity(method), method)
    held = fitted.sets(probability, method)[np.arange(4000), fresh.labels]
    assert held.mean() >= COVERAGE - 0.02
