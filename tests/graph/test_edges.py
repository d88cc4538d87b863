import numpy as np
import pytest
import scipy.sparse as sp

from atlash.graph.edges import edges_of, is_symmetric


def test_each_edge_is_there_once_and_loops_apart():
    graph = sp.csr_array([[5.0, 1.0, 0.0], [1.0, 0.0, 2.0], [0.0, 2.0, 0.0]])
    edges = edges_of(graph)
    assert list(zip(edges.first, edges.second, edges.weights, strict=True)) == [
        (0, 1, 1.0),
        (1, 2, 2.0),
    ]
    assert edges.loops.tolist() == [5, 0, 0]


def test_edges_without_weight_are_left_out_of_what_leiden_gets():
    edges = edges_of(sp.csr_array(np.ones((3, 3))))
    ready = edges._replace(weights=np.array([0.0, 1.0, 2.0])).ready()
    assert ready.weights == [1, 2]
    assert ready.graph.get_edgelist() == [(0, 2), (1, 2)]
    assert ready.strengths == [2, 3, 4]
    assert ready.total == 9


def test_entries_of_zero_do_not_make_a_graph_asymmetric():
    graph = sp.csr_array(([1.0, 1.0, 0.0], ([0, 1, 2], [1, 0, 0])), shape=(3, 3))
    assert is_symmetric(graph)
    assert not is_symmetric(sp.csr_array([[0.0, 1.0], [np.nextafter(1, 2), 0.0]]))


@pytest.mark.parametrize(
    ("graph", "wanted"),
    [
        (np.eye(2), "square sparse array of format csr; found ndarray"),
        (sp.csc_array(np.eye(2)), "found csc"),
        (sp.csr_array(np.ones((1, 2))), "found csr of shape"),
        (sp.csr_array((0, 0)), "no node"),
        (sp.csr_array(-np.eye(2)), "at least 0; found -1.0"),
        (sp.csr_array(np.diag([np.inf, 1.0])), "must be finite"),
        (sp.csr_array(np.diag([np.nan, 1.0])), "must be finite"),
        (sp.csr_array([[0.0, 1.0], [0.5, 0.0]]), "not symmetric"),
    ],
)
def test_what_is_no_graph_is_refused(graph, wanted):
    with pytest.raises(ValueError, match=wanted):
        edges_of(graph)
