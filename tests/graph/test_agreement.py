import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from atlash.graph.agreement import agreement


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
