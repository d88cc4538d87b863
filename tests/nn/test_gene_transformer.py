from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch.nn import functional as F  # noqa: N812

from atlash.config import TransformerConfig
from atlash.nn.gene_tokens import hide, tokenise
from atlash.nn.gene_transformer import (
    Sentences,
    embed_tokens,
    make_transformer,
    restore_transformer,
    transformer_arrays,
)

N_GENES = 150
CPU = torch.device("cpu")
TINY = TransformerConfig(n_tokens=100, width=16, n_layers=2, n_heads=4, n_hidden=24, n_bins=9)
FORMS = ["bins", "continuous"]


def draw_tokens(n, seed=0, share=0.5):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(2.0, (n, N_GENES)) * (rng.random((n, N_GENES)) < share)
    return tokenise(sp.csr_array(np.log1p(counts)), n_tokens=100, sampling="random", seed=0)


def sentences(tokens, config, *, hidden=None, domain=0):
    hidden = hide(tokens, (0.5,), np.random.default_rng(1)) if hidden is None else hidden
    return Sentences.of(tokens, hidden, domain=np.full(len(tokens), domain), config=config)


def make(config, n_domains=0, seed=0):
    """Return a Transformer whose embeddings and biases are large enough to have a say."""
    model = make_transformer(config, N_GENES, n_domains, random_state=seed).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1)
            elif parameter.std() < 0.05:
                parameter.mul_(20)
    return model


def slow_layer(layer, x, n_heads):
    """One layer over tokens ``(length, width)`` that are all there, a head at a time."""
    width = x.shape[1]
    size = width // n_heads
    whole = F.linear(F.layer_norm(x, (width,), layer.norm_attention.weight,
                                  layer.norm_attention.bias), layer.project.weight,
                     layer.project.bias)  # fmt: skip
    query, key, value = whole.split(width, dim=1)
    heads = []
    for head in range(n_heads):
        span = slice(head * size, (head + 1) * size)
        score = query[:, span] @ key[:, span].T / size**0.5
        heads.append(score.softmax(dim=1) @ value[:, span])
    x = x + layer.join(torch.cat(heads, dim=1))
    return x + layer.narrow(F.gelu(layer.wide(layer.norm_forward(x))))


@torch.no_grad()
def test_states_are_those_of_a_slow_transformer():
    tokens = draw_tokens(3)
    model = make(TINY, n_domains=2)
    cells = sentences(tokens, TINY, domain=1)
    found = model.states(cells)
    for row in range(3):
        n = int(tokens.sizes[row])
        genes, shown = cells.genes[row, :n], cells.shown[row, :n]
        there = model.gene.weight[genes] + model.value.table.weight[shown]
        x = torch.cat([model.cls[0], model.domain.weight[1:2], there])
        for layer in model.layers:
            x = slow_layer(layer, x, TINY.n_heads)
        torch.testing.assert_close(found[row, : n + 2], model.norm(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
@torch.no_grad()
def test_a_hidden_value_changes_no_output(form):
    config = replace(TINY, values=form)
    model = make(config)
    tokens = draw_tokens(6)
    hidden = hide(tokens, (0.5,), np.random.default_rng(0))
    before = model(sentences(tokens, config, hidden=hidden))
    states = model.states(sentences(tokens, config, hidden=hidden))
    tokens.values[hidden] += 3.0
    after = model(sentences(tokens, config, hidden=hidden))
    for one, other in zip(before, after, strict=True):
        assert torch.equal(one, other)
    assert torch.equal(states, model.states(sentences(tokens, config, hidden=hidden)))


@pytest.mark.parametrize("form", FORMS)
@torch.no_grad()
def test_a_shown_value_changes_the_output(form):
    config = replace(TINY, values=form)
    model = make(config)
    tokens = draw_tokens(6)
    nothing = np.zeros_like(tokens.there)
    before = model.embed(sentences(tokens, config, hidden=nothing))
    tokens.values[:, 0] *= 30
    after = model.embed(sentences(tokens, config, hidden=nothing))
    assert (before - after).abs().amax(dim=1).min() > 1e-4


@pytest.mark.parametrize("form", FORMS)
def test_an_embedding_does_not_depend_on_company(form):
    config = replace(TINY, values=form)
    model = make(config)
    tokens = draw_tokens(37, share=0.4)
    assert len(set(tokens.sizes // 64)) > 1  # rows of several lengths
    together = embed_tokens(model, tokens, config, device=CPU)
    for row in (0, 5, 36):
        alone = embed_tokens(model, tokens.take(np.array([row]), 100), config, device=CPU)
        np.testing.assert_array_equal(alone[0], together[row])
    turned = np.random.default_rng(0).permutation(37)
    moved = embed_tokens(model, tokens.take(turned, 100), config, device=CPU)
    np.testing.assert_array_equal(moved, together[turned])


@torch.no_grad()
def test_empty_places_change_nothing():
    model = make(TINY)
    tokens = draw_tokens(5)
    hidden = hide(tokens, (0.5,), np.random.default_rng(0))
    longer = tokens.take(np.arange(5), 130)
    longer.genes[~longer.there] = 7  # whatever stands there
    longer.values[~longer.there] = 5.0
    short = model(sentences(tokens, TINY, hidden=hidden))
    wide = np.pad(hidden, ((0, 0), (0, 130 - hidden.shape[1])))
    long = model(sentences(longer, TINY, hidden=wide))
    for one, other in zip(short, long, strict=True):
        there = torch.from_numpy(tokens.there)
        torch.testing.assert_close(
            one[there], other[:, : one.shape[1]][there], rtol=1e-4, atol=1e-5
        )


@torch.no_grad()
def test_the_order_of_tokens_does_not_matter():
    model = make(TINY)
    tokens = draw_tokens(4)
    before = embed_tokens(model, tokens, TINY, device=CPU)
    for row, size in enumerate(tokens.sizes):
        turned = np.random.default_rng(row).permutation(size)
        tokens.genes[row, :size] = tokens.genes[row, turned]
        tokens.values[row, :size] = tokens.values[row, turned]
    np.testing.assert_allclose(
        embed_tokens(model, tokens, TINY, device=CPU), before, rtol=1e-4, atol=1e-5
    )


@torch.no_grad()
def test_a_domain_has_a_say_and_an_unknown_one_is_the_default():
    model = make(TINY, n_domains=3)
    tokens = draw_tokens(4)
    nothing = np.zeros_like(tokens.there)
    of = [model.embed(sentences(tokens, TINY, hidden=nothing, domain=k)) for k in range(4)]
    assert all((of[0] - other).abs().max() > 1e-3 for other in of[1:])
    np.testing.assert_allclose(
        embed_tokens(model, tokens, TINY, device=CPU), of[0], rtol=1e-4, atol=1e-5
    )


def test_the_same_seed_gives_the_same_weights_and_torch_is_left_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, two, other = (make_transformer(TINY, 10, 1, random_state=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    first, second = transformer_arrays(one), transformer_arrays(two)
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first["gene.weight"], transformer_arrays(other)["gene.weight"])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("n_domains", [0, 2])
def test_weights_come_back(form, n_domains):
    config = replace(TINY, values=form)
    model = make(config, n_domains)
    again = restore_transformer(config, transformer_arrays(model))
    tokens = draw_tokens(3)
    expected = embed_tokens(model, tokens, config, device=CPU)
    np.testing.assert_array_equal(embed_tokens(again, tokens, config, device=CPU), expected)


@pytest.mark.parametrize("name", ["gene.weight", "norm.weight", "layers.1.join.bias"])
def test_weights_that_are_missing_are_an_error(name):
    arrays = transformer_arrays(make(TINY))
    del arrays[name]
    with pytest.raises(ValueError, match="do not fit the Transformer"):
        restore_transformer(TINY, arrays)


@pytest.mark.parametrize("changes", [{"width": 32}, {"n_layers": 1}, {"values": "continuous"}])
def test_weights_of_another_shape_are_an_error(changes):
    arrays = transformer_arrays(make(TINY))
    with pytest.raises(ValueError, match="do not fit the Transformer"):
        restore_transformer(replace(TINY, **changes), arrays)
