"""What the benchmark of pre-training calls of atlash."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import lru_cache
from time import perf_counter
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import atlash
from benchmarks.outcome import NOTHING, Outcome
from benchmarks.peers.linear import MAX_ITER
from benchmarks.places import data_root
from benchmarks.product import label, threads
from benchmarks.tasks import BATCH, FILES, LABELS, annotation_tasks

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from atlash.config import GeneStart
    from benchmarks.tasks import Task

GENE_NAMED = tuple(file for name, file in FILES.items() if name != "cbmc")
"""Files of the tasks that name their genes."""
TIMED_STEPS = 12
UNTRAINED = 1e-12
"""Learning rate at which one step changes nothing that counts."""


def pretrained(
    folder: Path, config: atlash.PretrainConfig, *, minutes: float
) -> tuple[atlash.PretrainedEncoder, dict[str, float]]:
    """Pre-train on all gene-named shared cells for a budget; return the encoder and its cost.

    The number of steps is what a few timed ones say; an encoder that is there goes on.
    """
    cells = [data_root() / name for name in GENE_NAMED]
    path = folder / "trained"
    if not path.exists():
        seconds = []
        for n_steps in (1, 1, 1 + TIMED_STEPS):  # the first also compiles
            start = perf_counter()
            short = replace(config, n_steps=n_steps)
            timed = folder / f"timed-{n_steps}"
            shutil.rmtree(timed, ignore_errors=True)
            atlash.PretrainedEncoder.pretrain(cells, timed, config=short)
            seconds.append(perf_counter() - start)
        a_step = max(1e-3, seconds[2] - seconds[1]) / TIMED_STEPS
        config = replace(config, n_steps=max(2, round(60 * minutes / a_step)))
    else:
        n_steps = atlash.PretrainedEncoder.load(path).facts["settings"]["n_steps"]
        config = replace(config, n_steps=n_steps)
    start = perf_counter()
    encoder = atlash.PretrainedEncoder.pretrain(cells, path, config=config, resume=path.exists())
    seconds = perf_counter() - start
    spent = folder / "cost.json"
    if not spent.exists():  # a run that was taken up again tells the cost of its end alone
        n_cells = config.n_steps * config.batch_size
        cost = {"seconds": seconds, "steps": config.n_steps, "cells_a_second": n_cells / seconds}
        spent.write_text(json.dumps(cost))
    return encoder, json.loads(spent.read_text())


def untrained(folder: Path, config: atlash.PretrainConfig, start: GeneStart) -> Path:
    """Return an encoder of the same shape and vocabulary as it is before the first step."""
    path = folder / f"untrained-{start}"
    if not path.exists():
        cells = [data_root() / name for name in GENE_NAMED]
        nothing = replace(
            config, gene_start=start, n_steps=1, learning_rate=UNTRAINED, weight_decay=0.0
        )
        atlash.PretrainedEncoder.pretrain(cells, path, config=nothing)
    return path


def logistic_on_embeddings(task: Task, encoder: Path) -> Outcome:
    """Logistic regression on standardised embeddings."""
    embedded, seconds_a_cell = embeddings(task.group, encoder)
    start = perf_counter()
    scale = StandardScaler()
    train = scale.fit_transform(embedded[task.train_rows])
    model = LogisticRegression(max_iter=MAX_ITER).fit(train, task.labels)
    fitted = perf_counter()
    labels = model.predict(scale.transform(embedded[task.test_rows]))
    n_train, n_test = len(task.train_rows), len(task.test_rows)
    return Outcome(
        labels,
        NOTHING,
        NOTHING,
        fitted - start + n_train * seconds_a_cell,
        perf_counter() - fitted + n_test * seconds_a_cell,
    )


@lru_cache
def embeddings(group: str, encoder: Path) -> tuple[NDArray[np.float32], float]:
    """Return the embedding of each cell of a group, and the seconds that one takes.

    A cell's embedding depends on no other cell, so that all splits and draws may share them.
    """
    task = next(iter(annotation_tasks((group,))))
    cells = ad.AnnData(task.cells.X, var=task.cells.var)
    config = atlash.EmbedConfig(n_threads=threads(), progress=False)
    start = perf_counter()
    atlash.tl.embed(cells, encoder, config=config, key_added="pretrained")
    seconds = perf_counter() - start
    return np.asarray(cells.obsm["X_pretrained"]), seconds / cells.n_obs


def unlabelled_rows(task: Task) -> NDArray[np.int64]:
    """Return the training cells of a group's first split that have no label in the task."""
    whole = next(iter(annotation_tasks((task.group,))))
    return np.setdiff1d(whole.train_rows, task.train_rows)


def fine_tuned(task: Task, encoder: Path | None, seed: int, *, use_unlabelled: bool) -> Outcome:
    """Label by a reference that starts from an encoder, or by an ordinary one without.

    Training cells without a label help to choose genes and axes if they are used.
    """
    start = perf_counter()
    config = atlash.BuildConfig(
        encoder=None if encoder is None else str(encoder),
        use_unlabelled=use_unlabelled,
        n_threads=threads(),
        progress=False,
    )
    batch_key = BATCH if task.batch_key else None
    cells = _with_unlabelled(task) if use_unlabelled else task.train
    reference = atlash.Reference.build(cells, LABELS, batch_key, config=config, random_state=seed)
    built = perf_counter()
    query = task.test
    label(query, reference)
    labels = np.asarray(query.obs["atlash_label"], dtype=str)
    return Outcome(labels, NOTHING, NOTHING, built - start, perf_counter() - built)


def _with_unlabelled(task: Task) -> ad.AnnData:
    """Return the labelled cells of a task, and the others of its split without their labels."""
    rows = np.sort(np.concatenate([task.train_rows, unlabelled_rows(task)]))
    cells = task.cells[rows].copy()
    labels = cells.obs[LABELS].astype(object)
    cells.obs[LABELS] = labels.where(np.isin(rows, task.train_rows), None)
    return cells
