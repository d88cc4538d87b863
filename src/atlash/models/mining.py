"""Hard cells: found out of fold, without those that look mislabelled, for a second phase.

Celler (arXiv 2504.00020) names hard data mining and publishes no criterion; this one is ours.

- The **margin** of a cell is its similarity to its own type's anchor less the greatest one to
  another, by an encoder of a fold that the cell was held out of.
- A cell **looks mislabelled** if that encoder takes it for another type and gives its own a
  calibrated probability of at most ``own_probability`` times what cells of the type have on
  average (a threshold for each type, as in confident learning: Northcutt et al., JAIR 2021), and
  if, of its nearest cells in the other folds (along principal components, which know no labels),
  at most ``own_agreement`` are of its own type. Which other type it is may be open between close
  types; that it is not its own, encoder and neighbours agree on.
- Of the others, the cells with the least margins are **hard**: of each type equally many, so
  that a common type cannot fill the list. What was never held out has no margin and counts as
  hard, as nothing shows that it is easy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from atlash.codes.similarity import similarity
from atlash.models.prepare import normalised_features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from atlash.config import MiningConfig, TrainConfig
    from atlash.models.calibration import Calibration
    from atlash.models.prepare import Frozen, LabelledCounts
    from atlash.nn.train import Learned

METHOD: Final = "asymmetric"
CHUNK = 2048
"""Cells that are dense at a time."""
MIN_OF_TYPE = 3
"""Cells of a type below which none is taken for mislabelled."""


@dataclass(frozen=True)
class SeenFold:
    """A fold, and the encoder that has not seen its held-out cells.

    Attributes
    ----------
    train
        What the encoder learned from.
    held_out
        Rows of the held-out cells among all cells ``(n,)``.
    frozen
        Features and statistics of the fold.
    learned
        The encoder.
    """

    train: LabelledCounts
    held_out: NDArray[np.int64]
    frozen: Frozen
    learned: Learned


@dataclass(frozen=True)
class Evidence:
    """What is known of each training cell from encoders that have not seen it ``(n,)``.

    Attributes
    ----------
    margin
        Similarity to its own anchor less that to the nearest other, float32 in [-2, 2]; NaN for
        a cell that no fold with other cells of its type held out.
    looks_like
        The nearest other type, int64; -1 where there is no margin.
    probability
        Calibrated probability of that type, float64.
    own_probability
        Calibrated probability of the cell's own type, float64.
    own_agreement
        Share of the cell's neighbours in other folds that are of its own type, float64.
    """

    margin: NDArray[np.float32]
    looks_like: NDArray[np.int64]
    probability: NDArray[np.float64]
    own_probability: NDArray[np.float64]
    own_agreement: NDArray[np.float64]


@dataclass(frozen=True)
class Mined:
    """What was found in the training cells.

    Attributes
    ----------
    evidence
        What it was found by.
    hard
        Rows of the hard cells, by type and then by margin, int64.
    suspicious
        Rows of cells that look mislabelled, ascending, int64.
    config
        Shares and thresholds.
    """

    evidence: Evidence
    hard: NDArray[np.int64]
    suspicious: NDArray[np.int64]
    config: MiningConfig

    @property
    def clean(self) -> NDArray[np.int64]:
        """Rows of all cells but the suspicious ones, ascending."""
        kept = np.ones(len(self.evidence.margin), dtype=bool)
        kept[self.suspicious] = False
        return np.flatnonzero(kept)


def find_evidence(
    cells: LabelledCounts,
    folds: Sequence[SeenFold],
    calibration: Calibration,
    *,
    n_neighbors: int,
) -> Evidence:
    """Look at every cell through the encoder of the fold that holds it out.

    Parameters
    ----------
    cells
        All training cells.
    folds
        Folds with their encoders.
    calibration
        Turns similarities into probabilities.
    n_neighbors
        Neighbours that vote.
    """
    n = len(cells)
    found = Evidence(
        np.full(n, np.nan, dtype=np.float32),
        np.full(n, -1, dtype=np.int64),
        np.zeros(n),
        np.ones(n),
        np.ones(n),
    )
    for fold in folds:
        # an encoder says nothing of a type that it has not learned
        known = np.bincount(fold.train.labels, minlength=cells.n_types) > 0
        rows = fold.held_out[known[cells.labels[fold.held_out]]]
        if len(rows) == 0 or known.sum() < 2:
            continue
        part = cells[rows]
        X = normalised_features(part, fold.frozen)
        z = fold.learned.weights.encode(X, np.ones(X.shape[1], dtype=bool)).z
        similar = similarity(z, fold.learned.anchors, METHOD)
        here = np.arange(len(rows))
        others = np.where(known, similar, -np.inf)
        others[here, part.labels] = -np.inf
        nearest = others.argmax(axis=1)
        found.margin[rows] = similar[here, part.labels] - similar[here, nearest]
        found.looks_like[rows] = nearest
        probability = calibration.probabilities(similar, METHOD)
        found.probability[rows] = probability[here, nearest]
        found.own_probability[rows] = probability[here, part.labels]
        found.own_agreement[rows] = _own_agreement(part, fold, n_neighbors)
    return found


def mine(evidence: Evidence, labels: NDArray[np.int64], config: MiningConfig) -> Mined:
    """Choose hard cells, and tell which look mislabelled.

    Parameters
    ----------
    evidence
        Of each cell.
    labels
        Type of each cell ``(n,)``.
    config
        Shares and thresholds.
    """
    suspicious = _suspicious(evidence, labels, config)
    clean = np.setdiff1d(np.arange(len(labels)), suspicious)
    present = np.unique(labels)
    quota = max(1, round(config.hard_share * len(labels) / len(present)))
    rank = np.where(np.isnan(evidence.margin), -np.inf, evidence.margin)
    hard = []
    for kind in present:
        members = clean[labels[clean] == kind]
        hard.append(members[np.argsort(rank[members], kind="stable")][:quota])
    return Mined(evidence, np.concatenate(hard), suspicious, config)


def second_draw(mined: Mined, *, random_state: int) -> NDArray[np.int64]:
    """Return the rows of the second phase: each clean cell once, hard cells again and again.

    As training takes batches of a new order in every pass, a share of ``mixed_share`` of every
    batch is hard on average, and the others are an even sample.
    """
    rng = np.random.default_rng(random_state)
    clean = mined.clean
    share = mined.config.mixed_share
    n_hard = round(share / (1 - share) * len(clean))
    return np.concatenate([clean, np.resize(rng.permutation(mined.hard), n_hard)])


def second_phase(config: TrainConfig, mining: MiningConfig) -> TrainConfig:
    """Return the options of the second phase, given those of the first; 0 steps for none."""
    n_steps = max(1, round(mining.steps_share * config.n_steps)) if mining.steps_share else 0
    return replace(
        config,
        n_steps=n_steps,
        learning_rate=mining.rate_factor * config.learning_rate,
        component_learning_rate=mining.rate_factor * config.component_learning_rate,
    )


def _suspicious(
    evidence: Evidence, labels: NDArray[np.int64], config: MiningConfig
) -> NDArray[np.int64]:
    if not config.guard:
        return np.empty(0, dtype=np.int64)
    counts = np.bincount(labels)
    usual = np.bincount(labels, evidence.own_probability) / np.maximum(counts, 1)
    odd = (
        (evidence.margin < 0)  # never so for NaN
        & (evidence.own_probability <= config.own_probability * usual[labels])
        & (evidence.own_agreement <= config.own_agreement)
    )
    found = []
    for kind in np.flatnonzero(counts >= MIN_OF_TYPE):
        members = np.flatnonzero(odd & (labels == kind))
        most = int(config.most_dropped * counts[kind])
        found.append(members[np.argsort(evidence.margin[members], kind="stable")][:most])
    rows: NDArray[np.int64] = np.sort(np.concatenate([np.empty(0, dtype=np.int64), *found]))
    return rows


def _own_agreement(part: LabelledCounts, fold: SeenFold, n_neighbors: int) -> NDArray[np.float64]:
    """Return the share of each cell's neighbours in the fold's training cells of its type."""
    from sklearn.neighbors import NearestNeighbors

    n_neighbors = min(n_neighbors, len(fold.train))
    search = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute")
    search.fit(_components(fold.train, fold.frozen))
    near = search.kneighbors(_components(part, fold.frozen), return_distance=False)
    return np.asarray((fold.train.labels[near] == part.labels[:, None]).mean(axis=1))


def _components(cells: LabelledCounts, frozen: Frozen) -> NDArray[np.float32]:
    """Return principal components of the standardised features ``(n, n_components)``."""
    X, scaling = normalised_features(cells, frozen), frozen.standardiser
    out = np.empty((len(cells), frozen.axes.shape[1]), dtype=np.float32)
    for first in range(0, len(cells), CHUNK):
        rows = slice(first, first + CHUNK)
        standard = (X[rows].toarray() - scaling.mean) * scaling.inverse_scale
        out[rows] = np.minimum(standard, scaling.upper) @ frozen.axes
    return out
