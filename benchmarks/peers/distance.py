"""Peers for types that training never saw: how far a cell lies from the training cells."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from sklearn.ensemble import IsolationForest
from sklearn.neighbors import NearestNeighbors

from benchmarks.outcome import NOTHING, Outcome
from benchmarks.peers.features import features
from benchmarks.peers.neighbours import N_NEIGHBORS

if TYPE_CHECKING:
    from benchmarks.tasks import Task


def knn_distance(task: Task) -> Outcome:
    """Mean distance to the fifteen nearest training cells on 50 principal components."""
    seen = features(task)
    start = perf_counter()
    index = NearestNeighbors(n_neighbors=N_NEIGHBORS).fit(seen.train_pcs)
    fitted = perf_counter()
    novelty = index.kneighbors(seen.test_pcs)[0].mean(axis=1)
    fit_seconds = fitted - start + seen.seconds
    return Outcome(NOTHING.astype(str), NOTHING, novelty, fit_seconds, perf_counter() - fitted)


def isolation_forest(task: Task) -> Outcome:
    """Isolation forest on 50 principal components, seed 0."""
    seen = features(task)
    start = perf_counter()
    forest = IsolationForest(random_state=0).fit(seen.train_pcs)
    fitted = perf_counter()
    novelty = -forest.score_samples(seen.test_pcs)
    fit_seconds = fitted - start + seen.seconds
    return Outcome(NOTHING.astype(str), NOTHING, novelty, fit_seconds, perf_counter() - fitted)
