import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F  # noqa: N812

from atlash.config.rare import LOSS_NAMES, LossConfig, loss_config
from atlash.nn.tail_losses import TailLoss, adjust, focal_loss, rarity

COUNTS = np.array([1000, 500, 100, 50, 10])
DELTA = (0.0, 0.6931, 2.3026, 2.9957, 4.6052)
TARGET = torch.eye(5, dtype=torch.float64)[[0, 1, 2, 3, 4, 4, 0]]
EVEN = torch.ones(7, dtype=torch.float64)


def logits(seed=0):
    draws = torch.randn(7, 5, generator=torch.Generator().manual_seed(seed))
    return draws.double()


def delta():
    return torch.from_numpy(rarity(COUNTS))


def test_rarity_has_the_published_values():
    np.testing.assert_allclose(rarity(COUNTS), DELTA, atol=5e-5)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_rarity_is_finite_and_zero_for_the_commonest(counts):
    found = rarity(np.array(counts))
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert found[np.argmax(counts)] == 0


def test_gaussian_inflation_by_hand():
    noise = 0.1 * logits(1)
    found = adjust(logits(), TARGET, delta(), config=loss_config("ginf"), noise=noise)
    for cell in range(7):
        for kind in range(5):
            by_hand = logits()[cell, kind] + np.log(1000 / COUNTS[kind]) * noise[cell, kind]
            assert found[cell, kind].item() == pytest.approx(by_hand.item(), abs=1e-5)


def test_the_clouded_logit_by_hand():
    noise = logits(1)
    cosines = torch.tanh(logits())
    found = adjust(cosines, TARGET, delta(), config=loss_config("clouded"), noise=noise)
    for cell in range(7):
        for kind in range(5):
            size = min(abs(noise[cell, kind].item()), 1.0)
            by_hand = cosines[cell, kind].item() - size * DELTA[kind] / DELTA[-1]
            by_hand -= 0.5 * TARGET[cell, kind].item()
            assert found[cell, kind].item() == pytest.approx(30 * by_hand, abs=1e-3)


def test_logit_adjustment_is_the_balanced_softmax():
    adjusted = adjust(logits(), TARGET, delta(), config=loss_config("logit_adjusted"), noise=None)
    balanced = logits() + torch.log(torch.from_numpy(COUNTS).double())
    expected = F.log_softmax(balanced, dim=1)
    torch.testing.assert_close(F.log_softmax(adjusted, dim=1), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("focus", [0.0, 0.5, 2.0])
def test_the_focal_loss_by_hand(focus):
    p = torch.softmax(logits(), dim=1)[torch.arange(7), TARGET.argmax(dim=1)]
    expected = (-((1 - p) ** focus) * torch.log(p)).mean()
    torch.testing.assert_close(focal_loss(logits(), TARGET, EVEN, focus=focus), expected)


@pytest.mark.parametrize("focus", [0.5, 2.0])
def test_the_focal_loss_of_certain_cells_has_a_slope(focus):
    certain = (200 * TARGET).float().requires_grad_()
    focal_loss(certain, TARGET.float(), EVEN.float(), focus=focus).backward()
    assert torch.isfinite(certain.grad).all()


@pytest.mark.parametrize("name", LOSS_NAMES)
def test_gradients_are_those_of_finite_differences(name):
    config, z = loss_config(name), logits().requires_grad_()
    loss = TailLoss(COUNTS, config, random_state=0).double()

    def of_logits(z):
        loss.generator.manual_seed(5)  # the same noise at every point
        return loss(z, TARGET, EVEN)

    assert torch.autograd.gradcheck(of_logits, (z,))


@pytest.mark.parametrize("name", ["ginf", "clouded"])
def test_the_commonest_type_gets_no_noise_and_the_rarest_the_most(name):
    config = loss_config(name)
    zero = torch.zeros(4000, 5, dtype=torch.float64)
    noise = (
        config.sigma * torch.randn(4000, 5, generator=torch.Generator().manual_seed(0)).double()
    )
    found = adjust(zero, zero, delta(), config=config, noise=noise)
    spread = found.std(dim=0)
    assert spread[0] == 0
    assert (spread.diff() > 0).all()
    assert (found.max() > 0) == config.signed


def test_the_seed_decides_the_noise_and_global_seeds_do_not_matter():
    def value(seed, calls=1):
        loss = TailLoss(COUNTS, loss_config("ginf"), random_state=seed)
        return [loss(logits(), TARGET, EVEN).item() for _ in range(calls)]

    torch.manual_seed(0)
    one = value(3, calls=2)
    torch.manual_seed(1)
    assert value(3, calls=2) == one
    assert one[0] != one[1]
    assert value(4) != one[:1]


def test_the_noise_leaves_torchs_own_generator_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    TailLoss(COUNTS, loss_config("clouded"), random_state=0)(logits(), TARGET, EVEN)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", LOSS_NAMES)
@pytest.mark.parametrize("counts", [[5, 5, 5, 5, 5], [9, 0, 0, 1, 2]])
def test_even_and_missing_types_do_no_harm(name, counts):
    loss = TailLoss(np.array(counts), loss_config(name), random_state=0)
    assert torch.isfinite(loss(logits(), TARGET, EVEN))


def test_mixed_targets_are_taken():
    mixed = 0.7 * TARGET + 0.3 * TARGET.roll(1, dims=0)
    for name in LOSS_NAMES:
        loss = TailLoss(COUNTS, loss_config(name), random_state=0)
        assert loss(logits(), mixed, EVEN) > 0


def test_options_are_returned_as_they_are_and_names_must_be_known():
    config = LossConfig(margin=0.1)
    assert loss_config(config) is config
    with pytest.raises(KeyError):
        loss_config("gauss")
