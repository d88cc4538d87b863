import math

import numpy as np
import pytest
import torch

from atlash.errors import InputError
from atlash.nn.hash_codes import SignWeights, WordWeights, heads_from_arrays
from atlash.nn.hash_heads import QuantisedHeads, SignHeads, export_heads

N_DIMS = 6


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def places(n=40, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, N_DIMS)).astype("f4"))


def sign_heads(n_heads=2, n_bits=3):
    return SignHeads(N_DIMS, n_heads, n_bits, generator=seeded())


def word_heads(n_words=5, *, soft=False):
    heads = QuantisedHeads(N_DIMS, 2, n_words, generator=seeded(), soft=soft)
    heads.start(places())
    return heads


def test_sign_codes_are_the_rounded_sigmoids():
    heads, cells = sign_heads(), places()
    rounded = torch.sigmoid(cells @ heads.weight + heads.bias).detach().numpy().round()
    expected = [
        [int(r[0] + 2 * r[1] + 4 * r[2]), int(r[3] + 2 * r[4] + 4 * r[5])] for r in rounded
    ]
    np.testing.assert_array_equal(heads.codes(cells), expected)


def test_sign_heads_start_with_even_bits():
    heads, cells = sign_heads(), places(41)
    heads.start(cells)
    above = (heads(cells) > 0.5).sum(dim=0)
    assert ((above >= 19) & (above <= 21)).all()


def test_sign_loss_is_its_formula():
    heads, cells = sign_heads(1, 2), places(12)
    weight = torch.linspace(0.5, 2, 12)
    h = heads(cells).detach().numpy()[:, 0].astype(float)
    w = weight.numpy().astype(float)
    bucket = (h > 0.5) @ [1, 2]
    kinds = np.unique(bucket)
    means = [np.average(h[bucket == b], axis=0, weights=w[bucket == b]) - 0.5 for b in kinds]
    contrast = 0.0
    for cell, own, share in zip(h - 0.5, bucket, w, strict=True):
        cosines = [cell @ m / np.linalg.norm(cell) / np.linalg.norm(m) for m in means]
        powers = np.exp(10 * np.array(cosines))
        contrast -= share * np.log(powers[kinds == own][0] / powers.sum())
    shares = [np.average(a * b, weights=w) for a in (1 - h[:, 0], h[:, 0])
              for b in (1 - h[:, 1], h[:, 1])]  # fmt: skip
    imbalance = math.log(4) + sum(s * math.log(s) for s in shares)
    found = heads.loss(cells, weight).item()
    assert found == pytest.approx(contrast / w.sum() + imbalance, rel=1e-4)


def test_sign_loss_punishes_one_full_bucket():
    heads, cells = sign_heads(), places()
    even = heads.loss(cells, torch.ones(40)).item()
    with torch.no_grad():
        heads.bias += 20
    assert heads.loss(cells, torch.ones(40)).item() > even + 1


@pytest.mark.parametrize(("n_heads", "n_bits"), [(2, 0), (2, 11), (7, 9)])
def test_too_many_bits_are_refused(n_heads, n_bits):
    with pytest.raises(InputError, match="1 to 10 bits a head and at most 62"):
        sign_heads(n_heads, n_bits)


def test_words_start_as_means_of_their_cells():
    heads, cells = word_heads(), places()
    for head, views in enumerate(heads(cells)):
        nearest = heads.codes(cells)[:, head]
        shift = torch.stack([
            (views[nearest == w].mean(dim=0) - heads.words[head, w]).norm() for w in range(5)
        ])  # fmt: skip
        assert shift.max() < 0.5 * views.norm(dim=1).mean()


def test_more_words_than_cells():
    heads = QuantisedHeads(N_DIMS, 2, 9, generator=seeded())
    heads.start(places(4))
    assert heads.loss(places(4), torch.ones(4)).item() == pytest.approx(0, abs=1e-10)


def test_quantised_loss_is_its_formula():
    heads, cells = word_heads(), places(7, seed=1)
    weight = torch.linspace(0.5, 2, 7)
    directions, words = heads.directions.numpy(), heads.words.detach().numpy()
    total = 0.0
    for cell, share in zip(cells.numpy(), weight.tolist(), strict=True):
        for head in range(2):
            gaps = np.square(cell @ directions[head] - words[head])
            total += share * 1.25 * gaps.sum(axis=1).min() / gaps.shape[1] / 2
    found = heads.loss(cells, weight).item()
    assert found == pytest.approx(total / weight.sum().item(), rel=1e-4)


@pytest.mark.parametrize("soft", [False, True])
def test_quantised_loss_moves_cells_and_words_towards_each_other(soft):
    heads, cells = word_heads(soft=soft), places().requires_grad_()
    with torch.no_grad():  # away from the means, where k-means leaves them
        heads.words += 0.3 * torch.randn(heads.words.shape, generator=seeded(1))
    heads.loss(cells, torch.ones(40)).backward()
    before = heads.loss(cells, torch.ones(40)).item()
    with torch.no_grad():
        moved = heads.loss(cells - 20 * cells.grad, torch.ones(40)).item()
        heads.words -= heads.words.grad
        both = heads.loss(cells - 20 * cells.grad, torch.ones(40)).item()
    assert both < moved < before


@pytest.mark.parametrize("make", [sign_heads, word_heads])
def test_exported_heads_give_the_codes_of_the_module(make):
    heads, cells = make(), places(200, seed=3)
    weights = export_heads(heads)
    found = weights.codes(cells.numpy())
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, heads.codes(cells).detach().numpy())
    np.testing.assert_array_equal(weights.codes(cells.numpy()[7:8]), found[7:8])
    again = heads_from_arrays(weights.arrays())
    assert isinstance(again, (SignWeights, WordWeights))
    np.testing.assert_array_equal(again.codes(cells.numpy()), found)


def test_no_heads_in_other_arrays():
    assert heads_from_arrays({"inner": np.zeros(3)}) is None
