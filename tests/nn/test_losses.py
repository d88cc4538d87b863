import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from atlash.nn.losses import anchor_loss, class_weights, quantisation_loss, similarity_loss

COUNTS = st.lists(st.integers(1, 100_000), min_size=1, max_size=30)


def draw(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def signs(*shape, seed=0):
    return torch.where(draw(*shape, seed=seed) > 0, 1.0, -1.0).double()


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


@given(COUNTS, st.sampled_from([0.0, 0.5, 0.99, 0.9999]))
def test_class_weights_follow_the_effective_number_of_cells(counts, beta):
    effective = [sum(beta**k for k in range(n)) if n < 2000 else (1 - beta**n) / (1 - beta)
                 for n in counts]  # fmt: skip
    inverse = np.array([1 / e for e in effective])
    found = class_weights(np.array(counts), beta=beta)
    np.testing.assert_allclose(found, inverse * len(counts) / inverse.sum(), rtol=1e-9)
    assert found.sum() == pytest.approx(len(counts))


def test_class_weights_range_from_alike_to_inverse():
    counts = np.array([1, 10, 100])
    np.testing.assert_allclose(class_weights(counts, beta=0.0), 1)
    inverse = class_weights(counts, beta=1 - 1e-9)
    np.testing.assert_allclose(inverse[0] / inverse, counts, rtol=1e-5)


def test_anchor_loss_is_the_weighted_cross_entropy_of_bits():
    z, anchors, weight = draw(5, 8), signs(5, 8, seed=1), torch.tensor([1.0, 2, 0.5, 3, 1])
    total = 0.0
    for cell in range(5):
        for bit in range(8):
            p = sigmoid(2 * z[cell, bit].item())
            right = p if anchors[cell, bit] > 0 else 1 - p
            total -= weight[cell].item() * math.log(right) / 8
    expected = total / weight.sum().item()
    assert anchor_loss(z, anchors, weight).item() == pytest.approx(expected)


def test_anchor_loss_takes_mixtures_of_anchors():
    z, one, other = draw(4, 8), signs(4, 8, seed=1), signs(4, 8, seed=2)
    weight = torch.ones(4).double()
    mixed = anchor_loss(z, 0.3 * one + 0.7 * other, weight)
    apart = 0.3 * anchor_loss(z, one, weight) + 0.7 * anchor_loss(z, other, weight)
    assert mixed.item() == pytest.approx(apart.item())


def test_anchor_loss_knows_chance_right_and_wrong():
    anchors, weight = signs(6, 16), torch.ones(6).double()
    assert anchor_loss(0 * anchors, anchors, weight).item() == pytest.approx(math.log(2))
    assert anchor_loss(40 * anchors, anchors, weight).item() == pytest.approx(0, abs=1e-12)
    assert anchor_loss(-40 * anchors, anchors, weight).item() == pytest.approx(80)


def test_similarity_loss_is_the_weighted_cross_entropy_of_types():
    logits, weight = draw(5, 3), torch.tensor([1.0, 2, 0.5, 3, 1]).double()
    target = torch.softmax(draw(5, 3, seed=1), dim=1)
    total = 0.0
    for cell in range(5):
        powers = [math.exp(v) for v in logits[cell].tolist()]
        for kind in range(3):
            nats = math.log(powers[kind] / sum(powers))
            total -= weight[cell].item() * target[cell, kind].item() * nats
    expected = total / weight.sum().item()
    assert similarity_loss(logits, target, weight).item() == pytest.approx(expected)


def test_similarity_loss_at_chance_is_log_of_the_number_of_types():
    target = torch.eye(7).double()
    loss = similarity_loss(torch.zeros(7, 7).double(), target, torch.ones(7).double())
    assert loss.item() == pytest.approx(math.log(7))


@pytest.mark.parametrize("gamma", [0.5, 1.0, 20.0])
def test_cauchy_quantisation_is_its_formula(gamma):
    z = draw(5, 8)
    cells = [math.log1p(sum(1 - abs(math.tanh(v)) for v in row) / gamma) for row in z.tolist()]
    found = quantisation_loss(z, "cauchy", gamma=gamma)
    assert found.item() == pytest.approx(sum(cells) / 5)


def test_squared_quantisation_is_its_formula():
    z = draw(5, 8)
    gaps = [(abs(math.tanh(v)) - 1) ** 2 for v in z.flatten().tolist()]
    assert quantisation_loss(z, "squared").item() == pytest.approx(sum(gaps) / 40)


@pytest.mark.parametrize("kind", ["squared", "cauchy"])
def test_quantisation_is_greatest_undecided_and_zero_for_binary_codes(kind):
    binary = 30 * signs(5, 8)
    assert quantisation_loss(binary, kind).item() == pytest.approx(0, abs=1e-12)
    undecided = quantisation_loss(0 * binary, kind).item()
    assert undecided == pytest.approx({"squared": 1.0, "cauchy": math.log(9)}[kind])
    assert undecided > quantisation_loss(draw(5, 8), kind).item() > 0


def test_no_quantisation_is_zero():
    assert quantisation_loss(draw(5, 8), "none").item() == 0


@pytest.mark.parametrize("kind", ["squared", "cauchy"])
def test_gradient_of_quantisation(kind):
    z = draw(3, 8).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: quantisation_loss(z, kind), z)


def test_gradients_of_anchor_and_similarity_loss():
    z = draw(3, 8).requires_grad_()
    weight = torch.tensor([1.0, 2, 0.5]).double()
    anchors, target = signs(3, 8, seed=1), torch.softmax(draw(3, 8, seed=2), dim=1)
    assert torch.autograd.gradcheck(lambda z: anchor_loss(z, anchors, weight), z)
    assert torch.autograd.gradcheck(lambda z: similarity_loss(z, target, weight), z)
