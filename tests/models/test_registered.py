import numpy as np
import pytest
import scipy.sparse as sp

from atlash.errors import InputError
from atlash.models.exemplars import NO_BATCH, fit_exemplars
from atlash.models.pc_space import UPPER, fit_pc_space
from atlash.models.registered import (
    N_FOLDS,
    LookalikeTypeWarning,
    _known_folds,
    register,
)

N_FEATURES, N_TYPES = 80, 5
TYPES = [f"type {kind}" for kind in range(N_TYPES)]
ALL = np.ones(N_FEATURES, dtype=bool)


def draw(seed, kind=None, n=600):
    """Log expression of cells of the five known types, or of type ``kind``."""
    fixed, rng = np.random.default_rng(0), np.random.default_rng(seed)
    rates = fixed.gamma(0.7, 2.0, (N_TYPES + 2, N_FEATURES))
    labels = np.arange(n) % N_TYPES if kind is None else np.full(n, kind)
    counts = rng.poisson(rates[labels] * rng.gamma(5.0, 0.2, (n, N_FEATURES)))
    scaled = 200 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return sp.csr_array(np.log1p(scaled).astype(np.float32)), labels


@pytest.fixture(scope="module")
def space():
    return fit_pc_space(*draw(1), random_state=0)


@pytest.fixture(scope="module")
def known():
    return fit_exemplars(*draw(1), random_state=0)


@pytest.fixture(scope="module")
def registered(space, known):
    return registration(space, known)


def registration(space, known, kind=N_TYPES, n=20, *, types=TYPES, measured=ALL):
    X, _ = draw(2 + kind, kind, n)
    name = f"type {kind}'"
    return register(name, X, known, measured=measured, space=space, types=types)


def places_of(X, space, measured=ALL):
    standard = np.minimum((X.toarray() - space.mean) * space.inverse_scale, UPPER)
    return (np.where(measured, standard, 0) @ space.axes).astype(np.float32)


def judge(found, space, X, measured=ALL):
    return found.detector.judge(X, places_of(X, space, measured), measured=measured, space=space)


@pytest.mark.parametrize("n", [5, 20, 200])
def test_a_few_cells_are_enough_to_find_a_type_and_to_leave_the_others(space, known, n):
    found = registration(space, known, n=n)
    new, old = judge(found, space, draw(20, N_TYPES)[0]), judge(found, space, draw(21)[0])
    assert new.taken.mean() > 0.9
    assert old.taken.mean() < 0.02
    assert new.in_set.mean() > 0.85
    assert new.probability[new.taken].mean() > 0.5 > old.probability.mean()
    assert found.n_cells == n
    assert abs(found.found - new.taken.mean()) < 0.2
    assert found.given_up <= 0.015


def test_batches_are_held_out_whole_where_a_type_has_several():
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=900).astype(np.int32)
    batches = rng.integers(7, size=900).astype(np.int32)
    batches[labels == 1] = 3
    batches[(labels == 2) & (batches > 0)] = 1
    batches[labels == 3] = NO_BATCH
    folds = _known_folds(labels, batches, np.random.default_rng(1))
    several = labels == 0
    for batch in range(7):
        assert len(np.unique(folds[several & (batches == batch)])) == 1
    assert len(np.unique(folds[several])) == N_FOLDS
    for kind in (1, 2, 3):  # of type 2, 6 cells in 7 are of one batch
        sizes = np.bincount(folds[labels == kind], minlength=N_FOLDS)
        assert sizes.max() - sizes.min() <= 1


def test_a_batch_that_leans_to_the_new_type_is_one_that_was_not_seen():
    X, labels = draw(1)
    batches = np.random.default_rng(1).integers(5, size=len(labels))
    away = draw(50, N_TYPES)[0].mean(axis=0) - draw(51)[0].mean(axis=0)
    leaning = 0.7 * ((batches == 4) & (labels == 1))
    X = sp.csr_array(np.maximum(0, X.toarray() + np.outer(leaning, away)).astype(np.float32))
    space = fit_pc_space(X, labels, random_state=0)
    by_batch, by_cell = (
        registration(space, fit_exemplars(X, labels, groups, random_state=0))
        for groups in (batches, None)
    )
    assert by_batch.detector.thresholds[0] > by_cell.detector.thresholds[0] + 0.2


def test_taken_cells_are_no_novelty_to_the_new_type(registered, space):
    new = judge(registered, space, draw(20, N_TYPES, 1000)[0])
    assert new.novelty.min() >= 0
    assert (new.novelty > -np.log10(0.05)).mean() < 0.15
    far = sp.csr_array(np.random.default_rng(3).uniform(0, 8, (40, N_FEATURES)), dtype=np.float32)
    assert np.median(judge(registered, space, far).novelty) > 2


@pytest.mark.parametrize("whole", [True, False])
def test_a_judgement_is_what_is_said_of_it(registered, space, whole):
    X, _ = draw(7)
    measured = ALL if whole else np.random.default_rng(0).random(N_FEATURES) < 0.7
    X = sp.csr_array(X.toarray() * measured)
    detector = registered.detector
    standard = np.minimum((X.toarray() - space.mean) * space.inverse_scale, UPPER)
    along = np.where(measured, standard, 0) @ detector.direction
    first = places_of(X, space, measured)[:, : len(space.middle)].astype(np.float64)
    rows = np.column_stack([first, along, np.ones(len(along))])
    score = (rows @ detector.planes).min(axis=1)
    found = judge(registered, space, X, measured)
    slope, offset = detector.curve
    sure = np.abs(score - detector.thresholds[0]) > 1e-3
    np.testing.assert_array_equal(found.taken[sure], score[sure] > detector.thresholds[0])
    expected = 1 / (1 + np.exp(-slope * score - offset))
    np.testing.assert_allclose(found.probability, expected, atol=1e-4)
    assert (found.in_set | ~found.taken).all()


def test_a_cell_is_judged_on_its_own(registered, space):
    X, _ = draw(8, n=40)
    places = places_of(X, space)
    together = registered.detector.judge(X, places, measured=ALL, space=space)
    for row in range(40):
        alone = registered.detector.judge(X[[row]], places[[row]], measured=ALL, space=space)
        for name in ("taken", "in_set", "probability", "novelty"):
            assert getattr(alone, name)[0] == getattr(together, name)[row]


def test_a_second_type_leaves_the_first_one_its_cells(registered, space):
    names = [*TYPES, f"type {N_TYPES}'"]
    second = registration(space, registered.exemplars, N_TYPES + 1, types=names)
    assert second.detector.planes.shape[1] == N_TYPES + 1
    assert set(np.unique(second.exemplars.labels)) == set(range(N_TYPES + 2))
    assert judge(second, space, draw(20, N_TYPES)[0]).taken.mean() < 0.02
    assert judge(second, space, draw(22, N_TYPES + 1)[0]).taken.mean() > 0.9


def test_cells_like_those_of_a_known_type_are_registered_with_a_warning(space, known):
    with pytest.warns(LookalikeTypeWarning, match="can hardly be told from 'type 2'"):
        found = registration(space, known, 2)
    assert found.closest == "type 2"
    assert found.auroc < 0.75
    assert judge(found, space, draw(21)[0]).taken.mean() < 0.05


def test_cells_that_are_no_type_of_their_own_take_little(space, known):
    mixed = sp.vstack([draw(30 + kind, kind, 5)[0] for kind in range(N_TYPES)], format="csr")
    with pytest.warns(LookalikeTypeWarning):
        found = register("mixed", mixed, known, measured=ALL, space=space, types=TYPES)
    assert judge(found, space, draw(21)[0]).taken.mean() < 0.05


def test_features_that_are_not_measured_have_no_say(space, known):
    measured = np.arange(N_FEATURES) % 2 == 0
    found = registration(space, known, measured=measured)
    assert (found.detector.direction[~measured] == 0).all()
    X = sp.csr_array(draw(20, N_TYPES)[0].toarray() * measured)
    assert judge(found, space, X, measured).taken.mean() > 0.8


def test_the_seed_decides(space, known, registered):
    again = registration(space, known)
    np.testing.assert_array_equal(again.detector.planes, registered.detector.planes)
    np.testing.assert_array_equal(again.detector.thresholds, registered.detector.thresholds)


@pytest.mark.parametrize(
    ("name", "n", "message"),
    [
        ("type 1", 20, "has a type 'type 1' already"),
        (" ", 20, "needs a name"),
        (7, 20, "needs a name"),
        ("new", 4, "has 4 cells, and at least 5"),
        ("new", 0, "has 0 cells"),
    ],
)
def test_what_cannot_be_registered_is_refused(space, known, name, n, message):
    X, _ = draw(2, N_TYPES, n)
    with pytest.raises(InputError, match=message):
        register(name, X, known, measured=ALL, space=space, types=TYPES)
