"""Modularity, and the best of several partitions."""

import igraph
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from atlash.graph.modularity import best_run, modularity


def drawn(seed, n, loops):
    """Draw a symmetric graph; its diagonal counts both ends."""
    rng = np.random.default_rng(seed)
    upper = sp.triu(sp.random_array((n, n), density=0.5, rng=rng), 1)
    diagonal = sp.diags_array(2 * loops * rng.random(n) * (rng.random(n) < 0.7))
    return sp.csr_array(upper + upper.T + diagonal), rng.integers(0, 4, n)


@given(st.integers(0, 10_000), st.integers(2, 15), st.booleans(), st.sampled_from([0.3, 1.0, 2.5]))
def test_against_igraph(seed, n, loops, resolution):
    graph, labels = drawn(seed, n, loops)
    if graph.sum() == 0:
        assert modularity(graph, labels, resolution) == 0
        return
    edges = sp.triu(graph).tocoo()
    first, second = edges.coords
    weights = np.where(first == second, edges.data / 2, edges.data)  # igraph counts a loop twice
    oracle = igraph.Graph(n, list(zip(first.tolist(), second.tolist(), strict=True)))
    expected = oracle.modularity(
        labels.tolist(), weights=weights.tolist(), resolution=resolution, directed=False
    )
    assert modularity(graph, labels, resolution) == pytest.approx(expected, abs=1e-12)


@given(st.integers(0, 10_000))
def test_the_best_run_is_the_first_of_the_greatest(seed):
    graph, _ = drawn(seed, 10, loops=True)
    runs = np.random.default_rng(seed).integers(0, 3, (6, 10)).astype(np.int32)
    runs[3] = (runs[0] + 1) % 3  # the same partition by other numbers
    quality = np.round([modularity(graph, run, 0.7) for run in runs], 12)
    expected = runs[np.flatnonzero(quality == quality.max())[0]]
    np.testing.assert_array_equal(best_run(graph, runs, 0.7), expected)


def test_a_graph_without_weights():
    empty = sp.csr_array((3, 3))
    assert modularity(empty, np.zeros(3, dtype=int)) == 0
    np.testing.assert_array_equal(best_run(empty, np.array([[0, 1, 2], [0, 0, 0]])), [0, 1, 2])


def test_clusters_of_a_bucket_graph_have_the_modularity_of_their_cells():
    """Summing nodes into buckets keeps it: what is inside counts from both ends."""
    graph, labels = drawn(5, 12, loops=False)
    graph.data = np.rint(16 * graph.data)  # so that sums are exact, and symmetric
    into = sp.csr_array((np.ones(12), (labels, np.arange(12))), shape=(4, 12))
    coarse = sp.csr_array(into @ graph @ into.T)
    found = modularity(coarse, np.arange(4))
    assert found == pytest.approx(modularity(graph, labels), abs=1e-12)


def test_what_is_no_graph_is_refused():
    with pytest.raises(ValueError, match="not symmetric"):
        modularity(sp.csr_array(np.array([[0.0, 1], [0, 0]])), np.zeros(2, dtype=int))
