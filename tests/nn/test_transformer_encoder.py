from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from atlash.config import TransformerConfig
from atlash.nn.batches import Standardiser
from atlash.nn.gene_tokens import tokenise
from atlash.nn.gene_transformer import embed_tokens, make_transformer, transformer_arrays
from atlash.nn.transformer_encoder import TransformerEncoder, known_columns

N_FEATURES, N_KNOWN = 40, 25
SHAPE = TransformerConfig(n_tokens=12, width=16, n_layers=1, n_heads=2, n_hidden=16)
EVERYTHING = np.ones(N_FEATURES, dtype=bool)


def draw_cells(n=30, seed=0):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(1.5, (n, N_FEATURES)).astype(np.float32)
    counts[0] = 0
    return sp.csr_array(np.log1p(counts))


@pytest.fixture(scope="module")
def token():
    known = np.random.default_rng(1).permutation(N_FEATURES) < N_KNOWN
    return np.where(known, np.cumsum(known) - 1, -1).astype(np.int32)


@pytest.fixture(scope="module")
def encoder(token):
    rng = np.random.default_rng(2)
    model = make_transformer(SHAPE, N_KNOWN, 3, random_state=0)
    return TransformerEncoder.of(
        SHAPE,
        transformer_arrays(model),
        (rng.normal(size=(16, 8)).astype(np.float32), rng.normal(size=8).astype(np.float32)),
        token=token,
        standardiser=Standardiser(
            rng.random(N_FEATURES).astype(np.float32), np.full(N_FEATURES, 2, np.float32), 3.0
        ),
        axes=rng.normal(size=(N_FEATURES, 5)).astype(np.float32),
    )


def test_only_known_and_expressed_features_have_columns(token):
    X = draw_cells()
    X.data[::5] = 0  # entries that hold nothing
    found = known_columns(X, token)
    dense = np.zeros((30, N_KNOWN), np.float32)
    dense[:, token[token >= 0]] = X.toarray()[:, token >= 0]
    np.testing.assert_array_equal(found.toarray(), dense)
    assert (found.data > 0).all()


def test_codes_are_the_head_of_the_states_and_components_a_projection(encoder, token):
    X = draw_cells()
    found = encoder.encode(X, EVERYTHING)
    model = make_transformer(SHAPE, N_KNOWN, 3, random_state=0).eval()
    tokens = tokenise(known_columns(X, token), n_tokens=12, sampling=SHAPE.sampling, seed=0)
    states = embed_tokens(model, tokens, SHAPE, device=torch.device("cpu"))
    expected = states.astype(float) @ encoder.head + encoder.head_bias
    np.testing.assert_allclose(found.z, expected, rtol=1e-4, atol=1e-5)
    standard = np.minimum((X.toarray() - encoder.mean) * encoder.inverse_scale, 3.0)
    np.testing.assert_allclose(found.components, standard @ encoder.axes, rtol=0.02, atol=0.1)


def test_a_feature_that_was_not_measured_is_at_its_mean_to_the_components(encoder):
    X = draw_cells()
    measured = EVERYTHING.copy()
    measured[:10] = False
    lacking = sp.csr_array(X.toarray() * measured)
    before = encoder.encode(lacking, measured)
    other = encoder.encode(lacking, EVERYTHING)
    np.testing.assert_array_equal(before.z, other.z)
    assert np.abs(before.components - other.components).max() > 0.5


def test_neither_company_nor_threads_change_a_bit(encoder):
    X = draw_cells(40)
    expected = encoder.encode(X, EVERYTHING)
    for row in (0, 7, 39):
        alone = encoder.encode(X[[row]], EVERYTHING)
        np.testing.assert_array_equal(alone.z[0], expected.z[row])
    before = torch.get_num_threads()
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda _: encoder.encode(X, EVERYTHING).z, range(12)))
    assert all(np.array_equal(part, expected.z) for part in parts)
    assert torch.get_num_threads() == before


def test_no_cells_have_no_codes(encoder):
    found = encoder.encode(draw_cells()[:0], EVERYTHING)
    assert found.z.shape == (0, 8)
    assert found.components.shape == (0, 5)


def test_known_features_alone_have_a_weight(encoder, token):
    np.testing.assert_array_equal(encoder.feature_weight() > 0, token >= 0)
