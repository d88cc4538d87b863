import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlash.codes.hamming import hamming
from atlash.codes.pack import unpack


def oracle(a, b):
    return (unpack(a)[:, None] != unpack(b)[None]).sum(axis=2)


@given(st.integers(0, 2**32 - 1), st.integers(0, 6), st.integers(0, 6), st.integers(1, 40))
def test_equals_counting_bits(seed, n, m, n_bytes):
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 256, (n, n_bytes), dtype=np.uint8)
    b = rng.integers(0, 256, (m, n_bytes), dtype=np.uint8)
    found = hamming(a, b)
    assert found.shape == (n, m)
    np.testing.assert_array_equal(found, oracle(a, b))


def test_is_a_metric():
    codes = np.random.default_rng(0).integers(0, 256, (30, 16), dtype=np.uint8)
    d = hamming(codes, codes)
    np.testing.assert_array_equal(np.diag(d), 0)
    np.testing.assert_array_equal(d, d.T)
    assert (d[:, :, None] <= d[:, None, :] + d.T[None, :, :]).all()


def test_extremes():
    zeros, ones = np.zeros((1, 32), np.uint8), np.full((1, 32), 255, np.uint8)
    assert hamming(zeros, ones).item() == 256
    assert hamming(ones, ones).item() == 0


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.zeros((1, 8), np.uint8), np.zeros((1, 16), np.uint8)),
        (np.zeros((1, 8), np.int64), np.zeros((1, 8), np.uint8)),
        (np.zeros(8, np.uint8), np.zeros((1, 8), np.uint8)),
    ],
    ids=["widths", "dtype", "flat"],
)
def test_refuses_what_cannot_be_compared(a, b):
    with pytest.raises(ValueError, match=r"bits|uint8"):
        hamming(a, b)
