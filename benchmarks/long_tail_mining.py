"""Mining on a split of the long-tail benchmark, with and without the guard and planted errors.

Follows what ``atlash.models.learn`` does with ``TrainConfig(mining=...)``, but keeps what the
variants share: the encoders of the inner folds.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from atlash.data.split import group_folds
from atlash.models.calibration import fit_calibration
from atlash.models.folds import planned
from atlash.models.held_out import HeldOutFold
from atlash.models.mining import (
    Evidence,
    SeenFold,
    find_evidence,
    mine,
    second_draw,
    second_phase,
)
from atlash.models.prepare import freeze, normalised_features, training_cells
from atlash.nn.inference import encode
from atlash.nn.train import Run, single_thread, train
from benchmarks.long_tail_networks import Split, anchors_of, labels_by, split_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.config import MiningConfig, TrainConfig
    from atlash.models.prepare import Frozen, LabelledCounts
    from atlash.nn.train import Learned
    from benchmarks.tasks import Task

_LAST: dict[tuple[Any, ...], tuple[Split, Evidence]] = {}


@single_thread()
def mined_network(
    task: Task, labels: NDArray[np.str_], config: TrainConfig, mining: MiningConfig, seed: int
) -> dict[str, Any]:
    """Learn in one phase or two; return labels of the test cells, and how good the guard was."""
    split, evidence = _evidence(task, labels, config, mining, seed)
    mined = mine(evidence, split.cells.labels, mining)
    clean = split.cells[mined.clean]
    frozen = freeze(clean, config)
    first = _train(clean, frozen, planned(config, len(split.cells)), seed)
    kept = first
    again = second_phase(planned(config, len(split.cells)), mining)
    if again.n_steps:
        drawn = split.cells[second_draw(mined, random_state=seed)]
        kept = _train(drawn, frozen, again, seed, start=first)
    wrong = labels != task.labels
    caught = int(wrong[mined.suspicious].sum())
    return {
        "labels": labels_by(split, frozen, kept),
        "n_suspicious": len(mined.suspicious),
        "n_wrong": int(wrong.sum()),
        "n_caught": caught,
    }


def _evidence(
    task: Task, labels: NDArray[np.str_], config: TrainConfig, mining: MiningConfig, seed: int
) -> tuple[Split, Evidence]:
    """Learn the encoders of the inner folds; those of the last task are kept."""
    key = (task.fingerprint, tuple(labels), config, mining.n_neighbors, seed)
    if key not in _LAST:
        _LAST.clear()
        split = split_of(task, labels)
        cells = split.cells
        folds, held_out = [], []
        for rows, out in group_folds(
            cells.labels, cells.groups, n_folds=config.n_folds, random_state=seed
        ):
            part = cells[rows]
            frozen = freeze(part, config)
            learned = _train(part, frozen, planned(config, len(part)), seed)
            folds.append(SeenFold(part, out, frozen, learned))
            X = normalised_features(cells[out], frozen)
            z = encode(X, learned.weights, np.ones(X.shape[1], dtype=bool)).z
            held_out.append(HeldOutFold(z, cells.labels[out], learned.anchors))
        evidence = find_evidence(
            cells, folds, fit_calibration(held_out), n_neighbors=mining.n_neighbors
        )
        _LAST[key] = split, evidence
    return _LAST[key]


def _train(
    cells: LabelledCounts,
    frozen: Frozen,
    config: TrainConfig,
    seed: int,
    *,
    start: Learned | None = None,
) -> Learned:
    return train(
        training_cells(cells, frozen),
        frozen.standardiser,
        frozen.axes,
        anchors=anchors_of(cells.n_types, seed),
        config=config,
        validation=None,
        run=Run(torch.device("cpu"), seed, threading.Event(), _ignore, start=start),
    )


def _ignore(loss: float) -> None:
    pass
