"""Learn an annotator: encoders on inner folds to calibrate with, one on all cells to keep."""

from __future__ import annotations

import threading
import warnings
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from atlash.codes.anchors import AnchorReport, choose_n_bits, make_anchors
from atlash.data.normalize import Recipe
from atlash.data.split import group_folds
from atlash.models.annotator import Annotator
from atlash.models.calibration import fit_calibration
from atlash.models.held_out import HeldOutFold
from atlash.models.novelty import KnownCells, fit_novelty
from atlash.models.prepare import TARGET_SUM, freeze, normalised_features, training_cells
from atlash.nn.device import resolve_device
from atlash.nn.inference import encode
from atlash.nn.train import Run, single_thread, train
from atlash.progress import track

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from atlash.config import TrainConfig
    from atlash.data.genes import GeneTable
    from atlash.models.prepare import Frozen, LabelledCounts
    from atlash.nn.train import Learned

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
    """

    device: str
    random_state: int
    n_threads: int
    progress: bool


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
    """
    seed = options.random_state
    n_bits = config.n_bits or choose_n_bits(len(types))
    anchors, anchor_report = make_anchors(len(types), n_bits, random_state=seed)
    folds = _inner_folds(cells, config, seed)
    total = config.n_steps * (len(folds) + 1)
    with track("Learning", total, show=options.progress) as advance:
        trainer = _Trainer(anchors, options, advance)
        inner = trainer.run(folds, config)
        whole, kept = folds[0], inner[0]  # kept if the user cut learning short
        if not trainer.stop.is_set():
            n_steps = int(np.median([learned.n_steps for learned in inner]))
            nothing = cells[np.empty(0, dtype=np.int64)]
            whole = _Fold(cells, nothing, freeze(cells, config))
            kept = trainer.run([whole], replace(config, n_steps=n_steps))[0]
    held_out = _held_out_folds(folds, inner)
    known = KnownCells(normalised_features(cells, whole.frozen), cells.labels)
    annotator = Annotator(
        recipe=Recipe(genes, whole.frozen.fraction, whole.frozen.features, TARGET_SUM),
        weights=kept.weights,
        anchors=kept.anchors,
        types=types,
        calibration=fit_calibration(held_out),
        novelty=fit_novelty(known, cells.groups, random_state=seed),
    )
    interrupted = trainer.stop.is_set()
    if interrupted:
        msg = f"Learning was interrupted after {kept.n_steps} steps; what was learned is kept."
        warnings.warn(msg, InterruptedLearningWarning, stacklevel=3)
    return annotator, LearnReport(anchor_report, kept.n_steps, interrupted, _accuracy(held_out))


def _accuracy(held_out: list[HeldOutFold]) -> float:
    right = [fold.similarity("asymmetric").argmax(axis=1) == fold.labels for fold in held_out]
    return float(np.concatenate(right).mean())


def _inner_folds(cells: LabelledCounts, config: TrainConfig, seed: int) -> list[_Fold]:
    splits = group_folds(cells.labels, cells.groups, n_folds=config.n_folds, random_state=seed)
    rng = np.random.default_rng(seed)
    folds = []
    for train_index, held_out in splits:
        part = cells[train_index]
        few = np.sort(rng.permutation(held_out)[:MAX_HELD_OUT])
        folds.append(_Fold(part, cells[few], freeze(part, config)))
    return folds


class _Trainer:
    """Learns encoders side by side, each on one thread, until done or interrupted."""

    def __init__(
        self, anchors: NDArray[np.int8], options: LearnOptions, advance: Callable[[], None]
    ) -> None:
        self.anchors = anchors
        self.options = options
        self.advance = advance
        self.device = resolve_device(options.device)
        self.stop = threading.Event()

    def run(self, folds: list[_Fold], config: TrainConfig) -> list[Learned]:
        """Learn one encoder a fold."""
        with ThreadPoolExecutor(self.options.n_threads) as pool:
            futures = [pool.submit(self._learn, fold, config) for fold in folds]
            self._wait(futures)
            return [future.result() for future in futures]

    def _learn(self, fold: _Fold, config: TrainConfig) -> Learned:
        validation = training_cells(fold.held_out, fold.frozen) if len(fold.held_out) else None
        return train(
            training_cells(fold.train, fold.frozen),
            fold.frozen.standardiser,
            fold.frozen.axes,
            anchors=self.anchors,
            config=config,
            validation=validation,
            run=Run(self.device, self.options.random_state, self.stop, self._advance),
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
    found, longest = [], max(learned.n_steps for learned in inner)
    for fold, learned in zip(folds, inner, strict=True):
        if 2 * learned.n_steps < longest:  # never so without: half the steps are always taken
            continue
        X = normalised_features(fold.held_out, fold.frozen)
        z = encode(X, learned.weights, np.ones(X.shape[1], dtype=bool))
        found.append(HeldOutFold(z, fold.held_out.labels, learned.anchors))
    return found
