"""Local attention: a cell reads from the few cells nearest to it.

The tokens of a cell are itself and its nearest cells. Only its own token asks: what the others
would read is never looked at in one layer, so that a layer costs a cell ``k`` products.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from atlash.nn.tiles import padded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from atlash.nn.tiles import Floats

    Rows = NDArray[np.int32]

LEAST_DISTANCE = 1e-12


class AttentionLayer(nn.Module):
    """One layer of attention with several heads, whose readout is the cell's own token.

    A head's logit is ``q k / sqrt(width)`` less a learned slope times the squared distance,
    relative to the mean over the tokens. What all heads read and the cell's own place go through
    a residual network: linear, layer norm, ReLU, linear, and a straight path, identity at first.

    Parameters
    ----------
    n_dims
        Width of places.
    n_heads, n_units
        Heads, and units of all of them together: a multiple of ``n_heads``.
    n_hidden
        Units of the residual network.
    generator
        Of the initial weights.
    """

    def __init__(
        self,
        n_dims: int,
        n_heads: int,
        n_units: int,
        *,
        n_hidden: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()

        def linear(n_in: int, n_out: int) -> nn.Parameter:
            return nn.Parameter(torch.randn(n_in, n_out, generator=generator) / n_in**0.5)

        self.query, self.key = linear(n_dims, n_units), linear(n_dims, n_units)
        self.value = linear(n_dims, n_units)
        self.log_slope = nn.Parameter(torch.zeros(n_heads))
        self.own = nn.Parameter(torch.zeros(n_heads))
        self.inner = linear(n_dims + n_units, n_hidden)
        self.inner_bias = nn.Parameter(torch.zeros(n_hidden))
        self.gain = nn.Parameter(torch.ones(n_hidden))
        self.shift = nn.Parameter(torch.zeros(n_hidden))
        self.last = nn.Parameter(torch.zeros(n_hidden, n_dims))
        self.straight = nn.Parameter(torch.eye(n_dims + n_units, n_dims))
        self.last_bias = nn.Parameter(torch.zeros(n_dims))

    def forward(self, places: Tensor, tokens: Tensor, there: Tensor) -> Tensor:
        """Return what cells are after attention ``(batch, n_dims)``.

        Parameters
        ----------
        places
            Standardised places of the cells ``(batch, n_dims)``.
        tokens
            Of the cells nearest to them ``(batch, k, n_dims)``.
        there
            False for tokens to leave out ``(batch, k)``.
        """
        heads = len(self.own)
        squared = (tokens - places[:, None]).square().sum(dim=2) * there
        mean = squared.sum(dim=1) / there.sum(dim=1).clamp_min(1)
        relative = squared / mean.clamp_min(LEAST_DISTANCE)[:, None]
        all_tokens = torch.cat([tokens, places[:, None]], dim=1)
        query = (places @ self.query).reshape(len(places), heads, -1)
        key = (all_tokens @ self.key).reshape(*all_tokens.shape[:2], heads, -1)
        value = (all_tokens @ self.value).reshape(*all_tokens.shape[:2], heads, -1)
        logits = torch.einsum("bhw,bkhw->bhk", query, key) / query.shape[2] ** 0.5
        near = -self.log_slope.exp()[None, :, None] * relative[:, None]
        near = near.masked_fill(~there[:, None], -torch.inf)
        own = self.own[None, :, None].expand(len(places), -1, -1)
        share = torch.softmax(logits + torch.cat([near, own], dim=2), dim=2)
        read = torch.einsum("bhk,bkhw->bhw", share, value).flatten(1)
        x = torch.cat([places, read], dim=1)
        h = F.layer_norm(x @ self.inner + self.inner_bias, self.gain.shape)
        return F.relu(h * self.gain + self.shift) @ self.last + x @ self.straight + self.last_bias


@dataclass(frozen=True)
class AttentionWeights:
    """A learned :class:`AttentionLayer` as plain arrays; names are those of the layer.

    Attributes
    ----------
    query, key, value
        ``(n_dims, n_units)``.
    slope, own
        ``(n_heads,)``: of distance, and for the cell's own token.
    inner, inner_bias, gain, shift, last, straight, last_bias
        Of the residual network, over a place and what was read.
    mean, scale
        Places enter as ``(place - mean) / scale`` and leave so: ``(n_dims,)``, ``(1,)``.
    """

    query: Floats
    key: Floats
    value: Floats
    slope: Floats
    own: Floats
    inner: Floats
    inner_bias: Floats
    gain: Floats
    shift: Floats
    last: Floats
    straight: Floats
    last_bias: Floats
    mean: Floats
    scale: Floats

    @classmethod
    def of(
        cls, layer: AttentionLayer, mean: NDArray[np.float64], scale: float
    ) -> AttentionWeights:
        """Take the weights of a layer."""
        state = {
            k: p.detach().cpu().numpy().astype(np.float32) for k, p in layer.named_parameters()
        }
        state["slope"] = np.exp(state.pop("log_slope"))
        centre, width = mean.astype(np.float32), np.array([scale], dtype=np.float32)
        return cls(**state, mean=centre, scale=width)

    def arrays(self) -> dict[str, Floats]:
        """Return all arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Floats]) -> AttentionWeights:
        """Return the weights that :meth:`arrays` has given away."""
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})


class Attention:
    """A learned layer over given cells, without torch; a block of cells at a time.

    Keys and values of all cells are computed once, ``8 n_units`` bytes a cell.

    Parameters
    ----------
    places
        Of all cells ``(n, n_dims)``, float32.
    rows
        Tokens of each cell, as row numbers ``(n, k)``; negative ones are left out.
    weights
        The layer.
    """

    def __init__(self, places: Floats, rows: Rows, weights: AttentionWeights) -> None:
        self.weights, self.rows = weights, np.ascontiguousarray(rows, dtype=np.int32)
        self.places = np.ascontiguousarray((places - weights.mean) / weights.scale)
        self.keys = _product(self.places, weights.key)
        self.values = _product(self.places, weights.value)

    def block(self, start: int, stop: int) -> Floats:
        """Return cells ``start`` to ``stop`` after attention ``(stop - start, n_dims)``."""
        from atlash.nn._attention import attention  # numba: imported when needed
        from atlash.nn._dense import residual_network

        w, own = self.weights, self.places[start:stop]
        read = np.empty((len(own), w.value.shape[1]), dtype=np.float32)
        queries = _product(own, w.query)
        attention(
            self.places, queries, self.keys, self.values, self.rows, start, w.slope, w.own, read
        )
        out = np.empty((len(own), padded(w.last_bias).shape[0]), dtype=np.float32)
        inner = padded(w.inner), padded(w.inner_bias), w.gain, w.shift
        last = padded(w.last), padded(w.straight), padded(w.last_bias)
        residual_network(np.hstack([own, read]), inner, last, out)
        return out[:, : len(w.last_bias)] * w.scale + w.mean


def kernel_block(places: Floats, rows: Rows, cells: slice, *, temperature: float) -> Floats:
    """Average some cells with their tokens, without anything learned.

    Weights are ``exp(-d^2 / (temperature s))``, ``s`` the mean of ``d^2`` over the tokens; the
    cell's own is 1. Sums are of float64.

    Parameters
    ----------
    places
        Of all cells ``(n, n_dims)``, float32, contiguous.
    rows
        Tokens of each cell ``(n, k)``, int32, contiguous; negative ones are left out.
    cells
        Cells to average.
    temperature
        Above 0; the larger, the more alike the weights.
    """
    from atlash.nn._attention import kernel_average  # numba: imported when needed

    out = np.empty((cells.stop - cells.start, places.shape[1]), dtype=np.float32)
    kernel_average(places, rows, cells.start, temperature, out)
    return out


def _product(x: Floats, matrix: Floats) -> Floats:
    """Return ``x @ matrix``, each row on its own and in a fixed order."""
    from atlash.nn._dense import affine  # numba: imported when needed

    wide = padded(matrix)
    out = np.empty((len(x), wide.shape[1]), dtype=np.float32)
    affine(np.ascontiguousarray(x), wide, np.zeros(wide.shape[1], np.float32), out)
    return out
