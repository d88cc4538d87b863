import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlash.graph.neighbours import nearest
from atlash.graph.shared import shared_neighbours


def by_hand(rows):
    sets = [{i, *row} for i, row in enumerate(np.asarray(rows).tolist())]
    weights = np.zeros((len(sets), len(sets)), dtype=np.float32)
    for i, own in enumerate(sets):
        for j in own - {i}:
            weights[i, j] = weights[j, i] = len(own & sets[j]) / len(own | sets[j])
    return weights


def lists(seed, n, k):
    rng = np.random.default_rng(seed)
    return np.array([rng.permutation(np.delete(np.arange(n), i))[:k] for i in range(n)])


@given(st.integers(0, 100), st.integers(2, 40), st.integers(1, 15))
def test_weights_are_those_of_their_definition(seed, n, k):
    rows = lists(seed, n, min(k, n - 1))
    graph = shared_neighbours(rows, n_threads=1)
    np.testing.assert_array_equal(graph.toarray(), by_hand(rows))
    assert graph.dtype == np.float32
    assert (graph.data > 0).all()
    assert graph.has_canonical_format


@given(st.integers(0, 30))
def test_cells_in_another_order_give_the_same_weights(seed):
    rng = np.random.default_rng(seed)
    Z, order = rng.standard_normal((60, 3)), rng.permutation(60)
    one, two = (shared_neighbours(nearest(cells, n_neighbors=5).rows) for cells in (Z, Z[order]))
    np.testing.assert_array_equal(two.toarray(), one.toarray()[np.ix_(order, order)])


def test_threads_change_nothing():
    rows = lists(1, 500, 9)
    one, two = (shared_neighbours(rows, n_threads=n) for n in (1, 3))
    assert one.indices.tolist() == two.indices.tolist()
    assert one.data.tolist() == two.data.tolist()


def test_the_lists_bound_the_pairs():
    """All name the same cells, which makes the columns of these full."""
    rows = np.array([[j for j in range(6) if j != i][:5] for i in range(300)])
    graph = shared_neighbours(rows)
    assert graph.nnz <= 2 * rows.size
    np.testing.assert_array_equal(graph.toarray(), by_hand(rows))


def test_cells_with_the_same_neighbours_weigh_one():
    graph = shared_neighbours([[1, 2], [0, 2], [0, 1], [4, 5], [3, 5], [3, 4]])
    block = 1 - np.eye(3)
    np.testing.assert_array_equal(graph.toarray(), np.kron(np.eye(2), block))


def test_one_cell_has_no_edges():
    graph = shared_neighbours(np.empty((1, 0), dtype=np.int32))
    assert (graph.shape, graph.nnz) == ((1, 1), 0)


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ([1, 0], "cells x neighbours"),
        ([[1.0], [0.0]], "of float64"),
        (np.empty((0, 3), dtype=int), "cells x neighbours"),
        ([[1], [2]], "from 0 to 1; found 1 to 2"),
        ([[-1], [0]], "found -1 to 0"),
        ([[1, 2], [0, 1], [0, 1]], "of cell 1 are"),
        ([[1, 1], [0, 2], [0, 1]], "of cell 0 are"),
    ],
)
def test_lists_of_another_form_are_refused(rows, wanted):
    with pytest.raises(ValueError, match=wanted):
        shared_neighbours(rows)
