import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlash.codes.anchors import make_anchors
from atlash.codes.hamming import hamming
from atlash.codes.pack import pack
from atlash.codes.similarity import similarity


def codes(seed, n=7, n_bits=64):
    return np.random.default_rng(seed).normal(size=(n, n_bits)).astype(np.float32)


@given(st.integers(0, 99), st.integers(2, 40))
def test_hamming_is_the_distance_of_packed_bits(seed, n_types):
    z, anchors = codes(seed), make_anchors(n_types, 64)[0]
    apart = hamming(pack(z > 0), pack(anchors > 0))
    np.testing.assert_array_equal(similarity(z, anchors, "hamming"), 1 - apart / np.float32(32))


@given(st.integers(0, 99))
def test_asymmetric_is_the_mean_product_with_expected_bits(seed):
    z, anchors = codes(seed), make_anchors(11, 64)[0]
    expected = np.tanh(z.astype(np.float64)) @ anchors.T / 64
    np.testing.assert_allclose(similarity(z, anchors, "asymmetric"), expected, atol=1e-6)


def test_methods_agree_on_certain_bits():
    z, anchors = 30 * np.sign(codes(1)), make_anchors(9, 64)[0]
    np.testing.assert_array_equal(
        similarity(z, anchors, "asymmetric"), similarity(z, anchors, "hamming")
    )


def test_a_row_does_not_depend_on_the_others():
    z, anchors = codes(2, n=50), make_anchors(9, 64)[0]
    together = similarity(z, anchors, "asymmetric")
    alone = np.concatenate([similarity(row[None], anchors, "asymmetric") for row in z])
    np.testing.assert_array_equal(together, alone)


def test_refuses_other_widths_and_methods():
    anchors = make_anchors(9, 64)[0]
    with pytest.raises(ValueError, match="do not fit"):
        similarity(codes(0, n_bits=32), anchors, "hamming")
    with pytest.raises(ValueError, match="no method 'cosine'"):
        similarity(codes(0), anchors, "cosine")
