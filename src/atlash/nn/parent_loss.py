"""The loss at the level of parents, from the same similarities as that of the sub types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from atlash.nn.losses import similarity_loss

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ParentLoss(nn.Module):
    """Cross entropy over parents, each as similar as all of its children together.

    A parent's logit is the logarithm of the summed exponentials of its children's logits, so
    that its probability is the sum of theirs.

    Parameters
    ----------
    parents
        Parent of each type ``(n_types,)``, from 0 up without gaps.
    """

    child_index: Tensor
    membership: Tensor

    def __init__(self, parents: NDArray[np.int64]) -> None:
        super().__init__()
        counts = np.bincount(parents)
        # one past the last type stands for no child
        children = np.full((len(counts), counts.max()), len(parents), dtype=np.int64)
        for parent, count in enumerate(counts):
            children[parent, :count] = np.flatnonzero(parents == parent)
        membership = np.eye(len(counts), dtype=np.float32)[parents]
        self.register_buffer("child_index", torch.from_numpy(children))
        self.register_buffer("membership", torch.from_numpy(membership))

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Return the loss.

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
        none = logits.new_full((len(logits), 1), -torch.inf)
        of_child = torch.cat([logits, none], dim=1)[:, self.child_index]
        of_parent = torch.logsumexp(of_child, dim=2)
        return similarity_loss(of_parent, target @ self.membership, weight)
