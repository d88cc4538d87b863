"""Pre-training from start, or checkpoint, to end."""

from __future__ import annotations

import signal
import threading
import time
import warnings
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from atlash.config import InputConfig
from atlash.data.source import open_sources
from atlash.errors import InputError, TrainingError
from atlash.models.cell_stream import CellStream, Rows
from atlash.models.checkpoint import History, Settings, read_checkpoint, write_checkpoint
from atlash.models.domains import read_domains
from atlash.models.gene_axes import gene_directions
from atlash.models.model_folder import check_new, held
from atlash.models.pretrain_options import check_pretrain_config
from atlash.models.vocabulary import Vocabulary, learn_vocabulary
from atlash.nn.device import resolve_device
from atlash.nn.gene_transformer import make_transformer, restore_transformer
from atlash.nn.pretrain import (
    PART,
    Learner,
    SharedGradients,
    ThreadedGradients,
    draw_sentences,
)
from atlash.nn.train import single_thread
from atlash.nn.world import World, joined_world
from atlash.progress import n_threads_or_all, track

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from atlash.config import PretrainConfig
    from atlash.data.normalize import BoundSource
    from atlash.data.source import Cells, CellSource
    from atlash.models.domains import Domains
    from atlash.nn.gene_transformer import GeneTransformer, Sentences

N_NAMED = 5
"""Cells that are named where a loss is not finite."""


class InterruptedPretrainingWarning(UserWarning):
    """The user cut pre-training short."""


@dataclass(frozen=True)
class PretrainRequest:
    """What :meth:`atlash.PretrainedEncoder.pretrain` was asked, without the cells."""

    folder: Path
    batch_key: str | None
    names: tuple[str, ...] | None
    resume: bool
    config: PretrainConfig
    random_state: int


@dataclass(frozen=True)
class _Job:
    """All that stays the same while learning."""

    request: PretrainRequest
    world: World
    stream: CellStream
    vocabulary: Vocabulary
    settings: Settings

    @property
    def config(self) -> PretrainConfig:
        return self.request.config


def run(cells: Cells | Sequence[Cells], request: PretrainRequest) -> None:
    """Pre-train, and leave the encoder in the request's folder.

    Raises
    ------
    InputError
        The cells or the options cannot be used, or differ from those of the run to resume.
    TrainingError
        A loss was not finite.
    """
    check_pretrain_config(request.config)
    if not request.resume:
        check_new(request.folder)
    device = resolve_device(request.config.device)
    sources = open_sources(cells, request.config.layer)
    domains = read_domains(sources, request.batch_key)
    with joined_world(device) as world, single_thread():
        _check_parts(request.config.batch_size, world)
        world.wait()  # until all have looked at the folder, as the first will write to it
        job, learner, history = _begin(sources, domains, request, world)
        with held(request.folder) if world.is_first else nullcontext():
            if learner.n_steps == 0 and world.is_first and not request.resume:
                check_new(request.folder)  # another run may have come first
            _learn(job, learner, history)
        world.wait()


def _check_parts(batch_size: int, world: World) -> None:
    """Raise :class:`InputError` unless processes share batches evenly."""
    if batch_size % (PART * world.size):
        msg = (
            f"`batch_size` is {batch_size}, but {world.size} processes share batches in parts of "
            f"{PART} cells: give a multiple of {PART * world.size}."
        )
        raise InputError(msg)


def _begin(
    sources: Sequence[CellSource], domains: Domains, request: PretrainRequest, world: World
) -> tuple[_Job, Learner, History]:
    """Return what a new or resumed run begins with."""
    config = request.config
    options = InputConfig(
        gene_column=request.config.gene_column, scale=config.scale, min_shared=0.0
    )
    checkpoint = read_checkpoint(request.folder) if request.resume else None
    if checkpoint is None:
        vocabulary = learn_vocabulary(
            sources,
            options,
            n_genes=config.n_genes,
            names=request.names,
            progress=config.progress and world.is_first,
        )
    else:
        vocabulary = checkpoint.vocabulary
    bounds = [vocabulary.bind(source, options) for source in sources]
    settings = Settings.of(
        config,
        batch_key=request.batch_key,
        names=request.names,
        random_state=request.random_state,
        sources=bounds,
        domains=domains,
    )
    if checkpoint is None:
        model = make_transformer(
            config.model,
            len(vocabulary),
            len(domains.names),
            directions=_directions(bounds, request, world),
            random_state=request.random_state,
        )
    else:
        checkpoint.settings.check_same(settings, request.folder)
        model = restore_transformer(config.model, checkpoint.arrays).train()
    stream = CellStream(
        bounds, domains.codes, config.block_size, config.buffer_size, request.random_state
    )
    model = model.to(world.device)
    learner = Learner(model, _gradients(model, config, world), config)
    history = History()
    if checkpoint is not None:
        learner.resume(checkpoint.n_steps, checkpoint.moments)
        history = checkpoint.history
    return _Job(request, world, stream, vocabulary, settings), learner, history


def _directions(
    bounds: Sequence[BoundSource], request: PretrainRequest, world: World
) -> NDArray[np.float32] | None:
    """Return what the embeddings of genes begin with, if it is to be learned from the cells."""
    config = request.config
    if config.gene_start == "random":
        return None
    return gene_directions(
        bounds,
        config.model.width,
        random_state=request.random_state,
        progress=config.progress and world.is_first,
    )


def _gradients(
    model: GeneTransformer, config: PretrainConfig, world: World
) -> ThreadedGradients | SharedGradients:
    if world.size > 1:
        return SharedGradients(model, config, world)
    return ThreadedGradients(
        model, config, world.device, n_threads=n_threads_or_all(config.n_threads)
    )


def _learn(job: _Job, learner: Learner, history: History) -> None:
    """Make all steps that are left, and write checkpoints."""
    config, world = job.config, job.world
    batches = job.stream.batches(config.batch_size, first=learner.n_steps)
    show = config.progress and world.is_first
    saved = time.monotonic()
    if learner.n_steps == 0:
        _save(job, learner, history)
    with track("Pre-training", config.n_steps, show=show) as advance, _interruptible() as stop:
        advance(learner.n_steps)
        stopped = False
        while learner.n_steps < config.n_steps and not stopped:
            loss, stopped = _step(job, learner, next(batches), stop=stop)
            history.note(learner.n_steps, loss)
            advance(1, f"loss {history.recent:.4f}")
            done = stopped or learner.n_steps == config.n_steps
            due = time.monotonic() - saved > config.checkpoint_seconds
            if done or due or learner.n_steps % config.checkpoint_steps == 0:
                _save(job, learner, history)
                saved = time.monotonic()
    if learner.n_steps < config.n_steps:
        msg = (
            f"Pre-training was interrupted after step {learner.n_steps:,} of {config.n_steps:,}. "
            f"{str(job.request.folder)!r} holds the encoder as it is; resume to go on."
        )
        warnings.warn(msg, InterruptedPretrainingWarning, stacklevel=4)


def _step(job: _Job, learner: Learner, rows: Rows, *, stop: threading.Event) -> tuple[float, bool]:
    """Make one step; return its loss, and whether any process was asked to stop.

    Raises
    ------
    TrainingError
        If the loss or its gradient is not finite.
    """
    config, step = job.config, learner.n_steps

    def draw(part: int) -> Sentences:
        own = rows[part * PART : (part + 1) * PART]
        rng = np.random.default_rng([job.request.random_state, step, part])
        return draw_sentences(own.X, own.domain, config, rng=rng)

    losses = learner.losses(draw, len(rows) // PART)
    told = torch.cat([losses, losses.new_tensor([float(stop.is_set())])])
    *found, n_stops = job.world.total(told).tolist()
    finite = np.isfinite(found)
    if not finite.all():
        raise TrainingError(_not_finite(job, rows, np.flatnonzero(~finite), step))
    if not learner.move():
        raise TrainingError(_not_finite(job, rows, np.arange(len(rows)), step))
    return float(np.mean(found)), n_stops > 0


def _not_finite(job: _Job, rows: Rows, bad: NDArray[np.int64], step: int) -> str:
    """Say which cells gave a loss that is not finite."""
    named = []
    for cell in bad[:N_NAMED]:
        source, position = job.stream.sources[rows.source[cell]].source, rows.position[cell]
        named.append(f"{source.obs.index[position]!r} (row {position:,} of {source.name})")
    more = f" and {len(bad) - N_NAMED:,} more" if len(bad) > N_NAMED else ""
    return (
        f"The loss or its gradient was not finite at step {step + 1:,}, on {len(bad)} of "
        f"{len(rows)} cells: {', '.join(named)}{more}. The last checkpoint in "
        f"{str(job.request.folder)!r} is kept. Look at these cells, or lower the learning rate "
        f"(now {job.config.learning_rate:g})."
    )


def _save(job: _Job, learner: Learner, history: History) -> None:
    if job.world.is_first:
        write_checkpoint(
            job.request.folder, learner, job.vocabulary, settings=job.settings, history=history
        )


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """Have the first Ctrl-C ask for an end after the current step, and a second one insist."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = signal.getsignal(signal.SIGINT) or signal.default_int_handler

    def ask(_signal: int, _frame: object) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
