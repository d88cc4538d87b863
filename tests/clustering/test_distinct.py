"""Joining: clusters that held-out halves neither tell apart nor find far become one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_ind
from sklearn.metrics import cohen_kappa_score

from atlash.clustering.distinct import (
    MIN_TO_TEST,
    Evidence,
    compare,
    join_clusters,
    kappa_of,
    p_value_of,
    shared_variance,
)

RULE = {"least_agreement": 0.85, "least_distance": 0.35}


def evidence_of(signal, noise=0.5, n_splits=3, seed=0):
    """Cells at their signal; two halves of each, twice as noisy, for each split."""
    rng = np.random.default_rng(seed)
    halves = []
    for _ in range(n_splits):
        pair = tuple(signal + noise * rng.normal(size=signal.shape) for _ in range(2))
        halves.append(pair)
    places = np.mean(halves[0], axis=0)
    return Evidence(np.arange(len(signal)), places, halves, shared_variance(*halves[0]))


@pytest.fixture(scope="module")
def planted():
    """Two types of 200 cells, 6 apart; along another axis each has a gradient."""
    rng = np.random.default_rng(0)
    kind = np.arange(400) % 2
    gradient = rng.uniform(-1.8, 1.8, 400)
    signal = np.column_stack([6.0 * kind, gradient, 0.3 * rng.normal(size=400)])
    return evidence_of(signal), kind, gradient


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=60))
def test_kappa_against_scikit_learn(calls):
    first, second = np.array(calls).T
    if len(np.unique(np.concatenate([first, second]))) < 2:
        assert kappa_of(first, second) == 0
        return
    expected = cohen_kappa_score(first, second)
    assert kappa_of(first, second) == pytest.approx(expected, abs=1e-12)


@given(st.integers(0, 1000), st.integers(2, 40), st.integers(2, 40))
def test_the_p_value_against_scipy(seed, n, m):
    rng = np.random.default_rng(seed)
    values, second = rng.normal(size=n + m), np.arange(n + m) >= n
    expected = ttest_ind(values[second], values[~second], equal_var=False).pvalue
    if min(n, m) < MIN_TO_TEST:
        expected = 1.0
    assert p_value_of(values, second) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("other", "expected"), [(3.0, 1.0), (4.0, 0.0)])
def test_the_p_value_of_copies_of_two_cells(other, expected):
    """No spread within groups: no warning, and no doubt."""
    values = np.repeat([3.0, other], 40)
    assert p_value_of(values, np.arange(80) >= 40) == expected


def test_shared_variance_is_that_without_noise():
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(50_000, 3)) * [3, 2, 1]
    halves = [signal + 2 * rng.normal(size=signal.shape) for _ in range(2)]
    assert shared_variance(*halves) == pytest.approx(14, rel=0.02)


def test_two_halves_of_a_blob_are_joined():
    signal = np.random.default_rng(0).normal(size=(600, 3))
    labels = (signal[:, 0] > 0).astype(np.int32)
    far = np.concatenate([signal, signal + np.array([30, 0, 0])])
    of_cluster, steps = join_clusters(
        evidence_of(far, noise=1), np.concatenate([labels, labels + 2]), **RULE
    )
    np.testing.assert_array_equal(of_cluster, [0, 0, 2, 2])
    assert {(step.kept, step.joined) for step in steps} == {(0, 1), (2, 3)}
    assert all(step.agreement < 0.85 for step in steps)
    assert all(step.distance < 0.35 for step in steps)
    assert all(step.p_value < 1e-6 for step in steps)  # a difference, but no large one


def test_two_types_with_a_gradient_in_each(planted):
    """Each was cut in two along its gradient: the cuts are healed, the types stay apart."""
    evidence, kind, gradient = planted
    labels = (2 * kind + (gradient > 0)).astype(np.int32)
    of_cluster, _ = join_clusters(evidence, labels, **RULE)
    np.testing.assert_array_equal(of_cluster, [0, 0, 2, 2])


def test_close_but_distinct_clusters_stay():
    """A small shift against all variance, but without overlap."""
    kind = np.arange(300) % 3
    signal = np.array([[0.0, 0], [2, 0], [60, 0]])[kind]
    evidence = evidence_of(signal, noise=0.2)
    labels = kind.astype(np.int32)
    kept, steps = join_clusters(evidence, labels, **RULE)
    np.testing.assert_array_equal(kept, [0, 1, 2])
    assert steps == []
    joined, _ = join_clusters(evidence, labels, least_agreement=1.01, least_distance=0.35)
    np.testing.assert_array_equal(joined, [0, 0, 2])


def test_the_closest_are_joined_first_and_numbers_stay():
    x = np.repeat([0.0, 1.0, 3.0, 100.0], 100)
    evidence = evidence_of(x[:, None], noise=2)
    labels = np.repeat(np.array([5, 2, 9, 0], dtype=np.int32), 100)
    of_cluster, steps = join_clusters(evidence, labels, **RULE)
    assert [(step.kept, step.joined) for step in steps] == [(2, 5), (2, 9)]
    assert of_cluster[[5, 2, 9, 0]].tolist() == [2, 2, 2, 0]
    assert len(of_cluster) == 10


def test_noise_without_shared_variance_is_one_cluster():
    rng = np.random.default_rng(0)
    halves = [tuple(rng.normal(size=(200, 3)) for _ in range(2)) for _ in range(3)]
    labels = (np.arange(200) % 4).astype(np.int32)
    evidence = Evidence(np.arange(200), rng.normal(size=(200, 3)), halves, -0.01)
    of_cluster, steps = join_clusters(evidence, labels, **RULE)
    assert of_cluster.tolist() == [0, 0, 0, 0]
    assert all(step.distance == 0 for step in steps)


@pytest.mark.parametrize("n_clusters", [1, 2, 3, 5, 8])
def test_a_wanted_number_is_reached_as_ward_joins(n_clusters):
    """Against Ward's method of scipy on the middles of well separated groups."""
    from scipy.cluster.hierarchy import fcluster, linkage

    rng = np.random.default_rng(3)
    middles = 40 * rng.normal(size=(8, 3))
    kind = np.repeat(np.arange(8, dtype=np.int32), 30)
    evidence = evidence_of(middles[kind], noise=0.01)
    of_cluster, steps = join_clusters(evidence, kind, **RULE, n_clusters=n_clusters)
    expected = fcluster(linkage(middles, "ward"), n_clusters, "maxclust")
    assert len(np.unique(of_cluster)) == n_clusters == len(np.unique(expected))
    assert len(steps) == 8 - n_clusters
    pairs = set(zip(of_cluster.tolist(), expected.tolist(), strict=True))
    assert len(pairs) == n_clusters


def test_one_cluster_and_single_cells(planted):
    evidence, *_ = planted
    of_cluster, steps = join_clusters(evidence, np.zeros(400, dtype=np.int32), **RULE)
    assert (of_cluster.tolist(), steps) == ([0], [])
    labels = np.zeros(400, dtype=np.int32)
    labels[7] = 1
    of_cluster, _ = join_clusters(evidence, labels, **RULE, n_clusters=1)
    assert of_cluster.tolist() == [0, 0]


def test_labels_and_cells_in_any_order_give_the_same(planted):
    evidence, kind, gradient = planted
    labels = (2 * kind + (gradient > 0)).astype(np.int32)
    order = np.random.default_rng(0).permutation(400)
    halves = [tuple(half[order] for half in pair) for pair in evidence.halves]
    shuffled = Evidence(evidence.rows[order], evidence.places[order], halves, evidence.variance)
    expected, _ = join_clusters(evidence, labels, **RULE)
    found, _ = join_clusters(shuffled, labels[order], **RULE)
    np.testing.assert_array_equal(found, expected)


def test_comparison_is_symmetric_and_sees_what_is_there(planted):
    evidence, kind, gradient = planted
    types = np.flatnonzero(kind == 0), np.flatnonzero(kind == 1)
    kappa, p_value = compare(evidence, *types)
    assert kappa > 0.99
    assert p_value < 1e-100
    backwards, p_backwards = compare(evidence, *types[::-1])
    assert backwards == pytest.approx(kappa)
    assert p_backwards == pytest.approx(p_value, rel=1e-3, abs=1e-300)
    cut = types[0][gradient[types[0]] > 0], types[0][gradient[types[0]] <= 0]
    assert 0.3 < compare(evidence, *cut)[0] < 0.85
    chance = types[0][::2], types[0][1::2]
    assert abs(compare(evidence, *chance)[0]) < 0.5


def test_copies_of_one_cell_are_joined_without_a_warning():
    same = np.ones((60, 2))
    evidence = Evidence(np.arange(60), same, [(same, same)], 0.0)
    labels = (np.arange(60) % 2).astype(np.int32)
    of_cluster, steps = join_clusters(evidence, labels, **RULE)
    assert of_cluster.tolist() == [0, 0]
    assert (steps[0].agreement, steps[0].p_value) == (0.0, 1.0)
