"""The sums of weighted rows against a plain loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlash.nn._rows import add_rows
from atlash.nn.tiles import paired


def plain(values, rows, span, matrix, out):
    total = out.astype(np.float64)
    for k in range(*span):
        total += np.float64(values[k]) * matrix[rows[k]]
    return total


@pytest.mark.parametrize("pairs", [False, True])
@given(seed=st.integers(0, 1000), width=st.sampled_from([32, 64, 96, 128, 224]))
def test_sums_are_those_of_a_plain_loop(pairs, seed, width):
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((9, width)).astype(np.float32)
    rows = rng.integers(0, 9, 30).astype(np.int32)
    values = rng.standard_normal(30).astype(np.float32)
    start, stop = np.sort(rng.integers(0, 31, 2)).tolist()
    out = rng.standard_normal(width).astype(np.float32)
    expected = plain(values, rows, (start, stop), matrix, out)
    add_rows(values, rows, start, stop, paired(matrix) if pairs else matrix, out)
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=0.1 if pairs else 1e-4)


@pytest.mark.parametrize("pairs", [False, True])
def test_a_power_of_two_is_kept_whole_and_in_its_column(pairs):
    matrix = np.where(np.eye(3, 96), 2.0 ** np.arange(96) / 2.0**40, 0).astype(np.float32)
    out = np.zeros(96, dtype=np.float32)
    ones, rows = np.ones(3, dtype=np.float32), np.arange(3, dtype=np.int32)
    add_rows(ones, rows, 0, 3, paired(matrix) if pairs else matrix, out)
    np.testing.assert_allclose(out, matrix.sum(axis=0), atol=1e-18)


def test_nothing_beyond_the_sum_is_touched():
    matrix, out = np.ones((2, 64), dtype=np.float32), np.zeros(64, dtype=np.float32)
    values, rows = np.ones(2, dtype=np.float32), np.array([0, 1], dtype=np.int32)
    add_rows(values, rows, 0, 2, matrix, out[:32])
    assert (out[:32] == 2).all()
    assert not out[32:].any()


def test_no_rows_add_nothing():
    out = np.full(32, 3, dtype=np.float32)
    nothing = np.empty(0, dtype=np.float32)
    add_rows(nothing, nothing.astype(np.int32), 0, 0, np.ones((1, 32), dtype=np.float32), out)
    assert (out == 3).all()
