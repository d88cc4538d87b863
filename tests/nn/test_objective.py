from dataclasses import replace

import numpy as np
import pytest
import torch

from atlash.codes.anchors import make_anchors
from atlash.config import LossConfig, TrainConfig
from atlash.config.rare import LOSS_NAMES
from atlash.nn.losses import anchor_loss, quantisation_loss, similarity_loss
from atlash.nn.objective import Objective
from atlash.nn.parent_loss import ParentLoss

ANCHORS = make_anchors(3, 16)[0]
LABELS = np.repeat([0, 1, 2], [50, 30, 2])
CONFIG = TrainConfig()


def codes(members=2, seed=0):
    return torch.randn(members, 6, 16, generator=torch.Generator().manual_seed(seed))


TARGET = torch.eye(3)[[0, 1, 2, 0, 1, 2]]


@pytest.mark.parametrize("loss", ["class_balanced", "anchors_adjusted"])
def test_is_the_weighted_sum_of_its_parts_over_all_networks(loss):
    objective = Objective(ANCHORS, LABELS, replace(CONFIG, loss=loss))
    z, target = codes(), TARGET.repeat(2, 1)
    flat, anchors = z.reshape(12, 16), torch.from_numpy(ANCHORS).float()
    weight = target @ objective.weights
    logits = CONFIG.similarity_scale * torch.tanh(flat) @ anchors.T / 16
    over_types = weight
    if loss == "anchors_adjusted":
        logits = logits + torch.log(torch.tensor([50.0, 30.0, 2.0]))
        over_types = torch.ones(12)
    expected = (
        CONFIG.anchor_weight * anchor_loss(flat, target @ anchors, weight)
        + CONFIG.similarity_weight * similarity_loss(logits, target, over_types)
        + CONFIG.quantisation_weight * quantisation_loss(flat, CONFIG.quantisation)
    )
    assert objective(z, TARGET).item() == pytest.approx(expected.item(), rel=1e-5)


def test_rare_types_weigh_more_and_types_without_cells_do_no_harm():
    weights = Objective(ANCHORS, LABELS, CONFIG).weights
    assert weights[0] < weights[1] < weights[2]
    assert torch.isfinite(Objective(ANCHORS, LABELS[:80], CONFIG).weights).all()


def test_right_codes_cost_less_than_wrong_ones():
    objective = Objective(ANCHORS, LABELS, CONFIG)
    right = 2 * torch.from_numpy(ANCHORS).float()[[0, 1, 2, 0, 1, 2]]
    assert objective(right[None], TARGET) < objective(right[None].roll(1, dims=1), TARGET)


def test_anchors_are_learned_only_where_asked():
    fixed = Objective(ANCHORS, LABELS, CONFIG)
    assert not any(p.requires_grad for p in fixed.parameters())
    np.testing.assert_array_equal(fixed.current_anchors().numpy(), ANCHORS)
    learned = Objective(ANCHORS, LABELS, replace(CONFIG, learned_anchors=True))
    learned(codes(), TARGET).backward()
    assert learned.anchors.grad.abs().sum() > 0
    start = learned.current_anchors().detach().numpy()
    np.testing.assert_array_equal(np.sign(start), ANCHORS)
    assert np.abs(start).max() < 1


def at(loss):
    return Objective(ANCHORS, LABELS, replace(CONFIG, loss=loss))


def test_the_default_loss_is_the_one_for_long_tails():
    default = Objective(ANCHORS, LABELS, CONFIG)(codes(), TARGET)
    assert at("tail_adjusted")(codes(), TARGET) == default
    assert at("anchors_adjusted")(codes(), TARGET) != default


def test_types_of_few_cells_weigh_more_in_the_loss_over_types():
    """By the effective number of at most 20 cells, so that common types weigh nearly alike."""
    adjusted = at("tail_adjusted")
    np.testing.assert_array_equal(adjusted.weights, at("anchors_adjusted").weights)
    effective = np.array([(1 - 0.95**n) / 0.05 for n in (50, 30, 2)])
    expected = (1 / effective) * 3 / (1 / effective).sum()
    np.testing.assert_allclose(adjusted.similarity_weights, expected, rtol=1e-5)
    own = LossConfig(class_balance=CONFIG.class_balance, prior_strength=1.0)
    both = at(LossConfig(prior_strength=1.0))
    assert at(own)(codes(), TARGET) == both(codes(), TARGET)


def test_plain_cross_entropy_weighs_all_cells_alike():
    objective, flat = at("plain"), codes().reshape(12, 16)
    target, anchors = TARGET.repeat(2, 1), torch.from_numpy(ANCHORS).float()
    logits = CONFIG.similarity_scale * torch.tanh(flat) @ anchors.T / 16
    even = torch.ones(12)
    expected = (
        anchor_loss(flat, target @ anchors, even)
        + similarity_loss(logits, target, even)
        + CONFIG.quantisation_weight * quantisation_loss(flat, CONFIG.quantisation)
    )
    assert objective(codes(), TARGET).item() == pytest.approx(expected.item(), rel=1e-5)


def test_class_weights_stay_in_the_anchor_loss_where_asked():
    both, anchors, none = (at(LossConfig(weights=where)) for where in ("both", "anchors", "none"))
    assert torch.equal(anchors.weights, both.weights)
    assert torch.equal(anchors.similarity_weights, none.similarity_weights)
    assert none.weights.tolist() == [1, 1, 1]


@pytest.mark.parametrize("name", LOSS_NAMES)
def test_every_loss_prefers_right_codes(name):
    right = 2 * torch.from_numpy(ANCHORS).float()[[0, 1, 2, 0, 1, 2]][None]
    objective = at(name)
    assert objective(right, TARGET) < objective(right.roll(1, dims=1), TARGET)


def test_scaled_losses_read_cosines():
    assert at("clouded").similarity_scale == 1
    assert at("ginf").similarity_scale == CONFIG.similarity_scale


def test_parents_add_their_loss_and_nothing_else():
    parents = np.array([0, 1, 0])
    z, target = codes(), TARGET.repeat(2, 1)
    plain = Objective(ANCHORS, LABELS, CONFIG)
    config = replace(CONFIG, parent_weight=0.7)
    both = Objective(ANCHORS, LABELS, config, parents=parents)
    flat, anchors = z.reshape(12, 16), torch.from_numpy(ANCHORS).float()
    logits = CONFIG.similarity_scale * torch.tanh(flat) @ anchors.T / 16
    added = 0.7 * ParentLoss(parents)(logits, target, target @ plain.weights)
    assert both(z, TARGET).item() == pytest.approx((plain(z, TARGET) + added).item(), rel=1e-5)
    none = Objective(ANCHORS, LABELS, replace(CONFIG, parent_weight=0.0), parents=parents)
    assert none(z, TARGET).item() == plain(z, TARGET).item()
