"""Other people's methods, each at its defaults and trained on the same cells as atlash.

A peer is a function ``Task -> Outcome``. :data:`ANNOTATORS` give labels, :data:`REJECTORS` give a
novelty score for cells of types that training never saw.
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.outcome import Outcome
from benchmarks.peers.celltypist import celltypist
from benchmarks.peers.distance import isolation_forest, knn_distance
from benchmarks.peers.linear import linear_svm, logistic_genes, logistic_pcs
from benchmarks.peers.neighbours import knn_pcs
from benchmarks.peers.seed import seed
from benchmarks.tasks import Task

Peer = Callable[[Task], Outcome]

ANNOTATORS: dict[str, Peer] = {
    "logistic_genes": logistic_genes,
    "logistic_pcs": logistic_pcs,
    "linear_svm": linear_svm,
    "knn_pcs": knn_pcs,
    "celltypist": celltypist,
    "seed": seed,
}
REJECTORS: dict[str, Peer] = {
    "max_probability": logistic_genes,
    "knn_distance": knn_distance,
    "isolation_forest": isolation_forest,
}
