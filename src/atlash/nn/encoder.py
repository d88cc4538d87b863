"""The hash encoder as a torch module: networks over genes and over components."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from atlash.nn.weights import EncoderWeights

if TYPE_CHECKING:
    from atlash.config import TrainConfig
    from atlash.nn.batches import Standardiser


class HashEncoder(nn.Module):
    """Networks that read the same cells and are averaged in code space.

    A gene network is linear, layer norm, ReLU, linear, layer norm, ReLU, linear. A component
    network reads principal components, whose axes are fixed: linear, layer norm, ReLU, linear,
    and a linear path beside it. Genes tell types with markers of their own apart; components
    hold the many small differences between close types, and need fewer cells. Layer norm
    makes the first layer indifferent to the number of measured genes.

    Parameters
    ----------
    axes
        Principal axes ``(n_features, n_components)``, scaled to components of about unit size.
    n_bits
        Code length.
    config
        Numbers of networks and widths.
    device
        Where the encoder lives; the initial weights are the same everywhere.
    random_state
        Seed of the initial weights and of dropout.
    """

    axes: Tensor

    def __init__(
        self,
        axes: Tensor,
        n_bits: int,
        config: TrainConfig,
        *,
        device: torch.device,
        random_state: int,
    ) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.generator = torch.Generator(device).manual_seed(random_state)
        start = torch.Generator().manual_seed(random_state)
        n_features, n_components = axes.shape
        members, hidden, hidden_2 = config.n_members, config.n_hidden, config.n_hidden_2
        readers, width = config.n_component_members, config.n_component_hidden

        def linear(n: int, n_in: int, n_out: int) -> nn.Parameter:
            draws = torch.randn(n, n_in, n_out, generator=start)
            return nn.Parameter((draws / (3 * n_in) ** 0.5).to(device))

        def vector(n: int, length: int, value: float) -> nn.Parameter:
            return nn.Parameter(torch.full((n, 1, length), value, device=device))

        self.first = linear(members, n_features, hidden)
        self.first_bias, self.first_shift = (
            vector(members, hidden, 0.0),
            vector(members, hidden, 0.0),
        )
        self.first_gain = vector(members, hidden, 1.0)
        self.second = linear(members, hidden, hidden_2)
        self.second_bias = vector(members, hidden_2, 0.0)
        self.second_shift = vector(members, hidden_2, 0.0)
        self.second_gain = vector(members, hidden_2, 1.0)
        self.last = linear(members, hidden_2, n_bits)
        self.last_bias = vector(members, n_bits, 0.0)

        self.register_buffer("axes", axes.to(device))
        self.component = linear(readers, n_components, width)
        self.component_bias, self.component_shift = (
            vector(readers, width, 0.0),
            vector(readers, width, 0.0),
        )
        self.component_gain = vector(readers, width, 1.0)
        self.component_last = linear(readers, width, n_bits)
        self.component_skip = linear(readers, n_components, n_bits)
        self.component_last_bias = vector(readers, n_bits, 0.0)

    def forward(self, x: Tensor) -> Tensor:
        """Return each network's code: ``(batch, n_features)`` to ``(m + c, batch, n_bits)``."""
        return torch.cat([self._from_genes(x), self._from_components(x)])

    def component_parameters(self) -> list[nn.Parameter]:
        """Return what the component networks learn; they take a faster rate."""
        return [p for name, p in self.named_parameters() if name.startswith("component")]

    def _from_genes(self, x: Tensor) -> Tensor:
        h = torch.matmul(x, self.first) + self.first_bias
        h = self._activate(h, self.first_gain, self.first_shift)
        h = torch.bmm(h, self.second) + self.second_bias
        h = self._activate(h, self.second_gain, self.second_shift)
        return torch.bmm(h, self.last) + self.last_bias

    def _from_components(self, x: Tensor) -> Tensor:
        u = x @ self.axes
        h = torch.matmul(u, self.component) + self.component_bias
        h = self._activate(h, self.component_gain, self.component_shift)
        straight = torch.matmul(u, self.component_skip)
        return torch.bmm(h, self.component_last) + straight + self.component_last_bias

    def _activate(self, h: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
        """Layer norm, ReLU, and dropout from our own generator: torch's has a global one."""
        h = F.relu(F.layer_norm(h, h.shape[-1:]) * gain + shift)
        if not self.training or self.dropout == 0:
            return h
        keep = torch.rand(h.shape, generator=self.generator, device=h.device) >= self.dropout
        return h * keep / (1 - self.dropout)


def export_weights(encoder: HashEncoder, standardiser: Standardiser) -> EncoderWeights:
    """Return the weights as arrays, together with how the input is standardised."""
    state = {name: p.detach().cpu().numpy() for name, p in encoder.named_parameters()}
    members, n_features, n_hidden = state["first"].shape
    gene_layers = state["first"].transpose(1, 0, 2).reshape(n_features, members * n_hidden)
    state["first"] = np.hstack([gene_layers, encoder.axes.cpu().numpy()])
    for name, array in state.items():
        flat = array.squeeze(-2) if name.endswith(("bias", "gain", "shift")) else array
        state[name] = np.ascontiguousarray(flat, dtype=np.float32)
    return EncoderWeights(
        mean=standardiser.mean,
        inverse_scale=standardiser.inverse_scale,
        upper=np.array([standardiser.upper], np.float32),
        **state,
    )
