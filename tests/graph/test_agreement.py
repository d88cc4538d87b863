import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from atlash.graph.agreement import agreement, node_stability


@given(st.integers(0, 300), st.integers(1, 30), st.integers(1, 6), st.integers(1, 6))
def test_it_is_the_rand_index_of_repeated_nodes(seed, n, n_first, n_second):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, n_first, n), rng.integers(0, n_second, n)
    cells = rng.integers(0, 5, n)
    wanted = adjusted_rand_score(np.repeat(a, cells), np.repeat(b, cells)) if cells.any() else 1
    assert agreement(a, b, cells) == pytest.approx(wanted, abs=1e-12)
    assert agreement(a, b) == pytest.approx(adjusted_rand_score(a, b), abs=1e-12)
    assert agreement(a, b, cells) == agreement(b, a, cells)


def test_names_of_clusters_do_not_matter():
    assert agreement(["x", "x", "y"], [7, 7, 1]) == 1


def test_many_cells_do_not_overflow():
    cells = np.full(4, 10**9)
    assert agreement([0, 0, 1, 1], [0, 0, 1, 1], cells) == 1
    assert agreement([0, 0, 1, 1], [0, 1, 0, 1], cells) == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize(
    ("a", "b", "weights", "wanted"),
    [
        ([0, 1], [0], None, "one entry a node"),
        ([[0, 1]], [[0, 1]], None, "one entry a node"),
        ([0, 1], [0, 1], [1], "2 whole numbers of at least 0"),
        ([0, 1], [0, 1], [1, -1], "of at least 0"),
        ([0, 1], [0, 1], [1, 0.5], "whole numbers"),
    ],
)
def test_input_that_does_not_fit_is_refused(a, b, weights, wanted):
    with pytest.raises(ValueError, match=wanted):
        agreement(a, b, weights)


def stability_by_hand(runs, labels, cells):
    runs, labels = np.asarray(runs), np.asarray(labels)

    def overlap(run, c, f):
        return cells[(run == c) & (labels == f)].sum()

    shares = np.zeros(len(labels))
    for run in runs:
        kinds, finals = np.unique(run), np.unique(labels)
        for i, (c, f) in enumerate(zip(run, labels, strict=True)):
            there = max(
                (g for g in finals if np.any((run == c) & (labels == g))),
                key=lambda g: (overlap(run, c, g), -g),
            )
            back = max(
                (d for d in kinds if np.any((run == d) & (labels == f))),
                key=lambda d: (overlap(run, d, f), -d),
            )
            shares[i] += there == f and back == c
    return shares / len(runs)


@given(st.integers(0, 200), st.integers(1, 20))
def test_a_node_is_stable_as_often_as_its_cluster_is_found_again(seed, n):
    rng = np.random.default_rng(seed)
    runs, labels = rng.integers(0, 4, (5, n)), rng.integers(3, 7, n)
    cells = rng.integers(1, 4, n)
    found = node_stability(runs, labels, cells)
    np.testing.assert_allclose(found, stability_by_hand(runs, labels, cells), rtol=1e-12)


def test_a_split_counts_for_the_larger_part_and_a_join_for_the_larger_cluster():
    labels = [0, 0, 0, 1, 1]
    assert node_stability([[5, 5, 6, 7, 7]], labels).tolist() == [1, 1, 0, 1, 1]
    assert node_stability([[2, 2, 2, 2, 2]], labels).tolist() == [1, 1, 1, 0, 0]
    assert node_stability([[2, 2, 2, 2, 2]], labels, [1, 1, 1, 9, 9]).tolist() == [0, 0, 0, 1, 1]
    both = node_stability([[0, 0, 0, 1, 1], [5, 5, 6, 7, 7]], labels)
    assert both.tolist() == [1, 1, 0.5, 1, 1]


@pytest.mark.parametrize("runs", [[0, 1], np.empty((0, 2)), [[0, 1, 2]]])
def test_runs_that_do_not_fit_are_refused(runs):
    with pytest.raises(ValueError, match="Runs must be runs x nodes"):
        node_stability(runs, [0, 1])
