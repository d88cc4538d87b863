"""How far a cell is from all that a reference knows.

Five sub-scores of the label-free space are joined by weights that are learned by holding each
known type out in turn: what tells that type from the others is what will tell a truly new
type. The joint score is set against that of known cells that the space has not seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

from atlash.models.pc_space import N_SUBSCORES, PCSpace, fit_pc_space

if TYPE_CHECKING:
    import scipy.sparse as sp
    from numpy.typing import NDArray

MAX_CELLS, MAX_INNER_CELLS = 4000, 2500
"""Most cells that the space is fitted to, in the end and with a type held out."""
MIN_OF_TYPE = 150
"""Cells of a type that are kept when cells are drawn."""
MAX_HELD_TYPES = 12
MIN_HELD_CELLS = 15
N_KNOWN, N_UNKNOWN = 800, 250
"""Known and unknown cells compared for each held-out type."""
PULL, TOWARDS = 0.03, 0.05
"""Strength of the pull of the weights, and where to."""
CLIP = (-4.0, 8.0)
TAIL = 0.05
N_STEPS = 100


@dataclass(frozen=True)
class Scorer:
    """A joint score of the sub-scores.

    Attributes
    ----------
    centre, spread
        Of each sub-score among known cells ``(5,)``, float64.
    weight
        Of each standardised sub-score ``(5,)``, float64, at least 0.
    steps
        Scores of known cells at evenly spaced shares, from the least to the 95th percentile
        ``(101,)``, float64.
    excess
        Mean score beyond that percentile, less the percentile ``(1,)``, float64.
    """

    centre: NDArray[np.float64]
    spread: NDArray[np.float64]
    weight: NDArray[np.float64]
    steps: NDArray[np.float64]
    excess: NDArray[np.float64]

    def joint(self, subscores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one score a cell ``(n,)``, higher is stranger."""
        standard = np.clip((subscores - self.centre) / self.spread, *CLIP)
        return np.asarray((standard * self.weight).sum(axis=1))

    def novelty(self, subscores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``-log10`` of the share of known cells that look at least as novel ``(n,)``.

        Beyond the 95th percentile of the known cells the tail is taken to be exponential.
        """
        score = self.joint(subscores)
        levels = -np.log10(np.linspace(1, TAIL, N_STEPS + 1))
        beyond = np.maximum(score - self.steps[-1], 0) / (self.excess[0] * np.log(10))
        return np.interp(score, self.steps, levels) + beyond


@dataclass(frozen=True)
class Novelty:
    """A label-free space and the score in it; see this module."""

    space: PCSpace
    scorer: Scorer

    def score(
        self, X: sp.csr_array, measured: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float32]:
        """Return the novelty of normalised cells ``(n,)``, float32, at least 0."""
        return self.scorer.novelty(self.space.subscores(X, measured)).astype(np.float32)


@dataclass(frozen=True)
class KnownCells:
    """Normalised cells over the features, and their types.

    Attributes
    ----------
    X
        ``(n, n_features)``, CSR float32.
    labels
        ``(n,)``.
    """

    X: sp.csr_array
    labels: NDArray[np.int64]

    def __getitem__(self, index: NDArray[np.int64]) -> KnownCells:
        """Return some of the cells."""
        return KnownCells(self.X[index], self.labels[index])


def fit_novelty(seen: KnownCells, unseen: KnownCells, *, random_state: int) -> Novelty:
    """Fit the space on seen cells and the score on unseen ones.

    Parameters
    ----------
    seen
        Cells that the space is fitted to.
    unseen
        Known cells of other batches, or drawn at random where there is one batch.
    random_state
        Seed.
    """
    rng = np.random.default_rng(random_state)
    weight = _learned_weights(seen, unseen, rng)
    cells = seen[_draw(seen.labels, MAX_CELLS, rng)]
    space = fit_pc_space(cells.X, cells.labels, random_state=random_state)
    subscores = space.subscores(unseen.X)
    centre, spread = _centre_and_spread(subscores)
    bare = Scorer(centre, spread, weight, np.zeros(N_STEPS + 1), np.ones(1))
    known = bare.joint(subscores)
    steps = np.quantile(known, 1 - np.linspace(1, TAIL, N_STEPS + 1))
    beyond = known[known > steps[-1]] - steps[-1]
    excess = max(float(beyond.mean()) if len(beyond) else 0.0, 1e-3)
    return Novelty(space, Scorer(centre, spread, weight, steps, np.array([excess])))


def _learned_weights(
    seen: KnownCells, unseen: KnownCells, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Learn what tells a type from all others without having seen it, over held-out types."""
    counts = np.bincount(seen.labels)
    candidates = np.flatnonzero(counts >= MIN_HELD_CELLS)
    if (counts > 0).sum() < 3 or len(candidates) == 0:  # two types must remain
        return np.full(N_SUBSCORES, 1 / N_SUBSCORES)
    held = np.sort(rng.permutation(candidates)[:MAX_HELD_TYPES])
    features, targets, importance = [], [], []
    for kind in held:
        others = seen[np.flatnonzero(seen.labels != kind)]
        others = others[_draw(others.labels, MAX_INNER_CELLS, rng)]
        known = rng.permutation(np.flatnonzero(unseen.labels != kind))[:N_KNOWN]
        new = rng.permutation(np.flatnonzero(seen.labels == kind))[:N_UNKNOWN]
        if len(known) == 0:
            continue
        space = fit_pc_space(others.X, others.labels, random_state=0)
        of_known = space.subscores(unseen[known].X)
        centre, spread = _centre_and_spread(of_known)
        both = np.concatenate([of_known, space.subscores(seen[new].X)])
        features.append(np.clip((both - centre) / spread, *CLIP))
        targets.append(np.repeat([0.0, 1.0], [len(known), len(new)]))
        importance.append(np.repeat([1 / len(known), 1 / len(new)], [len(known), len(new)]))
    if not features:
        return np.full(N_SUBSCORES, 1 / N_SUBSCORES)
    return _non_negative_logistic(
        np.concatenate(features), np.concatenate(targets), np.concatenate(importance)
    )


def _non_negative_logistic(
    features: NDArray[np.float64], target: NDArray[np.float64], importance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return weights, at least 0, of a logistic regression pulled towards small equal ones."""
    importance = importance / importance.sum()
    n = features.shape[1]

    def loss(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logit = features @ point[:n] + point[n]
        nats = (importance * (np.logaddexp(0, logit) - target * logit)).sum()
        error = importance * (1 / (1 + np.exp(-logit)) - target)
        away = point[:n] - TOWARDS
        gradient = np.append(features.T @ error + PULL * away, error.sum())
        return nats + PULL / 2 * (away @ away), gradient

    start = np.append(np.full(n, TOWARDS), 0.0)
    bounds = [(0, None)] * n + [(None, None)]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(found.x[:n])


def _centre_and_spread(
    subscores: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    centre = np.median(subscores, axis=0)
    return centre, 1.25 * np.abs(subscores - centre).mean(axis=0) + 1e-6


def _draw(labels: NDArray[np.int64], most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw about ``most`` cells, but at least 150 of each type that has as many."""
    if len(labels) <= most:
        return np.arange(len(labels))
    counts = np.bincount(labels)
    wanted = np.maximum(MIN_OF_TYPE, 0.9 * counts * most / len(labels))
    share = np.minimum(1, wanted / np.maximum(counts, 1))
    return np.flatnonzero(rng.random(len(labels)) < share[labels])
