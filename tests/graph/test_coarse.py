import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from atlash.graph.coarse import bucket_graph


def draw(seed, n, *, density=0.2):
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.random((n, n)) * (rng.random((n, n)) < density))
    return sp.csr_array((upper + np.triu(upper, 1).T).astype(np.float32)), rng


@given(st.integers(0, 100), st.integers(1, 40), st.integers(1, 12))
def test_sums_are_those_of_rounded_weights(seed, n, n_buckets):
    weights, rng = draw(seed, n)
    bucket = rng.integers(0, n_buckets, n)
    graph = bucket_graph(weights, bucket, n_buckets)
    member = np.eye(n_buckets)[bucket]
    rounded = np.rint(weights.toarray().astype(np.float64) * 2**20) / 2**20
    np.testing.assert_array_equal(graph.toarray(), member.T @ rounded @ member)
    assert graph.dtype == np.float64
    assert graph.has_canonical_format
    assert (graph.data > 0).all()
    np.testing.assert_allclose(graph.sum(), weights.sum(dtype=np.float64), atol=1e-3)


@given(st.integers(0, 50))
def test_cells_in_another_order_give_the_same_graph(seed):
    weights, rng = draw(seed, 80)
    bucket, order = rng.integers(0, 7, 80), rng.permutation(80)
    one = bucket_graph(weights, bucket, 7)
    two = bucket_graph(weights[order][:, order].tocsr(), bucket[order], 7)
    assert one.data.tobytes() == two.data.tobytes()
    assert one.indices.tolist() == two.indices.tolist()
    assert one.indptr.tolist() == two.indptr.tolist()


def test_each_cell_its_own_bucket_keeps_the_graph():
    weights, _ = draw(3, 30)
    graph = bucket_graph(weights, np.arange(30), 30)
    np.testing.assert_allclose(graph.toarray(), weights.toarray(), atol=2**-21)


def test_a_pair_inside_a_bucket_counts_from_both_ends():
    pair = sp.csr_array(np.array([[0, 0.5], [0.5, 0]]))
    assert bucket_graph(pair, [1, 1], 3).toarray().tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_weights_that_round_to_nothing_are_left_out():
    pair = sp.csr_array(np.array([[0, 2.0**-22], [2.0**-22, 0]]))
    assert bucket_graph(pair, [0, 1], 2).nnz == 0


def test_no_edges_give_no_edges():
    assert bucket_graph(sp.csr_array((4, 4)), [0, 0, 1, 1], 2).nnz == 0


@pytest.mark.parametrize(
    ("weights", "bucket", "n_buckets", "wanted"),
    [
        (np.eye(2), [0, 0], 1, "square sparse array of format csr; found ndarray"),
        (sp.coo_array(np.eye(2)), [0, 0], 1, "found coo of shape"),
        (sp.csr_array(np.ones((2, 3))), [0, 0], 1, "found csr of shape"),
        (sp.csr_array(-np.eye(2)), [0, 0], 1, r"in \[0, 1024\]; found -1.0"),
        (sp.csr_array(2000 * np.eye(2)), [0, 0], 1, "to 2000.0"),
        (sp.csr_array(np.diag([np.nan, 1.0])), [0, 0], 1, "found nan"),
        (sp.csr_array([[0.0, 1.0], [0.0, 0.0]]), [0, 1], 2, "not symmetric"),
        (sp.csr_array(np.eye(2)), [0, 2], 2, "from 0 to 1; found 0 to 2"),
        (sp.csr_array(np.eye(2)), [0], 2, "2 whole numbers"),
        (sp.csr_array(np.eye(2)), [0, 0], 0, "`n_buckets` must be at least 1"),
    ],
)
def test_input_that_does_not_fit_is_refused(weights, bucket, n_buckets, wanted):
    with pytest.raises(ValueError, match=wanted):
        bucket_graph(weights, bucket, n_buckets)
