"""The parents' loss is the cross entropy of summed probabilities."""

import numpy as np
import pytest
import torch

from atlash.nn.parent_loss import ParentLoss

PARENTS = np.array([1, 0, 1, 2, 0, 1])


def drawn(random_state=0, n=7):
    rng = torch.Generator().manual_seed(random_state)
    logits = 4 * torch.randn(n, len(PARENTS), generator=rng, dtype=torch.float64)
    target = torch.softmax(torch.randn(n, len(PARENTS), generator=rng, dtype=torch.float64), 1)
    weight = torch.rand(n, generator=rng, dtype=torch.float64) + 0.1
    return logits, target, weight


def in_double(parents):
    loss = ParentLoss(parents)
    return loss.double()


def test_it_agrees_with_sums_of_probabilities():
    logits, target, weight = drawn()
    probability = torch.softmax(logits, dim=1).numpy()
    total = 0.0
    for i in range(len(logits)):
        for parent in range(3):
            child = parent == PARENTS
            share = float(target[i].numpy()[child].sum())
            total -= float(weight[i]) * share * np.log(probability[i, child].sum())
    wanted = total / float(weight.sum())
    assert float(in_double(PARENTS)(logits, target, weight)) == pytest.approx(wanted, rel=1e-6)


def test_the_gradient_is_that_of_differences():
    logits, target, weight = drawn(1, n=3)
    logits.requires_grad_(True)
    loss = in_double(PARENTS)
    assert torch.autograd.gradcheck(lambda x: loss(x, target, weight), (logits,))


def test_errors_among_siblings_cost_nothing():
    """A cell of one child that looks like its sibling is right at this level."""
    loss = ParentLoss(np.array([0, 0, 1]))
    target, weight = torch.tensor([[1.0, 0.0, 0.0]]), torch.ones(1)
    assert float(loss(torch.tensor([[-30.0, 30.0, -30.0]]), target, weight)) < 1e-6
    assert float(loss(torch.tensor([[-30.0, -30.0, 30.0]]), target, weight)) > 50


def test_each_type_its_own_parent_gives_the_plain_cross_entropy():
    logits, _, _ = drawn(2)
    kinds = torch.arange(7) % len(PARENTS)
    target = torch.nn.functional.one_hot(kinds, len(PARENTS)).double()
    got = in_double(np.arange(len(PARENTS)))(logits, target, torch.ones(7, dtype=torch.float64))
    assert float(got) == pytest.approx(float(torch.nn.functional.cross_entropy(logits, kinds)))


def test_extreme_similarities_stay_finite():
    logits = torch.tensor([[-2e4, -2e4, -2e4, 2e4, -2e4, -2e4]], requires_grad=True)
    target = torch.tensor([[1.0, 0, 0, 0, 0, 0]])
    loss = ParentLoss(PARENTS)(logits, target, torch.ones(1))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
