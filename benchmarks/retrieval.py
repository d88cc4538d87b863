"""How well a ranking finds cells of the type, neighbours inside the type, and not the batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import cross_val_predict

from benchmarks.peers.codes import Embedded, unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

DEPTHS = (50, 100)
N_NEIGHBOURS = 50
LEAST_REFERENCE, LEAST_QUERY, MOST_QUERY = 200, 10, 400
"""Cells of a type for neighbours inside it to be looked for, and the most that look."""
TRUTHS = ("cosine_centred", "cosine", "euclidean_centred", "euclidean")
LEAST_OF_BATCH, MOST_OF_TYPE = 20, 1500


@dataclass(frozen=True)
class Kinds:
    """Types and batches of test and training cells, as numbers."""

    query: NDArray[np.int64]
    reference: NDArray[np.int64]
    query_batch: NDArray[np.int64]
    reference_batch: NDArray[np.int64]


def mean_average_precision(codes: Embedded, kinds: Kinds) -> dict[str, float]:
    """Return mAP@50 and mAP@100 by type; ties go to the first row.

    The average precision of a query is the mean of the precisions at the ranks that hold a
    cell of its type, as hashing papers have it; 0 where none does.
    """
    nearest = [
        _nearest(codes.query[rows] @ codes.reference.T, max(DEPTHS))
        for rows in np.array_split(np.arange(len(codes.query)), -(-len(codes.query) // 500))
    ]
    return precision_of(np.concatenate(nearest), kinds)


def precision_of(nearest: NDArray[np.int64], kinds: Kinds) -> dict[str, float]:
    """Return mAP@50 and mAP@100 of training cells that were found, ``(n_query, 100)``."""
    hit = kinds.reference[nearest] == kinds.query[:, None]
    found = {}
    for depth in DEPTHS:
        right = hit[:, :depth]
        precision = right.cumsum(axis=1) / np.arange(1, right.shape[1] + 1)
        average = (precision * right).sum(axis=1) / np.maximum(right.sum(axis=1), 1)
        found[f"map_{depth}"] = float(average.mean())
    return found


class Neighbours:
    """Who is near whom inside each type, by principal components of one half of the counts.

    Four truths: nearest by cosine or by Euclidean distance, after the mean of each batch of
    the type has been taken away or not. Types with at least 200 reference cells count alike.

    Parameters
    ----------
    places
        Components of test and training cells.
    kinds
        Their types and batches.
    """

    def __init__(self, places: Embedded, kinds: Kinds) -> None:
        self.members: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        self.truths: list[dict[str, NDArray[np.int64]]] = []
        rng = np.random.default_rng(0)
        for kind in np.unique(kinds.reference):
            query, reference = (np.flatnonzero(k == kind) for k in (kinds.query, kinds.reference))
            if len(reference) < LEAST_REFERENCE or len(query) < LEAST_QUERY:
                continue
            plain = Embedded(places.query[query], places.reference[reference])
            centred = Embedded(
                _centred(plain.query, kinds.query_batch[query]),
                _centred(plain.reference, kinds.reference_batch[reference]),
            )
            kept = np.sort(rng.permutation(len(query))[:MOST_QUERY])
            self.members.append((query[kept], reference))
            self.truths.append(
                {truth: _truth(centred if "centred" in truth else plain, kept, truth)
                 for truth in TRUTHS}
            )  # fmt: skip

    @property
    def chance(self) -> float:
        """Recall of a random ranking."""
        return float(np.mean([N_NEIGHBOURS / len(reference) for _, reference in self.members]))

    def recall(self, codes: Embedded) -> dict[str, float]:
        """Return the share of true neighbours among the 50 nearest of the type, by truth."""
        return self.recall_of(
            [_nearest(codes.query[query] @ codes.reference[reference].T, N_NEIGHBOURS)
             for query, reference in self.members]
        )  # fmt: skip

    def recall_of(self, nearest: Sequence[NDArray[np.int64]]) -> dict[str, float]:
        """Return the same of cells that were found: for each type, places ``(n_query, 50)``."""
        found: dict[str, list[float]] = {truth: [] for truth in TRUTHS}
        for of_type, truths in zip(nearest, self.truths, strict=True):
            for truth, true in truths.items():
                same = [len(np.intersect1d(*pair)) for pair in zip(of_type, true, strict=True)]
                found[truth].append(float(np.mean(same)) / N_NEIGHBOURS)
        return {f"recall_{truth}": float(np.mean(shares)) for truth, shares in found.items()}


def batch_from(values: NDArray[np.floating], kinds: Kinds) -> dict[str, float]:
    """Return how well a logistic regression reads the batch inside a type, and chance.

    Balanced accuracy in three-fold cross-validation over training and test cells, mean over
    the types that at least two batches have twenty cells of.
    """
    types = np.concatenate([kinds.query, kinds.reference])
    batches = np.concatenate([kinds.query_batch, kinds.reference_batch])
    read, chance = [], []
    rng = np.random.default_rng(0)
    for kind in np.unique(types):
        rows = np.flatnonzero(types == kind)
        names, sizes = np.unique(batches[rows], return_counts=True)
        names = names[sizes >= LEAST_OF_BATCH]
        if len(names) < 2:
            continue
        rows = rng.permutation(rows[np.isin(batches[rows], names)])[:MOST_OF_TYPE]
        x = values[rows] - values[rows].mean(axis=0)
        x = x / (x.std(axis=0) + 1e-6)
        model = LogisticRegression(C=0.05, max_iter=500, class_weight="balanced")
        guess = cross_val_predict(model, x, batches[rows], cv=3)
        read.append(balanced_accuracy_score(batches[rows], guess))
        chance.append(1 / len(names))
    return {"batch_accuracy": float(np.mean(read)), "batch_chance": float(np.mean(chance))}


def _centred(places: NDArray[np.floating], batch: NDArray[np.int64]) -> NDArray[np.floating]:
    centred = places.copy()
    for b in np.unique(batch):
        centred[batch == b] -= places[batch == b].mean(axis=0)
    return centred


def _truth(places: Embedded, kept: NDArray[np.int64], truth: str) -> NDArray[np.int64]:
    query, reference = places.query[kept], places.reference
    if truth.startswith("cosine"):
        return _nearest(unit(query) @ unit(reference).T, N_NEIGHBOURS)
    return _nearest(2 * query @ reference.T - (reference**2).sum(axis=1), N_NEIGHBOURS)


def _nearest(scores: NDArray[np.floating], depth: int) -> NDArray[np.int64]:
    return np.argsort(-scores, axis=1, kind="stable")[:, :depth]
