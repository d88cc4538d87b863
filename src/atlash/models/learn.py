"""Learn an annotator: encoders on inner folds to calibrate with, one on all cells to keep."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from atlash.codes.planes import most_detail_bits
from atlash.data.normalize import Recipe
from atlash.models.annotator import Annotator
from atlash.models.calibration import fit_calibration
from atlash.models.detail import fit_detail
from atlash.models.exemplars import fit_exemplars
from atlash.models.fine_tuning import FineTuning
from atlash.models.folds import held_out_folds, inner_folds, pairs, planned, whole_fold
from atlash.models.mining import second_phase
from atlash.models.novelty import KnownCells, fit_novelty
from atlash.models.phases import mined_cells, second
from atlash.models.prepare import TARGET_SUM, freeze, normalised_features, thinned
from atlash.models.trainer import Trainer
from atlash.models.type_anchors import make_type_anchors
from atlash.nn.train import single_thread
from atlash.progress import track

if TYPE_CHECKING:
    from atlash.codes.anchors import AnchorReport
    from atlash.config import TrainConfig
    from atlash.data.genes import GeneTable
    from atlash.models.detail import Detail
    from atlash.models.family import Family
    from atlash.models.folds import Fold
    from atlash.models.held_out import HeldOutFold
    from atlash.models.mining import Mined
    from atlash.models.prepare import Frozen, LabelledCounts
    from atlash.models.trainer import LearnOptions
    from atlash.nn.train import Learned


class InterruptedLearningWarning(UserWarning):
    """The user cut learning short."""


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
    mined
        Hard and suspicious cells, if they were looked for and learning was not interrupted before.
    n_second_steps
        Steps of the second phase; 0 without one.
    """

    anchors: AnchorReport
    n_steps: int
    interrupted: bool
    held_out_accuracy: float
    mined: Mined | None = None
    n_second_steps: int = 0


@single_thread()
def learn(
    cells: LabelledCounts,
    genes: GeneTable,
    types: list[str],
    *,
    config: TrainConfig,
    options: LearnOptions,
    family: Family | None = None,
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
    family
        Parents of the types; ``None`` without a hierarchy.

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
    anchors, anchor_report = make_type_anchors(len(types), family, config, random_state=seed)
    n_bits = anchor_report.n_bits
    tuning = None if options.encoder is None else FineTuning.of(options.encoder, genes)
    folds = inner_folds(cells, config, seed)
    last = planned(config, len(cells))
    total = last.n_steps + sum(fold.config.n_steps for fold in folds)
    if config.mining is not None:
        total += second_phase(last, config.mining).n_steps
    with track("Learning", total, show=options.progress) as advance:
        parents = None if family is None else family.of_type
        trainer = Trainer(anchors, options, advance, parents=parents, tuning=tuning)
        done = _in_phases(cells, folds, last, trainer)
    whole, kept, mined = done.whole, done.kept, done.mined
    held_out = held_out_folds(folds, done.inner)
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
        parents=() if family is None else tuple(family.parents[k] for k in family.of_type),
    )
    interrupted = trainer.stop.is_set()
    if interrupted:
        msg = f"Learning was interrupted after {kept.n_steps} steps; what was learned is kept."
        warnings.warn(msg, InterruptedLearningWarning, stacklevel=3)
    return annotator, LearnReport(
        anchor_report, kept.n_steps, interrupted, _accuracy(held_out), mined, done.n_second
    )


@dataclass(frozen=True)
class _Done:
    """Encoders of the inner folds, and the one that is kept, with the fold it was learned on."""

    inner: list[Learned]
    whole: Fold
    kept: Learned
    mined: Mined | None
    n_second: int


def _in_phases(
    cells: LabelledCounts, folds: list[Fold], last: TrainConfig, trainer: Trainer
) -> _Done:
    """Learn on inner folds, then on all cells, then on hard ones if asked to."""
    inner = trainer.run(folds)
    mined = mined_cells(cells, folds, inner, config=last, trainer=trainer)
    whole, kept, n_second = folds[0], inner[0], 0  # kept if the user cuts learning short
    if not trainer.stop.is_set():
        shares = [done.n_steps / fold.config.n_steps for fold, done in pairs(folds, inner)]
        steps = max(1, round(float(np.median(shares)) * last.n_steps))
        clean = cells
        if mined is not None:
            clean = replace(cells[mined.clean], unlabelled=cells.unlabelled)
        final = whole_fold(clean, freeze(clean, last), replace(last, n_steps=steps))
        learned = trainer.run([final])[0]
        if 2 * learned.n_steps >= steps:
            whole, kept = final, learned
        if mined is not None and not trainer.stop.is_set():
            kept, n_second = second(cells, mined, final, learned=learned, trainer=trainer)
    return _Done(inner, whole, kept, mined, n_second)


def _detail(cells: LabelledCounts, frozen: Frozen, n_bits: int, seed: int) -> Detail | None:
    return fit_detail(cells, frozen, n_bits=n_bits, random_state=seed) if n_bits else None


def _accuracy(held_out: list[HeldOutFold]) -> float:
    right = [fold.similarity("asymmetric").argmax(axis=1) == fold.labels for fold in held_out]
    return float(np.concatenate(right).mean())
