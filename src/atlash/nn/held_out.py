"""Early stopping: how well held-out cells are labelled while an encoder learns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from atlash.nn.batches import as_they_are, augmented

if TYPE_CHECKING:
    from torch import Tensor

    from atlash.config import TrainConfig
    from atlash.nn.batches import Standardiser, TrainingCells
    from atlash.nn.encoder import HashEncoder

MAX_CELLS = 2000
MIN_GAIN = 0.02
"""Balanced accuracy by which an earlier encoder must be better than the last to be kept: the
schedule ends on purpose with small steps, and rare types make the measure noisy."""


@dataclass
class Checkpoints:
    """Encoders on the way, of which the last is kept unless an earlier one was clearly better."""

    _best: tuple[float, int, dict[str, Tensor]] = field(default=(-1.0, 0, {}))
    _last: tuple[float, int, dict[str, Tensor]] = field(default=(-1.0, 0, {}))

    def note(self, score: float, step: int, state: dict[str, Tensor]) -> None:
        """Remember an encoder and how well it did."""
        copied = {name: value.clone() for name, value in state.items()}
        self._last = (score, step, copied)
        if score > self._best[0]:
            self._best = self._last

    def choose(self) -> tuple[int, dict[str, Tensor]]:
        """Return the step and the state of the encoder to keep."""
        best, last = self._best, self._last
        chosen = best if best[0] > last[0] + MIN_GAIN else last
        return chosen[1], chosen[2]


class HeldOutCells:
    """Cells that an encoder does not learn from, ready to be labelled by it.

    Parameters
    ----------
    cells
        At most 2,000 of them are used.
    standardiser
        Frozen statistics of the features.
    config
        Options of learning.
    """

    def __init__(
        self, cells: TrainingCells, standardiser: Standardiser, config: TrainConfig
    ) -> None:
        rng = np.random.default_rng(0)
        index = rng.permutation(len(cells.labels))[:MAX_CELLS]
        x = augmented(cells, index, standardiser, config=as_they_are(config), rng=rng)
        self.x = torch.from_numpy(x)
        self.labels = cells.labels[index]

    @torch.no_grad()
    def balanced_accuracy(self, encoder: HashEncoder, anchors: Tensor) -> float:
        """Return the mean over types of the share of cells that are labelled right."""
        encoder.eval()
        z = encoder(self.x.to(anchors.device)).mean(dim=0)
        encoder.train()
        given = (torch.tanh(z) @ anchors.T).argmax(dim=1).cpu().numpy()
        right = np.bincount(self.labels, weights=given == self.labels)
        cells = np.bincount(self.labels)
        return float((right[cells > 0] / cells[cells > 0]).mean())
