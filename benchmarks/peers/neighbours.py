"""Nearest neighbours on PCs."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from sklearn.neighbors import KNeighborsClassifier

from benchmarks.outcome import NOTHING, Outcome
from benchmarks.peers.features import features

if TYPE_CHECKING:
    from benchmarks.tasks import Task

N_NEIGHBORS = 15


def knn_pcs(task: Task) -> Outcome:
    """Vote of the fifteen nearest training cells on 50 principal components."""
    seen = features(task)
    start = perf_counter()
    model = KNeighborsClassifier(N_NEIGHBORS).fit(seen.train_pcs, task.labels)
    fitted = perf_counter()
    share = model.predict_proba(seen.test_pcs)
    labels = model.classes_[share.argmax(axis=1)]
    fit_seconds = fitted - start + seen.seconds
    return Outcome(labels, share.max(axis=1), NOTHING, fit_seconds, perf_counter() - fitted)
