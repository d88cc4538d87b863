"""Inner folds: encoders on some of the cells, looked at on those that they have not seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from atlash.data.split import group_folds
from atlash.models.held_out import HeldOutFold
from atlash.models.prepare import freeze, normalised_features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.config import TrainConfig
    from atlash.models.prepare import Frozen, LabelledCounts, UnlabelledCounts
    from atlash.nn.train import Learned

MIN_STEPS = 150
"""Steps that even the smallest reference gets, unless fewer are asked for."""
MAX_HELD_OUT = 4000
"""Most held-out cells of a fold that are looked at."""


@dataclass(frozen=True)
class Fold:
    """One encoder to learn: from which cells, and which, perhaps none, are held out.

    Of the held-out cells, whose ``rows`` among all cells these are, some are looked at. A second
    phase goes on from ``start`` with the cells that it ``draws``, some of them repeatedly.
    """

    train: LabelledCounts
    held_out: LabelledCounts
    frozen: Frozen
    config: TrainConfig
    rows: NDArray[np.int64]
    start: Learned | None = None
    draws: NDArray[np.int64] | None = None


def inner_folds(cells: LabelledCounts, config: TrainConfig, seed: int) -> list[Fold]:
    """Return folds whose held-out cells are whole batches where there are several."""
    splits = group_folds(cells.labels, cells.groups, n_folds=config.n_folds, random_state=seed)
    rng = np.random.default_rng(seed)
    folds = []
    for train_index, held_out in splits:
        part = cells[train_index]
        seen = replace(part, unlabelled=seen_beside(cells, train_index))
        few = np.sort(rng.permutation(held_out)[:MAX_HELD_OUT])
        own = planned(config, len(part))
        folds.append(Fold(part, cells[few], freeze(seen, config), own, held_out))
    return folds


def seen_beside(cells: LabelledCounts, train: NDArray[np.int64]) -> UnlabelledCounts | None:
    """Return the unlabelled cells that a fold may see: not those of batches that it holds out.

    A batch is held out if all its cells of a type are.
    """
    more = cells.unlabelled
    if more is None or more.groups is None or cells.groups is None:
        return more
    kinds = cells.groups * cells.n_types + cells.labels
    held_out = np.setdiff1d(kinds, kinds[train]) // cells.n_types
    return more[np.flatnonzero(~np.isin(more.groups, held_out))]


def whole_fold(cells: LabelledCounts, frozen: Frozen, config: TrainConfig) -> Fold:
    """Return the task of learning from all cells, none held out."""
    nothing = np.empty(0, dtype=np.int64)
    return Fold(cells, cells[nothing], frozen, config, nothing)


def planned(config: TrainConfig, n_cells: int) -> TrainConfig:
    """Return the options with the steps that suit so many cells: few cells need fewer."""
    by_epochs = max(MIN_STEPS, config.max_epochs * n_cells / config.batch_size)
    return replace(config, n_steps=round(min(config.n_steps, by_epochs)))


def pairs(folds: list[Fold], inner: list[Learned]) -> list[tuple[Fold, Learned]]:
    """Return each fold with what was learned on it."""
    return list(zip(folds, inner, strict=True))


def held_out_folds(folds: list[Fold], inner: list[Learned]) -> list[HeldOutFold]:
    """Return the held-out cells' codes, each from the encoder that has not seen them.

    Encoders that an interruption left far behind are no evidence of the one that is kept.
    """
    shares = [learned.n_steps / fold.config.n_steps for fold, learned in pairs(folds, inner)]
    found = []
    for (fold, learned), share in zip(pairs(folds, inner), shares, strict=True):
        if 2 * share < max(shares):  # never so without: half the steps are always taken
            continue
        X = normalised_features(fold.held_out, fold.frozen)
        z = learned.weights.encode(X, np.ones(X.shape[1], dtype=bool)).z
        found.append(HeldOutFold(z, fold.held_out.labels, learned.anchors))
    return found
