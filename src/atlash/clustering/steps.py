"""What the loops that learn have in common."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from atlash.errors import TrainingError

if TYPE_CHECKING:
    from torch import nn

LEAST_STEPS = 10
"""The schedule has no room to rise and fall below it."""


def one_cycle(
    networks: nn.Module, n_steps: int, *, rate: float, decay: float
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """Return AdamW and a one-cycle schedule for so many steps.

    Biases and gains, which are vectors, do not decay.
    """
    matrices = [p for p in networks.parameters() if p.ndim > 1]
    vectors = [p for p in networks.parameters() if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, rate, total_steps=max(LEAST_STEPS, n_steps + 1), pct_start=0.2
    )
    return optimiser, schedule


def check_finite(loss: float, step: int, *, what: str, rate: float) -> None:
    """Refuse a loss that is not finite.

    Raises
    ------
    TrainingError
        If it is not.
    """
    if math.isfinite(loss):
        return
    msg = (
        f"The loss of {what} became {loss} at step {step}. Check the counts for extreme values, "
        f"or lower the learning rate (now {rate:g})."
    )
    raise TrainingError(msg)
