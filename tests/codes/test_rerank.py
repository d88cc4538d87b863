import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlash.codes.pack import pack, unpack
from atlash.codes.planes import make_planes
from atlash.codes.rerank import ascending, expected_distances


def draw(seed, n_bits=128, n=40, q=5):
    rng = np.random.default_rng(seed)
    codes = pack(rng.random((n, n_bits)) < 0.5)
    expected = np.tanh(rng.standard_normal((q, n_bits))).astype(np.float32)
    weights = rng.integers(0, 3, n_bits).astype(np.float32)
    sizes = rng.integers(0, 9, q)
    bounds = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return codes, expected, weights, bounds, rng.integers(0, n, bounds[-1])


@given(st.integers(0, 300), st.sampled_from([64, 128, 256]))
def test_the_distance_is_what_its_formula_says(seed, n_bits):
    codes, expected, weights, bounds, rows = draw(seed, n_bits)
    found = expected_distances(expected, weights, make_planes(codes), bounds=bounds, rows=rows)
    signs = np.where(unpack(codes), 1.0, -1.0)[rows]
    of_hit = np.repeat(np.arange(len(expected)), np.diff(bounds))
    wanted = (weights * (1 - expected[of_hit] * signs) / 2).sum(axis=1)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-4)


def test_of_decided_bits_it_is_the_hamming_distance():
    codes, expected, _, bounds, rows = draw(1)
    decided = np.sign(expected).astype(np.float32)
    weights = np.ones(128, dtype=np.float32)
    found = expected_distances(decided, weights, make_planes(codes), bounds=bounds, rows=rows)
    of_hit = np.repeat(np.arange(len(expected)), np.diff(bounds))
    np.testing.assert_array_equal(
        found, (unpack(codes)[rows] != (decided > 0)[of_hit]).sum(axis=1)
    )


def test_shapes_that_do_not_fit_are_refused():
    codes, expected, weights, bounds, rows = draw(2)
    with pytest.raises(ValueError, match="do not fit 5 queries and planes of 128 bits"):
        expected_distances(expected[:, :64], weights, make_planes(codes), bounds=bounds, rows=rows)


@given(st.integers(0, 300))
def test_hits_are_sorted_query_by_query_and_stay_in_order_where_equal(seed):
    _, _, _, bounds, rows = draw(seed)
    scores = (rows % 3).astype(np.float32)
    order = ascending(scores, bounds)
    of_hit = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    np.testing.assert_array_equal(order, np.lexsort((np.arange(len(rows)), scores, of_hit)))


def test_threads_change_nothing():
    codes, expected, weights, bounds, rows = draw(5, q=700)
    planes = make_planes(codes)
    one, two = (
        expected_distances(expected, weights, planes, bounds=bounds, rows=rows, n_threads=n)
        for n in (1, 3)
    )
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(
        ascending(one, bounds, n_threads=1), ascending(one, bounds, n_threads=3)
    )
