from itertools import combinations

import numpy as np
import pytest
import torch

from atlash.config import TrainConfig
from atlash.nn.encoder import HashEncoder

CONFIG = TrainConfig(
    n_members=2,
    n_hidden=16,
    n_hidden_2=8,
    n_component_members=3,
    n_component_hidden=8,
    dropout=0.5,
)


def encoder(axes, random_state=0, config=CONFIG):
    return HashEncoder(
        torch.from_numpy(axes), 16, config, device=torch.device("cpu"), random_state=random_state
    )


def test_initial_weights_follow_the_seed_alone(axes):
    torch.manual_seed(1)
    one = encoder(axes).state_dict()
    torch.manual_seed(2)
    same, other = encoder(axes).state_dict(), encoder(axes, random_state=1).state_dict()
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["first"], other["first"])


def test_making_and_running_one_leaves_the_global_generator_alone(axes):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    encoder(axes)(torch.ones(4, 30))
    assert torch.equal(before, torch.get_rng_state())


def test_one_code_a_network(axes):
    codes = encoder(axes).eval()(torch.ones(4, 30))
    assert codes.shape == (5, 4, 16)  # two of genes, three of components


def test_dropout_is_at_work_in_training_only(axes):
    model, x = encoder(axes), torch.ones(5, 30)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


def test_dropout_keeps_the_mean(axes):
    model = encoder(axes)
    h = torch.ones(1, 2000, 16) + torch.linspace(-1, 1, 16)
    gain, shift = torch.ones(16), torch.full((16,), 5.0)
    dropped = model._activate(h, gain, shift)
    model.eval()
    kept = model._activate(h, gain, shift)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.5, abs=0.02)
    assert dropped.mean().item() == pytest.approx(kept.mean().item(), rel=0.03)


def test_members_are_not_copies_of_each_other(axes):
    codes = encoder(axes).eval()(torch.ones(4, 30))
    for one, other in combinations(codes, 2):
        assert not torch.allclose(one, other)


def test_axes_are_not_learned(axes):
    model = encoder(axes)
    assert "axes" not in dict(model.named_parameters())
    np.testing.assert_array_equal(model.state_dict()["axes"].numpy(), axes)


def test_component_parameters_are_those_of_the_component_network(axes):
    model = encoder(axes)
    x = torch.randn(5, 30, generator=torch.Generator().manual_seed(0))
    model._from_components(x).sum().backward()
    reached = {id(p) for p in model.parameters() if p.grad is not None}
    assert reached == {id(p) for p in model.component_parameters()}
