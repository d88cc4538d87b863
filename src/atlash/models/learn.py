"""Learn an annotator: encoders on inner folds to calibrate with, one on all cells to keep."""

from __future__ import annotations

import threading
import warnings
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from atlash.codes.anchors import AnchorReport, choose_n_bits, make_anchors
from atlash.codes.planes import most_detail_bits
from atlash.data.normalize import Recipe
from atlash.data.split import group_folds
from atlash.models.annotator import Annotator
from atlash.models.calibration import fit_calibration
from atlash.models.detail import fit_detail
from atlash.models.exemplars import fit_exemplars
from atlash.models.fine_tuning import FineTuning
from atlash.models.held_out import HeldOutFold
from atlash.models.novelty import KnownCells, fit_novelty
from atlash.models.prepare import TARGET_SUM, freeze, normalised_features, thinned, training_cells
from atlash.nn.device import resolve_device
from atlash.nn.train import Run, single_thread, train
from atlash.progress import track

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from atlash.config import TrainConfig
    from atlash.data.genes import GeneTable
    from atlash.models.detail import Detail
    from atlash.models.prepare import Frozen, LabelledCounts
    from atlash.models.pretrained import PretrainedEncoder
    from atlash.nn.train import Learned

MIN_STEPS = 150
"""Steps that even the smallest reference gets, unless fewer are asked for."""
MAX_HELD_OUT = 4000
"""Most held-out cells of a fold that are looked at."""


class InterruptedLearningWarning(UserWarning):
    """The user cut learning short."""


@dataclass(frozen=True)
class LearnOptions:
    """How learning runs, apart from what is learned.

    Attributes
    ----------
    device
        ``"auto"``, ``"cpu"``, ``"cuda"``, ...
    random_state
        Seed of everything.
    n_threads
        Encoders learned side by side.
    progress
        Show progress.
    encoder
        A pre-trained encoder to start from; ``None`` learns sparse networks from nothing.
    """

    device: str
    random_state: int
    n_threads: int
    progress: bool
    encoder: PretrainedEncoder | None = None


@dataclass(frozen=True)
class LearnReport:
    """What happened while learning.

    Attributes
    ----------
    anchors
        What was measured on the anchors.
    n_steps
        Steps of the encoder that was kept.
    interrupted
        Whether the user cut learning short.
    held_out_accuracy
        Share of held-out cells of the inner folds that were labelled right.
    """

    anchors: AnchorReport
    n_steps: int
    interrupted: bool
    held_out_accuracy: float


@dataclass(frozen=True)
class _Fold:
    """One encoder to learn: from which cells, and which, perhaps none, are held out."""

    train: LabelledCounts
    held_out: LabelledCounts
    frozen: Frozen
    config: TrainConfig


@single_thread()
def learn(
    cells: LabelledCounts,
    genes: GeneTable,
    types: list[str],
    *,
    config: TrainConfig,
    options: LearnOptions,
) -> tuple[Annotator, LearnReport]:
    """Learn an annotator from labelled counts.

    Encoders learned on inner folds (whole batches held out where there are several) label
    cells that they have not seen; these calibrate the confidence, set the reach and find the
    number of steps. The encoder that is kept learns from all cells.

    Parameters
    ----------
    cells
        Counts, types and batches.
    genes
        The genes of the counts.
    types
        Names of the types.
    config
        What is learned.
    options
        How learning runs.

    Returns
    -------
    The annotator and a report. An interruption (Ctrl-C) keeps what was learned so far.

    Raises
    ------
    TrainingError
        If the loss is not finite.
    GeneMismatchError
        If a pre-trained encoder knows none of the genes.
    """
    seed = options.random_state
    n_bits = config.n_bits or choose_n_bits(len(types))
    anchors, anchor_report = make_anchors(len(types), n_bits, random_state=seed)
    tuning = None if options.encoder is None else FineTuning.of(options.encoder, genes)
    folds = _inner_folds(cells, config, seed)
    last = planned(config, len(cells))
    total = last.n_steps + sum(fold.config.n_steps for fold in folds)
    with track("Learning", total, show=options.progress) as advance:
        trainer = _Trainer(anchors, options, advance, tuning=tuning)
        inner = trainer.run(folds)
        whole, kept = folds[0], inner[0]  # kept if the user cuts learning short
        if not trainer.stop.is_set():
            shares = [done.n_steps / fold.config.n_steps for fold, done in _pairs(folds, inner)]
            steps = max(1, round(float(np.median(shares)) * last.n_steps))
            nothing = cells[np.empty(0, dtype=np.int64)]
            final = _Fold(cells, nothing, freeze(cells, config), replace(last, n_steps=steps))
            learned = trainer.run([final])[0]
            if 2 * learned.n_steps >= steps:
                whole, kept = final, learned
    held_out = _held_out_folds(folds, inner)
    known = KnownCells(normalised_features(cells, whole.frozen), cells.labels)
    shallow = normalised_features(thinned(cells, random_state=seed), whole.frozen)
    annotator = Annotator(
        recipe=Recipe(genes, whole.frozen.fraction, whole.frozen.features, TARGET_SUM),
        weights=kept.weights,
        anchors=kept.anchors,
        types=types,
        calibration=fit_calibration(held_out),
        novelty=fit_novelty(known, shallow, cells.groups, random_state=seed),
        detail=_detail(
            cells, whole.frozen, min(config.n_detail_bits, most_detail_bits(n_bits)), seed
        ),
        exemplars=fit_exemplars(known.X, known.labels, cells.groups, random_state=seed),
    )
    interrupted = trainer.stop.is_set()
    if interrupted:
        msg = f"Learning was interrupted after {kept.n_steps} steps; what was learned is kept."
        warnings.warn(msg, InterruptedLearningWarning, stacklevel=3)
    return annotator, LearnReport(anchor_report, kept.n_steps, interrupted, _accuracy(held_out))


def _detail(cells: LabelledCounts, frozen: Frozen, n_bits: int, seed: int) -> Detail | None:
    return fit_detail(cells, frozen, n_bits=n_bits, random_state=seed) if n_bits else None


def _accuracy(held_out: list[HeldOutFold]) -> float:
    right = [fold.similarity("asymmetric").argmax(axis=1) == fold.labels for fold in held_out]
    return float(np.concatenate(right).mean())


def planned(config: TrainConfig, n_cells: int) -> TrainConfig:
    """Return the options with the steps that suit so many cells: few cells need fewer."""
    by_epochs = max(MIN_STEPS, config.max_epochs * n_cells / config.batch_size)
    return replace(config, n_steps=round(min(config.n_steps, by_epochs)))


def _pairs(folds: list[_Fold], inner: list[Learned]) -> list[tuple[_Fold, Learned]]:
    return list(zip(folds, inner, strict=True))


def _inner_folds(cells: LabelledCounts, config: TrainConfig, seed: int) -> list[_Fold]:
    splits = group_folds(cells.labels, cells.groups, n_folds=config.n_folds, random_state=seed)
    rng = np.random.default_rng(seed)
    folds = []
    for train_index, held_out in splits:
        part = cells[train_index]
        few = np.sort(rng.permutation(held_out)[:MAX_HELD_OUT])
        own = planned(config, len(part))
        folds.append(_Fold(part, cells[few], freeze(part, config), own))
    return folds


class _Trainer:
    """Learns encoders side by side, each on one thread, until done or interrupted."""

    def __init__(
        self,
        anchors: NDArray[np.int8],
        options: LearnOptions,
        advance: Callable[[], None],
        *,
        tuning: FineTuning | None,
    ) -> None:
        self.anchors = anchors
        self.options = options
        self.advance = advance
        self.tuning = tuning
        self.device = resolve_device(options.device)
        self.stop = threading.Event()

    def run(self, folds: list[_Fold]) -> list[Learned]:
        """Learn one encoder a fold."""
        with ThreadPoolExecutor(self.options.n_threads) as pool:
            futures = [pool.submit(self._learn, fold) for fold in folds]
            self._wait(futures)
            return [future.result() for future in futures]

    def _learn(self, fold: _Fold) -> Learned:
        run = Run(self.device, self.options.random_state, self.stop, self._advance)
        if self.tuning is not None:
            cells = training_cells(fold.train, fold.frozen)
            return self.tuning.learn(
                cells, fold.frozen, anchors=self.anchors, config=fold.config, run=run
            )
        validation = training_cells(fold.held_out, fold.frozen) if len(fold.held_out) else None
        return train(
            training_cells(fold.train, fold.frozen),
            fold.frozen.standardiser,
            fold.frozen.axes,
            anchors=self.anchors,
            config=fold.config,
            validation=validation,
            run=run,
        )

    def _advance(self, loss: float) -> None:
        self.advance()

    def _wait(self, futures: list[Future[Learned]]) -> None:
        """Wait for all; the first interruption ends learning early, a second one aborts."""
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        except KeyboardInterrupt:
            self.stop.set()
            wait(futures)
        if any(future.done() and future.exception() for future in futures):
            self.stop.set()


def _held_out_folds(folds: list[_Fold], inner: list[Learned]) -> list[HeldOutFold]:
    """Return the held-out cells' codes, each from the encoder that has not seen them.

    Encoders that an interruption left far behind are no evidence of the one that is kept.
    """
    shares = [learned.n_steps / fold.config.n_steps for fold, learned in _pairs(folds, inner)]
    found = []
    for (fold, learned), share in zip(_pairs(folds, inner), shares, strict=True):
        if 2 * share < max(shares):  # never so without: half the steps are always taken
            continue
        X = normalised_features(fold.held_out, fold.frozen)
        z = learned.weights.encode(X, np.ones(X.shape[1], dtype=bool)).z
        found.append(HeldOutFold(z, fold.held_out.labels, learned.anchors))
    return found
