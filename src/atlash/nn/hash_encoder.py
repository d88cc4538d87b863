"""The network that embeds cells from their principal components, learned without labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from atlash.nn.count_losses import negative_binomial_loss, poisson_loss, zero_inflated_loss

if TYPE_CHECKING:
    from atlash.config import CountLaw

LEAST_LOG_DISPERSION = -8.0
"""Below it a negative binomial law is Poisson's, and float32 has no digits left."""


class PlaceEncoder(nn.Module):
    """A residual network: linear, layer norm, ReLU, linear, and a straight path beside it.

    The last layer starts at zero and the straight path at identity, so that learning starts
    from the components themselves.

    Parameters
    ----------
    n_components
        Width of the input.
    n_dims
        Width of the embedding, at most ``n_components``.
    n_hidden
        Hidden units.
    generator
        Of the initial weights.
    """

    def __init__(
        self, n_components: int, n_dims: int, n_hidden: int, *, generator: torch.Generator
    ) -> None:
        super().__init__()
        draws = torch.randn(n_components, n_hidden, generator=generator)
        self.inner = nn.Parameter(draws / n_components**0.5)
        self.inner_bias = nn.Parameter(torch.zeros(n_hidden))
        self.gain = nn.Parameter(torch.ones(n_hidden))
        self.shift = nn.Parameter(torch.zeros(n_hidden))
        self.last = nn.Parameter(torch.zeros(n_hidden, n_dims))
        self.straight = nn.Parameter(torch.eye(n_components, n_dims))
        self.last_bias = nn.Parameter(torch.zeros(n_dims))

    def forward(self, x: Tensor) -> Tensor:
        """Embed standardised places: ``(batch, n_components)`` to ``(batch, n_dims)``."""
        h = x @ self.inner + self.inner_bias
        h = F.relu(F.layer_norm(h, h.shape[-1:]) * self.gain + self.shift)
        return h @ self.last + x @ self.straight + self.last_bias


class CountDecoder(nn.Module):
    """Counts from the embedding through few directions: a low-rank model of their logarithm.

    Parameters
    ----------
    n_dims
        Width of the embedding.
    rank
        Directions.
    share
        Share of each gene in all counts ``(n_genes,)``, above 0: where learning starts.
    law
        ``"poisson"``, ``"nb"`` or ``"zinb"``.
    generator
        Of the initial weights.
    """

    def __init__(
        self,
        n_dims: int,
        rank: int,
        share: Tensor,
        *,
        law: CountLaw,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.law = law
        self.down = nn.Parameter(
            torch.randn(n_dims, rank, generator=generator) / (n_dims * rank) ** 0.5
        )
        self.genes = nn.Parameter(torch.zeros(rank, len(share)))
        self.base = nn.Parameter(share.log())
        self.log_dispersion = nn.Parameter(torch.zeros(len(share)))
        self.dropout_logit = nn.Parameter(torch.full((len(share),), -2.0))

    def loss(
        self,
        embedding: Tensor,
        counts: Tensor,
        drawn: Tensor,
        *,
        library: Tensor,
        weight: Tensor,
    ) -> Tensor:
        """Return the nats of a cell's counts, a dimension of the embedding.

        Parameters
        ----------
        embedding
            ``(batch, n_dims)``.
        counts
            Of the drawn genes ``(batch, n_drawn)``, floating dtype.
        drawn
            Genes ``(n_drawn,)``, int64; they stand for all.
        library
            All counts of each cell ``(batch,)``, above 0.
        weight
            Of each cell ``(batch,)``.
        """
        at = embedding @ self.down @ self.genes[:, drawn] + self.base[drawn]
        log_mean = at + library.log()[:, None]
        dispersion = self.log_dispersion[drawn].clamp_min(LEAST_LOG_DISPERSION)
        if self.law == "poisson":
            nats = poisson_loss(counts, log_mean)
        elif self.law == "nb":
            nats = negative_binomial_loss(counts, log_mean, dispersion)
        else:
            nats = zero_inflated_loss(
                counts, log_mean, dispersion, dropout_logit=self.dropout_logit[drawn]
            )
        nats_of_cell = len(self.base) * nats.mean(dim=1)
        return (weight * nats_of_cell).sum() / weight.sum() / embedding.shape[1]
