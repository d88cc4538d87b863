"""Cross entropy over types for long tails: logits adjusted by how rare types are.

One form holds the published ones. With ``n`` cells of each type,

    d = log(n_max + epsilon) - log(n + epsilon)
    z' = scale * (z + e d - prior_strength d - margin target)

and the loss is the cross entropy, or focal loss, of ``z'``. The commonest type has ``d = 0``.

- Gaussian inflation, as the code of Celler (arXiv 2504.00020) has it: ``e ~ N(0, 0.1)``.
- Gaussian clouded logit (Li, Cheung and Lu, CVPR 2022): ``z`` a cosine, ``d`` divided by its
  maximum, ``e = -|N(0, 1/3)|`` clipped to 1, margin 0.5, scale 30.
- Logit adjustment (Menon et al., ICLR 2021): no noise, ``prior_strength`` 1. As ``d`` is the
  negative log prior up to a constant, this is the balanced softmax (Ren et al., NeurIPS 2020).
- Focal loss (Lin et al., ICCV 2017): ``(1 - p)^focus`` times the cross entropy.

``z`` may be the logits of a linear head or similarities to anchors. Nothing is adjusted when
cells are labelled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from atlash.nn.losses import similarity_loss

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from atlash.config import LossConfig


def rarity(counts: NDArray[np.int64], *, epsilon: float = 1e-6) -> NDArray[np.float64]:
    """Return how much rarer each type is than the commonest, in nats.

    Parameters
    ----------
    counts
        Cells of each type ``(n_types,)``; types without cells are taken to have one.
    epsilon
        Added before the logarithm.

    Returns
    -------
    ``log(max(counts) + epsilon) - log(counts + epsilon)`` ``(n_types,)``, at least 0.
    """
    present = np.maximum(counts, 1).astype(np.float64)
    return np.asarray(np.log(present.max() + epsilon) - np.log(present + epsilon))


def adjust(
    logits: Tensor, target: Tensor, delta: Tensor, *, config: LossConfig, noise: Tensor | None
) -> Tensor:
    """Return adjusted logits; see the module for the formula.

    Parameters
    ----------
    logits
        ``(batch, n_types)``.
    target
        Probability of each type ``(batch, n_types)``, rows sum to 1.
    delta
        Rarity of each type ``(n_types,)``.
    config
        Which adjustments, and how strong.
    noise
        Draws of ``N(mean, sigma)`` ``(batch, n_types)``; ``None`` for none.
    """
    if noise is not None:
        if config.clip is not None:
            noise = noise.clamp(-config.clip, config.clip)
        if not config.signed:
            noise = -noise.abs()
        # types of one size have no rarity to divide by
        unit = delta.max().clamp(min=1e-12) if config.normalised else 1.0
        logits = logits + noise * (delta / unit)
    if config.prior_strength:
        logits = logits - config.prior_strength * delta
    if config.margin:
        logits = logits - config.margin * target
    return logits if config.scale is None else config.scale * logits


def focal_loss(logits: Tensor, target: Tensor, weight: Tensor, *, focus: float) -> Tensor:
    """Cross entropy in which cells that are labelled right with certainty count little.

    Parameters
    ----------
    logits
        ``(batch, n_types)``.
    target
        Probability of each type ``(batch, n_types)``, rows sum to 1.
    weight
        Weight of each cell ``(batch,)``.
    focus
        Exponent of ``1 - p``, at least 0; 0 gives the cross entropy. Below 1 its slope is
        endless at ``p = 1``, so that ``1 - p`` is at least the float32 step at 1.

    Returns
    -------
    Scalar in nats.
    """
    log_p = F.log_softmax(logits, dim=1)
    doubt = (1 - log_p.exp()).clamp(min=torch.finfo(torch.float32).eps)
    nats = -(target * doubt.pow(focus) * log_p).sum(dim=1)
    return (weight * nats).sum() / weight.sum()


class TailLoss(nn.Module):
    """The loss over types of a batch, with noise of its own.

    Parameters
    ----------
    counts
        Cells of each type in training ``(n_types,)``.
    config
        Which adjustments, and how strong.
    random_state
        Seed of the noise, which no other draw depends on.
    """

    delta: Tensor

    def __init__(
        self, counts: NDArray[np.int64], config: LossConfig, *, random_state: int
    ) -> None:
        super().__init__()
        self.config = config
        delta = rarity(counts, epsilon=config.epsilon)
        self.register_buffer("delta", torch.from_numpy(delta.astype(np.float32)))
        self.generator = torch.Generator().manual_seed(random_state)

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Return the loss, a scalar in nats.

        Parameters
        ----------
        logits
            ``(batch, n_types)``: of a linear head, or similarities to anchors.
        target
            Probability of each type ``(batch, n_types)``, rows sum to 1.
        weight
            Weight of each cell ``(batch,)``.
        """
        noise = self._noise(logits) if self.config.sigma or self.config.mean else None
        adjusted = adjust(logits, target, self.delta, config=self.config, noise=noise)
        if self.config.focus:
            return focal_loss(adjusted, target, weight, focus=self.config.focus)
        return similarity_loss(adjusted, target, weight)

    def _noise(self, logits: Tensor) -> Tensor:
        """Draw on the CPU, so that every device sees the same noise."""
        draws = torch.randn(logits.shape, generator=self.generator, dtype=torch.float32)
        return (self.config.mean + self.config.sigma * draws).to(logits.device, logits.dtype)
