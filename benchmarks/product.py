"""The only file that calls atlash: names that change there change here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import numpy as np

import atlash
from benchmarks.outcome import Outcome
from benchmarks.tasks import LABELS, Task


def annotator(seed: int, config: atlash.BuildConfig | None = None) -> Callable[[Task], Outcome]:
    """Make a method that builds a reference from a task's training cells and labels its test."""

    def annotate(task: Task) -> Outcome:
        start = perf_counter()
        reference = atlash.Reference.build(
            task.train,
            labels_key=LABELS,
            batch_key=task.batch_key,
            config=config,
            random_state=seed,
        )
        built = perf_counter()
        query = task.test
        atlash.tl.annotate(query, reference, force=True)
        done = perf_counter()
        return Outcome(
            labels=np.asarray(query.obs["atlash_label"], dtype=str),
            confidence=np.asarray(query.obs["atlash_confidence"], dtype=np.float64),
            novelty=np.asarray(query.obs["atlash_novelty"], dtype=np.float64),
            fit_seconds=built - start,
            predict_seconds=done - built,
        )

    return annotate
