import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from atlash.nn.count_losses import negative_binomial_loss, poisson_loss
from atlash.nn.hash_encoder import CountDecoder, PlaceEncoder
from atlash.nn.place_weights import PlaceWeights, embed


def make_encoder(n_components, n_dims, n_hidden, seed=0):
    """An encoder whose every parameter is random."""
    generator = torch.Generator().manual_seed(seed)
    encoder = PlaceEncoder(n_components, n_dims, n_hidden, generator=generator)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.3)
    return encoder


def draw_places(n, d, seed=0):
    return np.random.default_rng(seed).normal(3, 5, (n, d)).astype(np.float32)


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 8, 33, 64]), st.integers(0, 9))
def test_compiled_and_torch_forward_agree(n_components, n_dims, n_hidden, seed):
    encoder, cells = (
        make_encoder(n_components, n_dims, n_hidden, seed),
        draw_places(5, n_components),
    )
    mean, scale = np.full(n_components, 3.0), 5.0
    with torch.no_grad():
        expected = encoder(torch.from_numpy(((cells - mean) / scale).astype(np.float32))).numpy()
    found = embed(cells, PlaceWeights.of(encoder, mean, scale))
    assert found.shape == (5, n_dims)
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_an_embedding_does_not_depend_on_company():
    cells = draw_places(50, 7)
    weights = PlaceWeights.of(make_encoder(7, 5, 20), np.zeros(7), 1.0)
    together = embed(cells, weights)
    alone = np.concatenate([embed(cell[None], weights) for cell in cells])
    np.testing.assert_array_equal(alone, together)
    np.testing.assert_array_equal(embed(np.asfortranarray(cells), weights), together)


def test_no_cells_give_no_rows():
    weights = PlaceWeights.of(make_encoder(7, 5, 20), np.zeros(7), 1.0)
    assert embed(np.empty((0, 7), np.float32), weights).shape == (0, 5)


def test_an_encoder_starts_from_the_components():
    encoder = PlaceEncoder(6, 4, 16, generator=torch.Generator().manual_seed(0))
    cells = torch.from_numpy(draw_places(9, 6))
    torch.testing.assert_close(encoder(cells), cells[:, :4])


def make_decoder(law):
    generator = torch.Generator().manual_seed(0)
    decoder = CountDecoder(3, 2, torch.full((8,), 1 / 8), law=law, generator=generator)
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.3)
    return decoder


@pytest.mark.parametrize("law", ["poisson", "nb"])
def test_decoder_loss_is_that_of_its_low_rank_means(law):
    decoder, rng = make_decoder(law), np.random.default_rng(0)
    embedding = torch.from_numpy(rng.normal(size=(4, 3)).astype(np.float32))
    counts = torch.from_numpy(rng.poisson(2.0, (4, 8)).astype(np.float32))
    library, weight = torch.tensor([10.0, 20, 30, 5]), torch.tensor([1.0, 2, 0, 1])
    found = decoder.loss(embedding, counts, torch.arange(8), library=library, weight=weight)
    total = 0.0
    for cell in (0, 1, 3):  # the third weighs nothing
        log_mean = embedding[cell] @ (decoder.down @ decoder.genes) + decoder.base
        log_mean = log_mean + torch.log(library[cell])
        if law == "poisson":
            nats = poisson_loss(counts[cell], log_mean)
        else:
            nats = negative_binomial_loss(counts[cell], log_mean, decoder.log_dispersion)
        total += weight[cell].item() * nats.sum().item()
    assert found.item() == pytest.approx(total / 4 / 3, rel=1e-4)


@pytest.mark.parametrize("law", ["poisson", "nb", "zinb"])
def test_drawn_genes_stand_for_all(law):
    decoder, rng = make_decoder(law), np.random.default_rng(0)
    embedding = torch.from_numpy(rng.normal(size=(4, 3)).astype(np.float32))
    counts = torch.from_numpy(rng.poisson(2.0, (4, 8)).astype(np.float32))

    def loss(genes):
        drawn = torch.tensor(genes)
        there = {"library": torch.full((4,), 16.0), "weight": torch.ones(4)}
        return decoder.loss(embedding, counts[:, drawn], drawn, **there).item()

    halves = loss([0, 2, 4, 6]) / 2 + loss([1, 3, 5, 7]) / 2
    assert loss(list(range(8))) == pytest.approx(halves, rel=1e-5)
