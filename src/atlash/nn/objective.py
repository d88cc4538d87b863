"""What training minimises: anchor, similarity and quantisation losses over all members."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from atlash.config.rare import loss_config
from atlash.nn.losses import anchor_loss, class_weights, quantisation_loss
from atlash.nn.parent_loss import ParentLoss
from atlash.nn.tail_losses import TailLoss

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.config import TrainConfig


@dataclass(frozen=True)
class Goal:
    """What codes are to say.

    Attributes
    ----------
    anchors
        One row of -1 and +1 a type ``(n_types, n_bits)``.
    parents
        Parent of each type ``(n_types,)``, numbered from 0; ``None`` without a hierarchy.
    """

    anchors: NDArray[np.int8]
    parents: NDArray[np.int64] | None = None


class Objective(nn.Module):
    """The loss of a batch of codes.

    Parameters
    ----------
    anchors
        One row of -1 and +1 a type ``(n_types, n_bits)``.
    labels
        Types of the training cells ``(n,)``, from which types are weighed.
    config
        Weights of the parts, and the form of the loss over types.
    random_state
        Seed of that loss's noise, if it has any.
    parents
        Parent of each type ``(n_types,)``, numbered from 0; ``None`` without a hierarchy.
    """

    weights: Tensor
    similarity_weights: Tensor

    def __init__(
        self,
        anchors: NDArray[np.int8],
        labels: NDArray[np.int64],
        config: TrainConfig,
        *,
        random_state: int = 0,
        parents: NDArray[np.int64] | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        loss = loss_config(config.loss)
        counts = np.maximum(np.bincount(labels, minlength=len(anchors)), 1)
        beta = config.class_balance
        of_similarity = beta if loss.class_balance is None else loss.class_balance
        for name, weighed, balance in (
            ("weights", loss.weights != "none", beta),
            ("similarity_weights", loss.weights == "both", of_similarity),
        ):
            # a beta of 0 weighs all alike
            weights = class_weights(counts, beta=balance if weighed else 0.0)
            self.register_buffer(name, torch.from_numpy(weights.astype(np.float32)))
        self.tail = TailLoss(counts, loss, random_state=random_state)
        self.similarity_scale = config.similarity_scale if loss.scale is None else 1.0
        start = torch.from_numpy(anchors.astype(np.float32))
        # learned anchors start from the predefined ones, soft enough to move
        self.anchors = nn.Parameter(0.5 * start, requires_grad=config.learned_anchors)
        self.register_buffer("predefined", start)
        self.of_parents = None
        if parents is not None and config.parent_weight > 0:
            self.of_parents = ParentLoss(parents)

    def current_anchors(self) -> Tensor:
        """Return the anchors, in [-1, 1]: learned ones are squashed."""
        if self.config.learned_anchors:
            return torch.tanh(self.anchors)
        return self.get_buffer("predefined")

    def forward(self, z: Tensor, target: Tensor) -> Tensor:
        """Return the loss.

        Parameters
        ----------
        z
            Codes ``(members, batch, n_bits)``.
        target
            Share of each type in each cell ``(batch, n_types)``; one-hot without mixup.
        """
        config, anchors = self.config, self.current_anchors()
        members, _, n_bits = z.shape
        z = z.flatten(0, 1)
        target = target.repeat(members, 1)
        weight = target @ self.weights
        loss = config.anchor_weight * anchor_loss(z, target @ anchors, weight)
        if config.similarity_weight or config.learned_anchors:
            logits = self.similarity_scale * torch.tanh(z) @ anchors.T / n_bits
            similarity = self.tail(logits, target, target @ self.similarity_weights)
            loss = loss + (config.similarity_weight or 1.0) * similarity
        if self.of_parents is not None:
            logits = config.similarity_scale * torch.tanh(z) @ anchors.T / n_bits
            loss = loss + config.parent_weight * self.of_parents(logits, target, weight)
        quantisation = quantisation_loss(z, config.quantisation)
        return loss + config.quantisation_weight * quantisation
