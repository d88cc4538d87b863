import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from atlash.nn.attention import Attention, AttentionLayer, AttentionWeights, kernel_block


def draw(n, d, k, seed=0):
    """Places, and tokens of which some are absent or the cell itself."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(-1, n, (n, k)).astype(np.int32)
    rows[0] = -1
    return rng.normal(size=(n, d)).astype(np.float32), rows


def make_layer(d, n_heads=4, n_units=8, seed=0):
    """A layer whose every parameter is random."""
    generator = torch.Generator().manual_seed(seed)
    layer = AttentionLayer(d, n_heads, n_units, n_hidden=16, generator=generator)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.3)
    return layer


@given(st.integers(1, 12), st.integers(1, 5), st.integers(0, 6), st.sampled_from([0.1, 1.0, 9.0]))
def test_kernel_average_is_its_formula(n, d, k, temperature):
    places, rows = draw(n, d, k)
    found = kernel_block(places, rows, slice(0, n), temperature=temperature)
    for i in range(n):
        tokens = [j for j in rows[i] if j >= 0 and j != i]
        squared = np.array([np.square(places[i] - places[j].astype(float)).sum() for j in tokens])
        weights = (
            np.exp(-squared / (temperature * squared.mean())) if squared.sum() else 0 * squared
        )
        everything = np.vstack([places[i], *(places[j] for j in tokens)])
        expected = np.average(everything, axis=0, weights=[1, *weights])
        np.testing.assert_allclose(found[i], expected, rtol=1e-5, atol=1e-6)


def test_kernel_average_brings_cells_of_a_group_together():
    rng = np.random.default_rng(0)
    centre = np.repeat([[-4.0, 0], [4, 0]], 20, axis=0)
    places = (centre + rng.normal(size=(40, 2))).astype(np.float32)
    rows = np.array([[20 * (i // 20) + (i + s) % 20 for s in range(1, 8)] for i in range(40)])
    after = kernel_block(places, rows.astype(np.int32), slice(0, 40), temperature=1.0)
    assert after[:20].std(axis=0).max() < 0.7 * places[:20].std(axis=0).min()
    assert np.linalg.norm(after[:20].mean(axis=0) - after[20:].mean(axis=0)) > 7


def test_identical_cells_stay():
    rows = np.array([[1, 2], [0, 2], [0, 1]], np.int32)
    places = np.full((3, 2), 7, np.float32)
    np.testing.assert_array_equal(kernel_block(places, rows, slice(0, 3), temperature=1.0), places)


@given(st.integers(1, 12), st.integers(1, 40), st.integers(0, 6), st.integers(0, 5))
def test_compiled_and_torch_attention_agree(n, d, k, seed):
    (places, rows), layer = draw(n, d, k, seed), make_layer(d, seed=seed)
    mean, scale = np.full(d, 0.5), 2.0
    standard = torch.from_numpy(((places - mean) / scale).astype(np.float32))
    there = torch.from_numpy((rows >= 0) & (rows != np.arange(n)[:, None]))
    with torch.no_grad():
        after = layer(standard, standard[torch.from_numpy(rows.clip(0)).long()], there).numpy()
    found = Attention(places, rows, AttentionWeights.of(layer, mean, scale)).block(0, n)
    np.testing.assert_allclose(found, after * scale + mean, atol=1e-3)


@pytest.mark.parametrize("cut", [1, 5, 19])
def test_attention_does_not_depend_on_blocks(cut):
    places, rows = draw(20, 6, 4)
    layer = Attention(places, rows, AttentionWeights.of(make_layer(6), np.zeros(6), 1.0))
    parts = np.vstack([layer.block(0, cut), layer.block(cut, 20)])
    np.testing.assert_array_equal(parts, layer.block(0, 20))


def test_absent_tokens_and_their_order_do_not_matter():
    places, rows = draw(20, 6, 4)
    weights = AttentionWeights.of(make_layer(6), np.zeros(6), 1.0)
    wider = np.hstack([np.full((20, 3), -1, np.int32), rows[:, ::-1]])
    np.testing.assert_allclose(
        Attention(places, wider, weights).block(0, 20),
        Attention(places, rows, weights).block(0, 20),
        atol=1e-5,
    )


def test_weights_come_back_from_their_arrays():
    weights = AttentionWeights.of(make_layer(6), np.arange(6.0), 3.0)
    again = AttentionWeights.from_arrays(weights.arrays())
    places, rows = draw(20, 6, 4)
    np.testing.assert_array_equal(
        Attention(places, rows, again).block(0, 20), Attention(places, rows, weights).block(0, 20)
    )
