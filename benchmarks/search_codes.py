"""The two-part codes of atlash for the benchmark of search; its only caller of atlash.

The encoder learns all planned steps: no inner folds choose fewer. One pass serves all widths of
the detail bits.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from atlash.codes.anchors import choose_n_bits, make_anchors
from atlash.codes.similarity import similarity
from atlash.config import TrainConfig
from atlash.models.detail import components, fit_detail
from atlash.models.folds import planned
from atlash.models.prepare import LabelledCounts, freeze, normalised_features, training_cells
from atlash.nn.device import resolve_device
from atlash.nn.inference import encode
from atlash.nn.train import Run, single_thread, train
from benchmarks.peers.codes import Embedded
from benchmarks.tasks import BATCH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.tasks import Task


@dataclass(frozen=True)
class TwoPart:
    """Continuous codes of test and training cells: anchor bits, and detail bits by width."""

    anchor: Embedded
    detail: dict[int, Embedded]


def two_part_codes(task: Task, widths: Sequence[int], seed: int) -> TwoPart:
    """Learn from a task's training cells and encode all of its cells."""
    names, labels = np.unique(task.labels, return_inverse=True)
    n_types = len(names)
    batch = None
    if task.batch_key:
        values = np.asarray(task.cells.obs[BATCH], dtype=str)[task.train_rows]
        batch = np.unique(values, return_inverse=True)[1]
    counts = sp.csr_array(task.cells.X)
    cells = LabelledCounts(counts[task.train_rows], labels, batch, n_types)
    nobody = np.zeros(len(task.test_rows), dtype=np.int64)
    query = LabelledCounts(counts[task.test_rows], nobody, None, n_types)
    anchors, _ = make_anchors(n_types, choose_n_bits(n_types), random_state=seed)
    with single_thread():
        frozen = freeze(cells, TrainConfig())
        learned = train(
            training_cells(cells, frozen),
            frozen.standardiser,
            frozen.axes,
            anchors=anchors,
            config=planned(TrainConfig(), len(cells)),
            validation=None,
            run=Run(resolve_device("cpu"), seed, threading.Event(), lambda _: None),
        )
        details = {n: fit_detail(cells, frozen, n_bits=n, random_state=seed) for n in widths}
    anchor, detail = [], {n: [] for n in widths}
    for part in (query, cells):
        X = normalised_features(part, frozen)
        z = encode(X, learned.weights, np.ones(X.shape[1], dtype=bool)).z
        agreement = similarity(z, learned.anchors, "asymmetric")
        places = components(X, frozen)
        anchor.append(z)
        for n, fitted in details.items():
            detail[n].append(fitted.encode(places, agreement))
    return TwoPart(Embedded(*anchor), {n: Embedded(*parts) for n, parts in detail.items()})
