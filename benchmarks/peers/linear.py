"""Linear peers: logistic regression on genes and on PCs, and a linear support vector machine."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from benchmarks.outcome import NOTHING, Outcome
from benchmarks.peers.features import features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.tasks import Task

MAX_ITER = 5000  # scikit-learn's default of 100 would stop before the tolerance is met


def logistic_genes(task: Task) -> Outcome:
    """Logistic regression on standardised variable genes; it carries its max-probability too."""
    seen = features(task)
    return _logistic(seen.train, seen.test, task, seen.seconds)


def logistic_balanced(task: Task) -> Outcome:
    """Logistic regression on standardised variable genes, types weighed alike."""
    seen = features(task)
    return _logistic(seen.train, seen.test, task, seen.seconds, balanced=True)


def logistic_pcs(task: Task) -> Outcome:
    """Logistic regression on 50 principal components."""
    seen = features(task)
    return _logistic(seen.train_pcs, seen.test_pcs, task, seen.seconds)


def logistic_pcs_of_all(task: Task, unlabelled_rows: NDArray[np.int64]) -> Outcome:
    """Logistic regression on 50 principal components of labelled and unlabelled cells."""
    everyone = np.sort(np.concatenate([task.train_rows, unlabelled_rows]))
    seen = features(replace(task, train_rows=everyone))
    own = np.isin(everyone, task.train_rows)
    return _logistic(seen.train_pcs[own], seen.test_pcs, task, seen.seconds)


def linear_svm(task: Task) -> Outcome:
    """Linear support vector machine on standardised variable genes.

    The dual is solved: the optimum is the primal's, and on dense z-scores it is reached many
    times sooner.
    """
    seen = features(task)
    start = perf_counter()
    model = LinearSVC(dual=True, max_iter=20_000, random_state=0).fit(seen.train, task.labels)
    fitted = perf_counter()
    labels = model.predict(seen.test)
    fit_seconds = fitted - start + seen.seconds
    return Outcome(labels, NOTHING, NOTHING, fit_seconds, perf_counter() - fitted)


def _logistic(
    train: NDArray[np.float64],
    test: NDArray[np.float64],
    task: Task,
    prepared: float,
    *,
    balanced: bool = False,
) -> Outcome:
    start = perf_counter()
    weights = "balanced" if balanced else None
    model = LogisticRegression(max_iter=MAX_ITER, class_weight=weights).fit(train, task.labels)
    fitted = perf_counter()
    probability = model.predict_proba(test)
    labels = model.classes_[probability.argmax(axis=1)]
    best = probability.max(axis=1)
    return Outcome(labels, best, 1 - best, fitted - start + prepared, perf_counter() - fitted)
