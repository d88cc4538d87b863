from dataclasses import fields

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

from atlash.nn import inference
from atlash.nn.weights import EncoderWeights

N_FEATURES = 30


def encode(X, weights, measured):
    return inference.encode(X, weights, measured).z


def expression(seed, n=20):
    rng = np.random.default_rng(seed)
    dense = rng.gamma(2.0, 1.0, (n, N_FEATURES)) * (rng.random((n, N_FEATURES)) < 0.4)
    dense[0] = 0  # a cell without any expressed feature
    return sp.csr_array(dense.astype(np.float32))


def torch_codes(encoder, weights, X, measured):
    standard = (X.toarray() - weights.mean) * weights.inverse_scale
    standard = np.minimum(standard, weights.upper[0])
    x = np.where(measured, standard, 0).astype(np.float32)
    with torch.no_grad():
        return encoder(torch.from_numpy(x)).mean(dim=0).numpy()


@given(st.integers(0, 50), st.sampled_from([1, 2, 3]))
def test_compiled_and_torch_forward_agree(make_encoder, seed, n_members):
    encoder, weights = make_encoder(n_members, seed=seed)
    X, measured = expression(seed), np.ones(N_FEATURES, dtype=bool)
    expected = torch_codes(encoder, weights, X, measured)
    np.testing.assert_allclose(encode(X, weights, measured), expected, atol=2e-2)


@given(st.integers(0, 50))
def test_features_not_measured_enter_as_their_mean(make_encoder, seed):
    encoder, weights = make_encoder(2, seed=seed)
    measured = np.random.default_rng(seed).random(N_FEATURES) < 0.6
    X = sp.csr_array(expression(seed).toarray() * measured)  # their columns are empty
    found = encode(X, weights, measured)
    np.testing.assert_allclose(found, torch_codes(encoder, weights, X, measured), atol=2e-2)
    at_mean = sp.csr_array(np.where(measured, X.toarray(), weights.mean).astype(np.float32))
    everything = np.ones(N_FEATURES, dtype=bool)
    np.testing.assert_allclose(found, encode(at_mean, weights, everything), atol=2e-2)


def test_without_any_measured_feature_all_cells_are_alike(make_encoder):
    _, weights = make_encoder(1)
    X = sp.csr_array((4, N_FEATURES), dtype=np.float32)
    z = encode(X, weights, np.zeros(N_FEATURES, dtype=bool))
    np.testing.assert_array_equal(z, np.repeat(z[:1], 4, axis=0))


def test_a_row_does_not_depend_on_the_others(make_encoder):
    _, weights = make_encoder(2)
    X, measured = expression(3, n=50), np.arange(N_FEATURES) % 3 > 0
    together = encode(X, weights, measured)
    alone = np.concatenate([encode(X[[row]], weights, measured) for row in range(50)])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together[::-1], encode(X[::-1], weights, measured))


def test_no_cells_no_codes(make_encoder):
    _, weights = make_encoder(1)
    X = sp.csr_array((0, N_FEATURES), dtype=np.float32)
    assert encode(X, weights, np.ones(N_FEATURES, dtype=bool)).shape == (0, 16)


@pytest.mark.parametrize("index_type", [np.int32, np.int64])
def test_takes_either_type_of_index(make_encoder, index_type):
    _, weights = make_encoder(1)
    X, measured = expression(1), np.ones(N_FEATURES, dtype=bool)
    same = sp.csr_array(X.shape, dtype=np.float32)
    same.data, same.indices, same.indptr = (
        X.data, X.indices.astype(index_type), X.indptr.astype(index_type),
    )  # fmt: skip
    np.testing.assert_array_equal(encode(same, weights, measured), encode(X, weights, measured))


def test_weights_know_their_shapes_and_order(make_encoder):
    _, weights = make_encoder(2)
    assert (weights.n_features, weights.n_bits) == (N_FEATURES, 16)
    assert list(weights.arrays()) == [field.name for field in fields(EncoderWeights)]
    assert all(array.dtype == np.float32 for array in weights.arrays().values())
    assert all(array.flags.c_contiguous for array in weights.arrays().values())
