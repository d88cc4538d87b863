import itertools
import random

import igraph
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from atlash.graph.agreement import agreement
from atlash.graph.partition import leiden_runs, sweep


def modularity(graph, labels, resolution):
    """Add up over all pairs of nodes, each with itself as well."""
    dense = graph.toarray()
    strength, total = dense.sum(axis=1), dense.sum()
    same = labels[:, None] == labels
    return ((dense - resolution * np.outer(strength, strength) / total) * same).sum() / total


def every_partition(n):
    """Yield all partitions of up to n nodes as labels by first appearance."""
    for labels in itertools.product(range(n), repeat=n):
        if all(label <= max(labels[:i], default=-1) + 1 for i, label in enumerate(labels)):
            yield np.array(labels)


def planted(n_nodes, n_groups, *, inside=0.5, between=0.02, seed=0):
    rng = np.random.default_rng(seed)
    kind = np.arange(n_nodes) % n_groups
    share = np.where(kind[:, None] == kind, inside, between)
    upper = np.triu(rng.random((n_nodes, n_nodes)) < share, 1).astype(float)
    return sp.csr_array(upper + upper.T), kind


def leiden(graph, resolution=1.0, seed=0):
    """Return the first run."""
    return leiden_runs(graph, resolution, n_runs=1, random_state=seed)[0]


@given(st.integers(0, 40), st.sampled_from([0.3, 1.0, 2.0]))
def test_on_few_nodes_the_best_modularity_with_loops_is_found(seed, resolution):
    """Of five seeds one at least finds the best of all partitions."""
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.integers(0, 4, (5, 5)) * (rng.random((5, 5)) < 0.7)).astype(float)
    graph = sp.csr_array(upper + upper.T)
    if graph.sum() == graph.diagonal().sum():
        return
    best = max(modularity(graph, labels, resolution) for labels in every_partition(5))
    runs = leiden_runs(graph, resolution, n_runs=5, random_state=0, n_iterations=10)
    found = max(modularity(graph, labels, resolution) for labels in runs)
    assert found == pytest.approx(best, abs=1e-12)


def test_loops_keep_nodes_apart():
    """Two nodes that are mostly with themselves fall together only where loops are not counted."""
    pair = sp.csr_array([[0.0, 1.0], [1.0, 0.0]])
    heavy = sp.csr_array([[8.0, 1.0], [1.0, 8.0]])
    assert leiden(pair).tolist() == [0, 0]
    assert leiden(heavy).tolist() == [0, 1]


def test_planted_groups_are_found_and_numbered_by_first_appearance():
    graph, kind = planted(200, 5)
    labels = leiden(graph)
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, kind)


@pytest.mark.parametrize("resolution", [0.01, 1.0])
def test_what_is_not_connected_is_not_joined(resolution):
    part, _ = planted(30, 1)
    graph = sp.csr_array(sp.block_diag([part, part, part]))
    assert leiden(graph, resolution).tolist() == [0] * 30 + [1] * 30 + [2] * 30


def test_nodes_without_edges_stay_alone():
    assert leiden(sp.csr_array((1, 1))).tolist() == [0]
    assert leiden(sp.csr_array([[3.0]])).tolist() == [0]
    assert leiden(sp.csr_array((4, 4))).tolist() == [0, 1, 2, 3]
    loops = sp.csr_array(np.diag([1.0, 2.0, 0.0]))
    assert leiden(loops).tolist() == [0, 1, 2]
    mixed = np.zeros((6, 6))
    mixed[1, 4] = mixed[4, 1] = 1
    mixed[2, 2] = 5
    assert leiden(sp.csr_array(mixed)).tolist() == [0, 1, 2, 3, 1, 4]


def noisy(seed=0):
    """Return a graph with weak groups, on which runs differ."""
    return planted(150, 6, inside=0.2, between=0.08, seed=seed)


def test_the_seed_decides_and_runs_differ():
    graph, _ = noisy()
    one, two = (leiden_runs(graph, 1.0, n_runs=6, random_state=3) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert len({run.tobytes() for run in one}) > 1
    np.testing.assert_array_equal(one[0], leiden(graph, seed=3))
    more = leiden_runs(graph, 1.0, n_runs=8, random_state=3)
    np.testing.assert_array_equal(more[:6], one)


def test_processes_change_nothing(monkeypatch):
    graph, _ = noisy()
    runs = leiden_runs(graph, 1.0, n_runs=5, random_state=3)
    table = sweep(graph, [0.5, 1.0], n_seeds=3, random_state=1)
    monkeypatch.setattr("atlash.graph.partition.MIN_WORK", 0)
    np.testing.assert_array_equal(
        leiden_runs(graph, 1.0, n_runs=5, random_state=3, n_jobs=2), runs
    )
    found = sweep(graph, [0.5, 1.0], n_seeds=3, random_state=1, n_jobs=8)
    np.testing.assert_array_equal(found, table)


def test_the_generator_is_that_of_python_afterwards():
    graph, _ = noisy()
    random.seed(5)
    before = random.getstate()
    leiden(graph)
    assert random.getstate() == before
    igraph.Graph.Erdos_Renyi(50, 0.5)
    assert random.getstate() != before


def test_more_resolution_gives_more_clusters():
    graph, _ = noisy()
    found = [len(set(leiden(graph, r))) for r in (0.1, 1.0, 5.0)]
    assert found[0] < found[1] < found[2]


def test_weights_are_not_too_small_to_count():
    graph, kind = planted(200, 5)
    for scale in (1e-9, 1e9):
        labels = leiden(sp.csr_array(graph * scale))
        np.testing.assert_array_equal(labels, kind)


def test_a_sweep_tells_clusters_and_stability():
    graph, _ = noisy()
    cells = np.random.default_rng(0).integers(1, 50, 150)
    table = sweep(graph, [0.05, 1.0, 3.0], n_seeds=4, random_state=1, weights_of_nodes=cells)
    assert table.resolution.tolist() == [0.05, 1, 3]
    for place, resolution in enumerate(table.resolution):
        runs = leiden_runs(graph, resolution, n_runs=4, random_state=1)
        pairs = [agreement(a, b, cells) for a, b in itertools.combinations(runs, 2)]
        assert table.stability[place] == pytest.approx(np.mean(pairs), abs=1e-12)
        assert table.n_clusters[place] == np.median([len(set(run)) for run in runs])
    assert table.n_clusters[0] == 1
    assert table.stability[0] == 1 > table.stability[2]


def test_of_clear_groups_the_sweep_is_stable():
    graph, _ = planted(200, 5)
    table = sweep(graph, [1.0], n_seeds=5, random_state=0)
    assert (table.n_clusters.tolist(), table.stability.tolist()) == ([5], [1])


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        (lambda g: leiden(g, 0), "resolution must be a finite number above 0"),
        (lambda g: leiden(g, np.nan), "found nan"),
        (lambda g: leiden(g, np.inf), "found inf"),
        (
            lambda g: leiden_runs(g, 1, n_runs=1, random_state=0, n_iterations=0),
            "`n_iterations` must be",
        ),
        (lambda g: leiden(g.toarray()), "found ndarray"),
        (lambda g: leiden_runs(g, 1, n_runs=0, random_state=0), "`n_runs` must be"),
        (
            lambda g: leiden_runs(g, 1, n_runs=1, random_state=0, n_jobs=0),
            "`n_jobs` must be at least 1",
        ),
        (lambda g: sweep(g, [1, -1], n_seeds=2, random_state=0), "found -1"),
        (lambda g: sweep(g, [], n_seeds=2, random_state=0), "at least one resolution"),
        (lambda g: sweep(g, [1], n_seeds=1, random_state=0), "`n_seeds` must be at least 2"),
        (
            lambda g: sweep(g, [1], n_seeds=2, random_state=0, weights_of_nodes=[1]),
            "2 whole numbers",
        ),
    ],
)
def test_options_out_of_range_are_refused(call, wanted):
    with pytest.raises(ValueError, match=wanted):
        call(sp.csr_array([[0.0, 1.0], [1.0, 0.0]]))
