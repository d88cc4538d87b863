import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from atlash.nn._sparse import BLOCK
from atlash.nn.factor import Factor


def draw(seed, n=12, n_features=25, width=70):
    rng = np.random.default_rng(seed)
    dense = rng.gamma(2.0, 1.0, (n, n_features)) * (rng.random((n, n_features)) < 0.4)
    dense[0] = 0
    scaling = (
        rng.random(n_features).astype(np.float32),
        rng.gamma(2.0, 1.0, n_features).astype(np.float32),
        np.array([2.0], dtype=np.float32),
    )
    matrix = rng.standard_normal((n_features, width)).astype(np.float32)
    return sp.csr_array(dense.astype(np.float32)), scaling, matrix


@given(seed=st.integers(0, 500), share=st.sampled_from([0.0, 0.6, 1.0]))
def test_the_product_is_that_of_the_whole_matrix(seed, share):
    X, (mean, inverse_scale, upper), matrix = draw(seed)
    rng = np.random.default_rng(seed)
    measured = rng.random(X.shape[1]) < share
    X = sp.csr_array(X.toarray() * measured)
    start = rng.standard_normal(matrix.shape[1]).astype(np.float32)
    standard = np.where(measured, np.minimum((X.toarray() - mean) * inverse_scale, upper), 0)
    found = Factor(matrix, (mean, inverse_scale, upper)).product(X, measured, start)
    # what is stored of a row is off by at most 1/256
    bound = (np.abs(standard) @ np.abs(matrix)) / 256 + 1e-3
    assert (np.abs(found[:, :70] - (start + standard @ matrix)) <= bound).all()


def test_a_row_does_not_depend_on_the_others():
    X, scaling, matrix = draw(3)
    factor, measured = Factor(matrix, scaling), np.ones(25, dtype=bool)
    start = np.zeros(70, dtype=np.float32)
    together = factor.product(X, measured, start)
    alone = [factor.product(X[[row]], measured, start) for row in range(X.shape[0])]
    np.testing.assert_array_equal(together, np.concatenate(alone))


@pytest.mark.parametrize("n", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3])
def test_blocks_leave_no_row_out(n):
    X, scaling, matrix = draw(5, n=max(n, 1))
    factor, measured = Factor(matrix, scaling), np.ones(25, dtype=bool)
    start = np.linspace(-1, 1, 70).astype(np.float32)
    found = factor.product(X[:n], measured, start)
    alone = [factor.product(X[[row]], measured, start) for row in range(n)]
    np.testing.assert_array_equal(found, np.concatenate([found[:0], *alone]))


def test_values_above_zero_are_those_of_the_definition():
    X, (mean, inverse_scale, upper), matrix = draw(6)
    factor = Factor(matrix, (mean, inverse_scale, upper))
    standard = np.minimum((X.toarray() - mean) * inverse_scale, upper)
    above = (standard + mean * inverse_scale)[X.nonzero()]
    np.testing.assert_allclose(factor.above_zero(X), above, rtol=1e-5, atol=1e-6)
    assert (standard[X.nonzero()] == upper).any()  # else the bound is not tried


@pytest.mark.parametrize("width", [1, 64, 65])
def test_columns_beyond_the_width_hardly_count(width):
    X, scaling, matrix = draw(4, width=width)
    measured, start = np.ones(25, dtype=bool), np.zeros(width, dtype=np.float32)
    found = Factor(matrix, scaling).product(X, measured, start)
    assert found.shape[1] % 64 == 0
    assert np.abs(found[:, width:]).max(initial=0) < 1e-15
