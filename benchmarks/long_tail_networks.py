"""atlash's network on a split of the long-tail benchmark, with one loss or another.

The encoder that a reference keeps is learned as the product does: features chosen and frozen on
the training cells, planned steps, labels by the nearest anchor. Inner folds, which only calibrate
it, are left out unless hard cells are mined, so that many losses can be compared.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
import torch

from atlash.codes.anchors import choose_n_bits, make_anchors
from atlash.codes.similarity import similarity
from atlash.config import TrainConfig
from atlash.models.folds import planned
from atlash.models.prepare import LabelledCounts, freeze, normalised_features, training_cells
from atlash.nn.inference import encode
from atlash.nn.train import Run, single_thread, train
from benchmarks.tasks import BATCH

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.models.prepare import Frozen
    from atlash.nn.train import Learned
    from benchmarks.tasks import Task


@dataclass(frozen=True)
class Split:
    """A task as the network takes it.

    Parameters
    ----------
    cells, tested
        Training and test cells; labels of test cells are all 0, and never used.
    types
        Names of the types, sorted.
    frozen
        Features and statistics of the training cells.
    """

    cells: LabelledCounts
    tested: LabelledCounts
    types: NDArray[np.str_]
    frozen: Frozen


def split_of(task: Task, labels: NDArray[np.str_]) -> Split:
    """Return a task as counts, with the labels given for its training cells."""
    types, codes = np.unique(labels, return_inverse=True)
    groups = None
    if task.batch_key:
        batches = np.asarray(task.cells.obs[BATCH], dtype=str)[task.train_rows]
        groups = np.unique(batches, return_inverse=True)[1].astype(np.int64)
    counts, tested = (
        sp.csr_array(task.cells.X[rows]) for rows in (task.train_rows, task.test_rows)
    )
    cells = LabelledCounts(counts, codes.astype(np.int64), groups, len(types))
    nothing = np.zeros(len(task.test_rows), dtype=np.int64)
    return Split(
        cells,
        LabelledCounts(tested, nothing, None, len(types)),
        types,
        _frozen(_Key(task.fingerprint, tuple(labels)), cells),
    )


@dataclass(frozen=True)
class _Key:
    """What the features of a task depend on."""

    task: str
    labels: tuple[str, ...]


_LAST: dict[_Key, Frozen] = {}


def _frozen(key: _Key, cells: LabelledCounts) -> Frozen:
    """Return the frozen statistics; the last task's are kept, since all losses share them."""
    if key not in _LAST:
        _LAST.clear()
        _LAST[key] = freeze(cells, TrainConfig())
    return _LAST[key]


@lru_cache(maxsize=8)
def anchors_of(n_types: int, seed: int) -> NDArray[np.int8]:
    """Return the anchors that the product would choose."""
    return make_anchors(n_types, choose_n_bits(n_types), random_state=seed)[0]


@single_thread()
def learned(split: Split, config: TrainConfig, seed: int) -> Learned:
    """Learn the encoder on all training cells."""
    return train(
        training_cells(split.cells, split.frozen),
        split.frozen.standardiser,
        split.frozen.axes,
        anchors=anchors_of(split.cells.n_types, seed),
        config=planned(config, len(split.cells)),
        validation=None,
        run=Run(torch.device("cpu"), seed, threading.Event(), _ignore),
    )


def labels_by(split: Split, frozen: Frozen, encoder: Learned) -> NDArray[np.str_]:
    """Return the types of the test cells, each by its nearest anchor."""
    X = normalised_features(split.tested, frozen)
    z = encode(X, encoder.weights, np.ones(X.shape[1], dtype=bool)).z
    return split.types[similarity(z, encoder.anchors, "asymmetric").argmax(axis=1)]


def network(task: Task, labels: NDArray[np.str_], config: TrainConfig, seed: int) -> dict:
    """Learn with one loss and label the test cells."""
    split = split_of(task, labels)
    return {"labels": labels_by(split, split.frozen, learned(split, config, seed))}


def _ignore(loss: float) -> None:
    pass
