"""Held-out scores of new and known cells to thresholds and probabilities of a new type.

Types weigh alike here, however many of their cells are at hand: what a query holds is not known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Labels = NDArray[np.int32]
    Scores = NDArray[np.float64]

MAX_TAKEN, MAX_OF_ONE = 0.015, 0.15
"""Greatest share of the known types' cells that a new type may take: the mean over types, and
of any one of them."""
MISSED = 0.05
"""Share of the new type's cells that its set may miss."""
MIN_SCALE = 0.1
"""Least standard deviation of the logarithm of squared distances."""


def taking_threshold(old: Scores, labels: Labels, new: Scores) -> float:
    """Return the score above which cells are taken.

    Among thresholds that leave known types enough of their cells, it has the greatest F1 of
    the new type, were all types equally frequent; the highest of equally good ones.

    Parameters
    ----------
    old
        Held-out scores of known cells ``(n,)``.
    labels
        Their types ``(n,)``.
    new
        Held-out scores of new cells ``(n_new,)``.
    """
    order = np.argsort(-old, kind="stable")
    share = _shares_above(labels[order])
    allowed = (share.mean(axis=1) <= MAX_TAKEN) & (share.max(axis=1) <= MAX_OF_ONE)
    found = (new[None] > old[order, None]).mean(axis=1)
    f1 = 2 * found / (1 + found + share.sum(axis=1))
    best = old[order[np.where(allowed, f1, -1).argmax()]]
    above = np.concatenate([old[old > best], new[new > best]])
    return float((best + above.min()) / 2) if len(above) else float(best)


def _shares_above(labels: Labels) -> NDArray[np.float64]:
    """Return the share of each type that lies before each cell ``(n, n_types)``."""
    _, kind = np.unique(labels, return_inverse=True)
    one = np.zeros((len(kind), kind.max() + 1))
    one[np.arange(len(kind)), kind] = 1
    return np.asarray((np.cumsum(one, axis=0) - one) / one.sum(axis=0))


def set_threshold(new: Scores) -> float:
    """Return the score above which the new type cannot be excluded.

    It is the split-conformal quantile: at least 95 % of new cells lie above it, or, with
    fewer than 19 cells, ``n / (n + 1)`` of them.
    """
    rank = max(1, int(np.floor((len(new) + 1) * MISSED)))
    return float(np.nextafter(np.partition(new, rank - 1)[rank - 1], -np.inf))


def fit_probability(old: Scores, labels: Labels, new: Scores) -> NDArray[np.float64]:
    """Return slope and offset of the logistic curve from scores to probabilities ``(2,)``.

    Targets are smoothed by the numbers of cells, so that few cells promise less (Platt 1999).
    """
    _, kind, counts = np.unique(labels, return_inverse=True, return_counts=True)
    score = np.concatenate([old, new])
    weight = np.concatenate([1 / counts[kind], np.full(len(new), 1 / len(new))])
    weight /= weight.sum()
    target = np.repeat([1 / (len(old) + 2), (len(new) + 1) / (len(new) + 2)], [len(old), len(new)])
    centre, unit = score.mean(), score.std() + 1e-9
    standard = (score - centre) / unit

    def loss(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logit = point[0] * standard + point[1]
        nats = (weight * (np.logaddexp(0, logit) - target * logit)).sum()
        error = weight * (0.5 * (1 + np.tanh(logit / 2)) - target)
        return nats, np.array([error @ standard, error.sum()])

    start = np.array([1.0, 0.0])
    bounds = [(0, None), (None, None)]  # a higher score is never evidence against
    slope, offset = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return np.array([slope / unit, offset - slope * centre / unit])


def predictive_spread(squared_distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what the logarithm of a new cell's squared distance is expected to be ``(3,)``.

    Mean, scale and degrees of freedom of the t distribution that predicts one more draw of a
    normal variable from ``n`` draws.
    """
    logarithm = np.log(squared_distance + 1e-3)
    n = len(logarithm)
    scale = max(float(logarithm.std(ddof=1)), MIN_SCALE) * np.sqrt(1 + 1 / n)
    return np.array([logarithm.mean(), scale, n - 1])


def hardest_type(old: Scores, labels: Labels, new: Scores) -> tuple[int, float]:
    """Return the known type that is hardest to tell, and the area under its ROC curve."""
    kinds = np.unique(labels)
    areas = [_auroc(np.sort(old[labels == kind]), new) for kind in kinds]
    hardest = int(np.argmin(areas))
    return int(kinds[hardest]), areas[hardest]


def _auroc(ascending: Scores, new: Scores) -> float:
    """Return the share of pairs in which the new cell scores higher; ties count half."""
    below = np.searchsorted(ascending, new, side="left")
    at_most = np.searchsorted(ascending, new, side="right")
    return float((below + at_most).mean() / (2 * len(ascending)))
