"""The splits of the long-tail benchmark: five data sets as they are, two of them long-tailed.

The seed picks the part that is tested: one of five groups of donors, the direction between two
studies, or one of five folds stratified by type where there are no batches.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from sklearn.model_selection import StratifiedKFold

from benchmarks.tasks import BATCH, LABELS, Task, load

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_PARTS = 5
IMBALANCE = 100
STUDIES = ("zheng_facs", "pbmc3k")
DATA = ("haber", "haber_tail", "paul15", "pbmc_cross", "cbmc", "kang", "kang_tail")


def long_tail_task(data: str, seed: int) -> Task:
    """Return one split of one data set of :data:`DATA`."""
    name = data.removesuffix("_tail")
    cells = load(name)
    if name == "pbmc_cross":
        study = np.asarray(cells.obs[BATCH], dtype=str)
        train, test = (np.flatnonzero(study == STUDIES[(seed + k) % 2]) for k in range(2))
    elif name == "kang":
        donors = np.asarray(cells.obs[BATCH], dtype=str)
        # donors by size, dealt like cards
        names, sizes = np.unique(donors, return_counts=True)
        held_out = names[np.argsort(-sizes, kind="stable")][seed % N_PARTS :: N_PARTS]
        tested = np.isin(donors, held_out)
        train, test = np.flatnonzero(~tested), np.flatnonzero(tested)
    else:
        folds = StratifiedKFold(N_PARTS, shuffle=True, random_state=0)
        train, test = list(folds.split(np.zeros(cells.n_obs), cells.obs[LABELS]))[seed % N_PARTS]
    task = Task(f"long_tail/{data}/{seed}", data, cells, train, test)
    return _long_tailed(task, seed) if data.endswith("_tail") else task


def _long_tailed(task: Task, seed: int) -> Task:
    """Thin out training so that counts decay exponentially, from 1 to 1/100 of the greatest.

    A type that has fewer cells than its place in the order allows keeps them all.
    """
    rng = np.random.default_rng(seed)
    types, counts = np.unique(task.labels, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    kept = []
    for place, kind in enumerate(order):
        wanted = counts[order[0]] * IMBALANCE ** (-place / (len(types) - 1))
        rows = task.train_rows[task.labels == types[kind]]
        kept.append(rng.permutation(rows)[: max(1, round(wanted))])
    return replace(task, train_rows=np.sort(np.concatenate(kept)))


def with_errors(labels: NDArray[np.str_], share: float, seed: int) -> NDArray[np.str_]:
    """Return labels of which a share was replaced by another type, drawn evenly."""
    rng = np.random.default_rng([seed, 5])
    types, codes = np.unique(labels, return_inverse=True)
    wrong = rng.permutation(len(labels))[: round(share * len(labels))]
    codes[wrong] = (codes[wrong] + rng.integers(1, len(types), len(wrong))) % len(types)
    return np.asarray(types[codes])
