"""Probabilities of parents are sums over children, before and after a type was registered."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from atlash.models.detector import Judgement
from atlash.models.family import Family

NAMES = ["b", "a", "b", "c", "a"]
SEEDS = st.integers(0, 300)


def drawn(seed, n_types=5, n=20):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(n_types, 0.3), n), rng


def judged(probability):
    yes = np.ones(len(probability), dtype=bool)
    return Judgement(yes, yes, probability, np.zeros(len(probability), np.float32))


def test_parents_are_numbered_as_the_types_name_them():
    family = Family.of(NAMES)
    assert family.parents == ["b", "a", "c"]
    np.testing.assert_array_equal(family.of_type, [0, 1, 0, 2, 1])


@given(SEEDS)
def test_probabilities_are_sums_over_children(seed):
    family, (of_types, _) = Family.of(NAMES), drawn(seed)
    found = family.probabilities(of_types)
    assert found.dtype == np.float32
    for parent, name in enumerate(family.parents):
        child = [kind for kind, own in enumerate(NAMES) if own == name]
        np.testing.assert_allclose(found[:, parent], of_types[:, child].sum(axis=1), rtol=1e-6)
    best = of_types.argmax(axis=1)
    own = found[np.arange(20), family.of_type[best]]
    assert (own >= of_types.max(axis=1).astype(np.float32)).all()
    assert found.max() <= 1


@given(SEEDS)
def test_the_nearest_type_of_the_likeliest_parent(seed):
    family, (of_types, _) = Family.of(NAMES), drawn(seed)
    agreement = of_types.astype(np.float32)
    of_parents = family.probabilities(of_types)
    found = family.nearest_of_likeliest(agreement, of_parents)
    for cell in range(20):
        likeliest = family.parents[of_parents[cell].argmax()]
        child = [kind for kind, own in enumerate(NAMES) if own == likeliest]
        assert found[cell] == max(child, key=lambda kind, own=agreement[cell]: own[kind])
    sure = of_types.max(axis=1) > 0.5
    np.testing.assert_array_equal(found[sure], of_types[sure].argmax(axis=1))


@given(SEEDS)
def test_a_cell_is_answered_on_its_own(seed):
    family, (of_types, rng) = Family.of(NAMES), drawn(seed)
    some = rng.permutation(20)[:7]
    np.testing.assert_array_equal(
        family.probabilities(of_types[some]), family.probabilities(of_types)[some]
    )


@given(SEEDS)
def test_registered_types_share_with_what_was_there(seed):
    """Of known types without the new one's probability, that remains which it leaves."""
    known, (of_types, rng) = Family.of([*NAMES, "a"]), drawn(seed)
    before = known.probabilities(of_types)
    q = rng.random(20).astype(np.float32)
    after = known.taken_over(before, 5, judged(q))
    all_types = np.hstack([of_types * (1 - q)[:, None], q[:, None]])
    np.testing.assert_allclose(after, known.probabilities(all_types), atol=1e-6)
    assert (after[:, known.of_type[5]] >= q).all()
    assert after.max() <= 1


def test_a_registered_type_that_is_a_parent_of_its_own_starts_from_nothing():
    family, (of_types, _) = Family.of([*NAMES, "new"]), drawn(0)
    before = family.probabilities(of_types)
    assert (before[:, 3] == 0).all()
    q = np.full(20, 0.25, np.float32)
    np.testing.assert_allclose(family.taken_over(before, 5, judged(q))[:, 3], 0.25)
