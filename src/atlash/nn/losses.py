"""Losses of supervised hashing.

After scDeepHash (bioRxiv 10.1101/2021.11.08.467820) and scHash. A cell's continuous code
is ``z``; its relaxed bits are ``(tanh(z) + 1) / 2 = sigmoid(2 z)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from atlash.config import Quantisation


def class_weights(counts: NDArray[np.int64], *, beta: float = 0.9999) -> NDArray[np.float64]:
    """Weigh a type by the inverse of its effective number of cells.

    ``(1 - beta) / (1 - beta^n)``, normalised to a sum of the number of types (class-balanced
    loss: Cui et al., CVPR 2019, equation 2).

    Parameters
    ----------
    counts
        Cells of each type ``(n_types,)``, each at least 1.
    beta
        In [0, 1): 0 weighs all types alike, towards 1 weighs by the inverse count.

    Returns
    -------
    Weights ``(n_types,)``, float64.
    """
    weights = (1 - beta) / (1 - np.power(beta, counts.astype(np.float64)))
    return np.asarray(weights * len(counts) / weights.sum())


def anchor_loss(z: Tensor, anchors: Tensor, weight: Tensor) -> Tensor:
    """Pull each bit towards the bit of the cell's anchor.

    Binary cross entropy between ``sigmoid(2 z)`` and the anchor's bits: equation 2 of
    scDeepHash with the minus sign that it lacks.

    Parameters
    ----------
    z
        Continuous codes ``(batch, n_bits)``, unbounded.
    anchors
        Anchor of each cell's type ``(batch, n_bits)``, entries -1 or +1; mixtures of anchors
        lie between.
    weight
        Weight of each cell ``(batch,)``.

    Returns
    -------
    Scalar in nats a bit: 0 when certain and right, ``log 2`` at chance.
    """
    bits = (anchors + 1) / 2
    nats = F.binary_cross_entropy_with_logits(2 * z, bits, reduction="none").mean(dim=1)
    return (weight * nats).sum() / weight.sum()


def similarity_loss(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Cross entropy of the similarities to all anchors.

    Parameters
    ----------
    logits
        Scaled similarity of each cell to each anchor ``(batch, n_types)``.
    target
        Probability of each type ``(batch, n_types)``, rows sum to 1.
    weight
        Weight of each cell ``(batch,)``.

    Returns
    -------
    Scalar in nats.
    """
    nats = -(target * F.log_softmax(logits, dim=1)).sum(dim=1)
    return (weight * nats).sum() / weight.sum()


def quantisation_loss(z: Tensor, kind: Quantisation, *, gamma: float = 1.0) -> Tensor:
    """Push relaxed bits towards 0 or 1, so that taking the sign loses little.

    Parameters
    ----------
    z
        Continuous codes ``(batch, n_bits)``.
    kind
        ``"squared"``: mean of ``(|tanh z| - 1)^2`` (scHash); ``"cauchy"``: mean over cells of
        ``log(1 + sum_k (1 - |tanh z_k|) / gamma)`` (scDeepHash, where ``|2h - 1| = |tanh z|``);
        ``"none"``: zero.
    gamma
        Scale of the Cauchy prior, in bits, above 0.

    Returns
    -------
    Scalar, 0 for codes that are already binary.
    """
    gap = 1 - torch.tanh(z).abs()
    if kind == "squared":
        return gap.square().mean()
    if kind == "cauchy":
        return torch.log1p(gap.sum(dim=1) / gamma).mean()
    return gap.new_zeros(())
