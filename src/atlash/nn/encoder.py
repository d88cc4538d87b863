"""The hash encoder as a torch module: several small networks over one input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from atlash.nn.weights import EncoderWeights

if TYPE_CHECKING:
    from atlash.nn.batches import Standardiser


class HashEncoder(nn.Module):
    """Members that read the same cells and are averaged in code space.

    Each member is linear, layer norm, ReLU, linear, layer norm, ReLU, linear, with a linear
    path from the first layer norm to the code. The layer norm makes the first layer
    indifferent to the number of measured genes.

    Parameters
    ----------
    n_features
        Genes read.
    n_bits
        Code length.
    n_members
        Networks averaged.
    n_hidden, n_hidden_2
        Widths of a member's hidden layers.
    dropout
        Share of hidden units dropped in training, in [0, 1).
    device
        Where the encoder lives; the initial weights are the same everywhere.
    random_state
        Seed of the initial weights and of dropout.
    """

    def __init__(
        self,
        n_features: int,
        n_bits: int,
        *,
        n_members: int,
        n_hidden: int,
        n_hidden_2: int,
        dropout: float,
        device: torch.device,
        random_state: int,
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.generator = torch.Generator(device).manual_seed(random_state)
        generator = torch.Generator().manual_seed(random_state)

        def linear(n_in: int, n_out: int) -> nn.Parameter:
            draws = torch.randn(n_members, n_in, n_out, generator=generator)
            return nn.Parameter((draws / (3 * n_in) ** 0.5).to(device))

        def vector(n: int, value: float) -> nn.Parameter:
            return nn.Parameter(torch.full((n_members, 1, n), value, device=device))

        self.first = linear(n_features, n_hidden)
        self.first_bias, self.first_shift = vector(n_hidden, 0.0), vector(n_hidden, 0.0)
        self.first_gain = vector(n_hidden, 1.0)
        self.second = linear(n_hidden, n_hidden_2)
        self.second_bias, self.second_shift = vector(n_hidden_2, 0.0), vector(n_hidden_2, 0.0)
        self.second_gain = vector(n_hidden_2, 1.0)
        self.skip = linear(n_hidden, n_bits)
        self.last = linear(n_hidden_2, n_bits)
        self.last_bias = vector(n_bits, 0.0)

    def forward(self, x: Tensor) -> Tensor:
        """Return each member's code: ``(batch, n_features)`` to ``(members, batch, n_bits)``."""
        h = torch.matmul(x, self.first) + self.first_bias
        h = self._normalise(h, self.first_gain, self.first_shift)
        z = torch.bmm(self._drop(h), self.skip) + self.last_bias
        h = torch.bmm(self._drop(F.relu(h)), self.second) + self.second_bias
        h = F.relu(self._normalise(h, self.second_gain, self.second_shift))
        return torch.baddbmm(z, self._drop(h), self.last)

    @staticmethod
    def _normalise(h: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
        return F.layer_norm(h, h.shape[-1:]) * gain + shift

    def _drop(self, h: Tensor) -> Tensor:
        """Dropout from our own generator: torch's draws from a global one."""
        if not self.training or self.dropout == 0:
            return h
        keep = torch.rand(h.shape, generator=self.generator, device=h.device) >= self.dropout
        return h * keep / (1 - self.dropout)


def export_weights(encoder: HashEncoder, standardiser: Standardiser) -> EncoderWeights:
    """Return the weights as arrays, together with how the input is standardised."""
    state = {name: p.detach().cpu().numpy() for name, p in encoder.named_parameters()}
    members, n_features, n_hidden = state["first"].shape
    state["first"] = state["first"].transpose(1, 0, 2).reshape(n_features, members * n_hidden)
    for name, array in state.items():
        squeezed = array[:, 0] if name.endswith(("bias", "gain", "shift")) else array
        state[name] = np.ascontiguousarray(squeezed, dtype=np.float32)
    return EncoderWeights(
        mean=standardiser.mean,
        inverse_scale=standardiser.inverse_scale,
        upper=np.array([standardiser.upper], np.float32),
        **state,
    )
