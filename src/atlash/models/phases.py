"""The second phase of learning, on hard cells."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from atlash.models.calibration import fit_calibration
from atlash.models.folds import held_out_folds, pairs, whole_fold
from atlash.models.mining import SeenFold, find_evidence, mine, second_draw, second_phase

if TYPE_CHECKING:
    from atlash.config import TrainConfig
    from atlash.models.folds import Fold
    from atlash.models.mining import Mined
    from atlash.models.prepare import LabelledCounts
    from atlash.models.trainer import Trainer
    from atlash.nn.train import Learned


def mined_cells(
    cells: LabelledCounts,
    folds: list[Fold],
    inner: list[Learned],
    *,
    config: TrainConfig,
    trainer: Trainer,
) -> Mined | None:
    """Find hard cells, if asked to; an interruption here ends learning as it does elsewhere."""
    if config.mining is None or trainer.stop.is_set():
        return None
    seen = [
        SeenFold(fold.train, fold.rows, fold.frozen, done) for fold, done in pairs(folds, inner)
    ]
    try:
        calibration = fit_calibration(held_out_folds(folds, inner))
        evidence = find_evidence(cells, seen, calibration, n_neighbors=config.mining.n_neighbors)
    except KeyboardInterrupt:
        trainer.stop.set()
        return None
    return mine(evidence, cells.labels, config.mining)


def second(
    cells: LabelledCounts,
    mined: Mined,
    first: Fold,
    *,
    learned: Learned,
    trainer: Trainer,
) -> tuple[Learned, int]:
    """Go on with hard cells; return the encoder to keep, and the steps that it went on for.

    Of a second phase that was cut short before its middle nothing is kept: its schedule begins
    with rising steps.
    """
    fold = whole_fold(cells, first.frozen, second_phase(first.config, mined.config))
    if fold.config.n_steps == 0:
        return learned, 0
    draws = second_draw(mined, random_state=trainer.options.random_state)
    again = trainer.run([replace(fold, start=learned, draws=draws)])[0]
    if 2 * again.n_steps < fold.config.n_steps:
        return learned, 0
    return replace(again, n_steps=learned.n_steps), again.n_steps
