"""The one training loop."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from atlash.errors import TrainingError
from atlash.nn.batches import batches
from atlash.nn.encoder import HashEncoder, export_weights
from atlash.nn.held_out import Checkpoints, HeldOutCells
from atlash.nn.objective import Objective

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from atlash.config import TrainConfig
    from atlash.nn.batches import Standardiser, TrainingCells
    from atlash.nn.inference import Encoder

MIN_SCHEDULE = 10
"""Steps below which the schedule has no room to rise and fall."""
N_CHECKS = 8
"""How often held-out cells are looked at, over the second half of training."""


class Progress(Protocol):
    """What is told of training."""

    def __call__(self, loss: float) -> None:
        """Note one step and its loss, in nats."""


@dataclass(frozen=True)
class Run:
    """Where and how learning runs.

    Attributes
    ----------
    device
        Where to learn.
    random_state
        Seed.
    stop
        Once set, training ends after the current step and keeps what it has.
    progress
        Told of each step.
    start
        An earlier phase with the same features and axes to go on from; ``None`` starts anew.
    """

    device: torch.device
    random_state: int
    stop: threading.Event
    progress: Progress
    start: Learned | None = None


@dataclass(frozen=True)
class Learned:
    """What training leaves.

    Attributes
    ----------
    weights
        The encoder.
    anchors
        Rows of -1 and +1 ``(n_types, n_bits)``: those given, or the learned ones.
    n_steps
        Steps after which the encoder was kept: all, fewer if held-out cells were labelled
        clearly better earlier, or as many as an interruption left.
    state
        The encoder as torch has it, from which a second phase goes on; empty where none can.
    """

    weights: Encoder
    anchors: NDArray[np.int8]
    n_steps: int
    state: dict[str, Tensor] = field(default_factory=dict)


@contextmanager
def single_thread() -> Iterator[None]:
    """Keep torch and BLAS on one thread: sums in another order would give another encoder.

    Several encoders may still be learned side by side, each on a thread of its own.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


def train(
    cells: TrainingCells,
    standardiser: Standardiser,
    axes: NDArray[np.float32],
    *,
    anchors: NDArray[np.int8],
    config: TrainConfig,
    validation: TrainingCells | None,
    run: Run,
    parents: NDArray[np.int64] | None = None,
) -> Learned:
    """Learn an encoder.

    Deterministic on the CPU: all randomness comes from generators of our own, and the caller
    keeps torch on one thread (:func:`single_thread`).

    Parameters
    ----------
    cells
        What to learn from.
    standardiser
        Frozen statistics of the features.
    axes
        Principal axes for the component network ``(n_features, n_components)``.
    anchors
        One row of -1 and +1 a type ``(n_types, n_bits)``.
    config
        Options.
    validation
        Held-out cells: an earlier encoder is kept if it labels them clearly better than the
        last. ``None`` keeps the last.
    run
        Where, from which seed, who may end it, and what it goes on from.
    parents
        Parent of each type ``(n_types,)``, numbered from 0; ``None`` without a hierarchy.

    Raises
    ------
    TrainingError
        If the loss is not finite.
    """
    encoder = HashEncoder(
        torch.from_numpy(axes),
        anchors.shape[1],
        config,
        device=run.device,
        random_state=run.random_state,
    )
    if run.start is not None:
        encoder.load_state_dict(run.start.state)
    objective = Objective(
        anchors, cells.labels, config, random_state=run.random_state, parents=parents
    ).to(run.device)
    rng = np.random.default_rng(run.random_state)
    optimiser, schedule = _optimiser(encoder, objective, config)
    held_out = HeldOutCells(validation, standardiser, config) if validation else None
    checkpoints = Checkpoints()

    step = 0
    for step, (drawn, labels) in enumerate(
        batches(cells, standardiser, config=config, rng=rng), start=1
    ):
        there = drawn.to(run.device), labels.to(run.device)
        x, target = _mixed(*there, cells.n_types, config, rng)
        loss = objective(encoder(x), target)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        run.progress(_finite(loss, step, config))
        last = step == config.n_steps or run.stop.is_set()
        if held_out is not None and (last or _is_check(step, config.n_steps)):
            score = held_out.balanced_accuracy(encoder, objective.current_anchors())
            checkpoints.note(score, step, encoder.state_dict())
        if last:
            break
    if held_out is not None:
        step, state = checkpoints.choose()
        encoder.load_state_dict(state)
    learned = torch.where(objective.current_anchors() > 0, 1, -1).to(torch.int8).cpu().numpy()
    state = {name: value.detach().clone() for name, value in encoder.state_dict().items()}
    return Learned(export_weights(encoder, standardiser), learned, step, state)


def _finite(loss: Tensor, step: int, config: TrainConfig) -> float:
    """Return the loss as a number, if it is one."""
    value = loss.item()
    if math.isfinite(value):
        return value
    msg = (
        f"The loss became {value} at step {step}. Check the counts for extreme values, "
        f"or lower the learning rate (now {config.learning_rate:g})."
    )
    raise TrainingError(msg)


def _is_check(step: int, n_steps: int) -> bool:
    interval = max(1, n_steps // (2 * N_CHECKS))
    return step > n_steps // 2 and step % interval == 0


def _optimiser(
    encoder: HashEncoder, objective: Objective, config: TrainConfig
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """Return AdamW without decay of biases and gains, and a one-cycle schedule."""
    fast = {id(p) for p in encoder.component_parameters()}
    learned = [p for p in (*encoder.parameters(), *objective.parameters()) if p.requires_grad]
    groups, rates = [], []
    for rate, of_components in (
        (config.learning_rate, False),
        (config.component_learning_rate, True),
    ):
        chosen = [p for p in learned if (id(p) in fast) == of_components]
        matrices = [p for p in chosen if p.shape[-2] > 1]
        vectors = [p for p in chosen if p.shape[-2] == 1]
        groups += [
            {"params": matrices, "weight_decay": config.weight_decay, "lr": rate},
            {"params": vectors, "weight_decay": 0.0, "lr": rate},
        ]
        rates += [rate, rate]
    optimiser = torch.optim.AdamW(groups)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, rates, total_steps=max(MIN_SCHEDULE, config.n_steps + 1), pct_start=0.2
    )
    return optimiser, schedule


def _mixed(
    x: Tensor, labels: Tensor, n_types: int, config: TrainConfig, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Mix pairs of cells and their types (mixup: Zhang et al., ICLR 2018), if asked to."""
    target = torch.nn.functional.one_hot(labels, n_types).to(x.dtype)
    if config.mixup == 0:
        return x, target
    share = float(rng.beta(config.mixup, config.mixup))
    other = torch.from_numpy(rng.permutation(len(x))).to(x.device)
    mixed = share * x + (1 - share) * x[other]
    return mixed, share * target + (1 - share) * target[other]
