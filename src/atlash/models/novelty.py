"""How far a cell is from all that a reference knows.

Sub-scores of the label-free space are joined by weights that are learned by holding each known
type out in turn: what tells that type from the others will tell a truly new type. The joint
score is set against that of known cells that the space has not seen.
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

MAX_CELLS, MAX_INNER_CELLS = 8000, 2500
"""Most cells that the space is fitted to, in the end and with a type held out."""
MIN_OF_TYPE = 150
"""Cells of a type that are kept when cells are drawn."""
MAX_HELD_TYPES = 12
MIN_HELD_CELLS = 15
N_KNOWN, N_UNKNOWN = 800, 250
"""Known and unknown cells compared for each held-out type."""
UNSEEN_SHARE = 0.25
"""Share of each type in each batch that is set aside to compare with."""
PULL, TOWARDS = 0.1, 0.2
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
        Of each sub-score among known cells ``(7,)``, float64.
    weight
        Of each sub-score ``(7,)``, float64, at least 0.
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
        return np.asarray((_strangeness(subscores, self.centre, self.spread) * self.weight).sum(1))

    def novelty(self, subscores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``-log10`` of the share of known cells that look at least as novel ``(n,)``.

        Beyond the 95th percentile of the known cells the tail is taken to be exponential.
        """
        score = self.joint(subscores)
        levels = -np.log10(np.linspace(1, TAIL, N_STEPS + 1))
        beyond = np.maximum(score - self.steps[-1], 0) / (self.excess[0] * np.log(10))
        return np.asarray(np.interp(score, self.steps, levels) + beyond)


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


def fit_novelty(
    cells: KnownCells,
    shallow: sp.csr_array,
    groups: NDArray[np.int64] | None,
    *,
    random_state: int,
) -> Novelty:
    """Fit the space and the score.

    A quarter of each type in each batch is set aside: cells that the space has not seen set
    the scale of the score, each as it is and as if sequenced less deeply, so that a shallow
    cell is not a novelty. Then the space is fitted once more to all cells.

    Parameters
    ----------
    cells
        Known cells.
    shallow
        The same cells with thinned counts ``(n, n_features)``, CSR float32.
    groups
        Their batches ``(n,)``, or ``None``.
    random_state
        Seed.
    """
    rng = np.random.default_rng(random_state)
    aside = _set_aside(cells.labels, groups, rng)
    seen, unseen = cells[np.flatnonzero(~aside)], cells[np.flatnonzero(aside)]
    weight = _learned_weights(seen, unseen, rng)
    few = seen[_draw(seen.labels, MAX_CELLS, rng)]
    space = fit_pc_space(few.X, few.labels, random_state=random_state)
    subscores = space.subscores(unseen.X)
    centre, spread = _centre_and_spread(subscores)
    unscaled = Scorer(centre, spread, weight, np.zeros(N_STEPS + 1), np.ones(1))
    thinned = space.subscores(shallow[np.flatnonzero(aside)])
    known = unscaled.joint(np.concatenate([subscores, thinned]))
    steps = np.quantile(known, 1 - np.linspace(1, TAIL, N_STEPS + 1))
    beyond = known[known > steps[-1]] - steps[-1]
    excess = max(float(beyond.mean()) if len(beyond) else 0.0, 1e-3)
    all_types = cells[_draw(cells.labels, MAX_CELLS, rng)]
    final = fit_pc_space(all_types.X, all_types.labels, random_state=random_state)
    return Novelty(final, Scorer(centre, spread, weight, steps, np.array([excess])))


def _set_aside(
    labels: NDArray[np.int64], groups: NDArray[np.int64] | None, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Mark a quarter of each type in each batch ``(n,)``; a lone cell is not marked."""
    stratum = labels
    if groups is not None:
        stratum = np.unique(np.stack([labels, groups]), axis=1, return_inverse=True)[1]
    order = rng.permutation(len(stratum))
    order = order[np.argsort(stratum[order], kind="stable")]
    sizes = np.bincount(stratum)
    rank = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    aside = np.zeros(len(order), dtype=bool)
    aside[order] = rank < np.round(UNSEEN_SHARE * np.repeat(sizes, sizes))
    if not aside.any():  # one cell of the largest type, which keeps others
        aside[np.flatnonzero(labels == np.bincount(labels).argmax())[0]] = True
    return aside


def _learned_weights(
    seen: KnownCells, unseen: KnownCells, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Learn what tells a type from all others without having seen it, over held-out types."""
    counts = np.bincount(seen.labels)
    candidates = np.flatnonzero(counts >= MIN_HELD_CELLS)
    if (counts > 0).sum() < 3 or len(candidates) == 0:  # two types must remain
        return np.full(N_SUBSCORES, TOWARDS)
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
        features.append(_strangeness(both, centre, spread))
        targets.append(np.repeat([0.0, 1.0], [len(known), len(new)]))
        importance.append(np.repeat([1 / len(known), 1 / len(new)], [len(known), len(new)]))
    if not features:
        return np.full(N_SUBSCORES, TOWARDS)
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


def _strangeness(
    subscores: NDArray[np.float64], centre: NDArray[np.float64], spread: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how far sub-scores are above usual: flat below it, linear far above."""
    return np.asarray(np.logaddexp(0, np.clip((subscores - centre) / spread, *CLIP) - 1))


def _centre_and_spread(
    subscores: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    centre = np.median(subscores, axis=0)
    return centre, 1.25 * np.abs(subscores - centre).mean(axis=0) + 1e-6


def _draw(labels: NDArray[np.int64], most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw about ``most`` cells, rare types first: 150 of each, or fewer of very many types."""
    if len(labels) <= most:
        return np.arange(len(labels))
    counts = np.bincount(labels)
    least = min(MIN_OF_TYPE, most // (2 * int((counts > 0).sum())))
    wanted = np.maximum(least, 0.9 * counts * most / len(labels))
    share = np.minimum(1, wanted / np.maximum(counts, 1))
    return np.flatnonzero(rng.random(len(labels)) < share[labels])
