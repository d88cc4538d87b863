"""Figures of merit: agreement of labels, honesty of confidence, rejection by a score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import f1_score, roc_auc_score

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.tasks import Task

N_BINS = 15


@dataclass(frozen=True)
class Agreement:
    """Agreement with the true types over test cells of known types, each in [0, 1].

    ``macro_f1`` and ``median_f1`` run over the types that occur among those cells.
    """

    macro_f1: float
    median_f1: float
    accuracy: float


def agreement(task: Task, predicted: NDArray[np.str_]) -> Agreement:
    """Score predicted labels, ``(n_test,)``, against the truth of a task."""
    truth, guess = task.truth[task.known], predicted[task.known]
    per_type = f1_score(truth, guess, labels=np.unique(truth), average=None, zero_division=0)
    return Agreement(
        macro_f1=float(np.mean(per_type)),
        median_f1=float(np.median(per_type)),
        accuracy=float(np.mean(truth == guess)),
    )


@dataclass(frozen=True)
class Reliability:
    """Confidence against the share of right labels, bin by bin; ``ece`` weighs bins by cells."""

    ece: float
    n_cells: list[int]
    mean_confidence: list[float]
    share_right: list[float]


def reliability(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], *, equal_mass: bool
) -> Reliability:
    """Measure calibration over fifteen bins of equal width or of equal numbers of cells."""
    order = np.argsort(confidence, kind="stable")
    confidence, right = confidence[order], right[order]
    if equal_mass:
        bins = np.arange(len(confidence)) * N_BINS // len(confidence)
    else:
        bins = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    counts = np.bincount(bins, minlength=N_BINS)
    filled = counts > 0
    mean = np.bincount(bins, confidence, N_BINS)[filled] / counts[filled]
    share = np.bincount(bins, right, N_BINS)[filled] / counts[filled]
    ece = float(np.sum(counts[filled] * np.abs(mean - share)) / len(confidence))
    return Reliability(ece, counts[filled].tolist(), mean.tolist(), share.tolist())


def rejection(novelty: NDArray[np.float64], unknown: NDArray[np.bool_]) -> tuple[float, float]:
    """AUROC of a novelty score, and the share of unknown cells caught at 5 % of known lost.

    Parameters
    ----------
    novelty
        Score of each test cell, ``(n_test,)``, higher for what lies further out.
    unknown
        True for cells of the held-out type, ``(n_test,)``; both kinds must occur.
    """
    threshold = np.quantile(novelty[~unknown], 0.95)
    return float(roc_auc_score(unknown, novelty)), float(np.mean(novelty[unknown] > threshold))
