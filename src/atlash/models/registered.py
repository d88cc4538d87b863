"""Types registered after learning, each from a few cells and without retraining.

The encoder folds a new type onto known ones, so it cannot tell. Expression can: a detector
draws one plane between the new type and each known one, and takes the cells that lie on the
new type's side of all of them. All other answers stay as they are.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from atlash.errors import InputError
from atlash.models.boundaries import Known, fit_boundaries
from atlash.models.detector import Detector
from atlash.models.exemplars import Described, Exemplars, describe
from atlash.models.thresholds import (
    fit_probability,
    hardest_type,
    predictive_spread,
    set_threshold,
    taking_threshold,
)

if TYPE_CHECKING:
    import scipy.sparse as sp
    from numpy.typing import NDArray

    from atlash.models.pc_space import PCSpace

MIN_CELLS = 5
"""Fewest cells that a type can be registered from."""
N_FOLDS = 5
MOST_HELD = 0.8
"""Greatest share of a known type's cells that a fold of whole batches may hold out."""
LOOKALIKE = 0.8
"""Area under the ROC curve below which a new type cannot be told from a known one."""


class LookalikeTypeWarning(UserWarning):
    """A registered type can hardly be told from a known one."""


@dataclass(frozen=True)
class Registration:
    """A new type's detector, and what was measured on cells that it had not seen.

    Attributes
    ----------
    detector
        Tells the new type.
    exemplars
        The known ones and those of the new type, for the next registration.
    n_cells
        Cells that the type was registered from.
    found
        Share of them that would be taken, each from the others, in [0, 1].
    given_up
        Share of each known type's exemplars that would be taken, averaged over types.
    closest
        The known type that is hardest to tell from the new one.
    auroc
        Area under the ROC curve against that type.
    """

    detector: Detector
    exemplars: Exemplars
    n_cells: int
    found: float
    given_up: float
    closest: str
    auroc: float


def register(
    name: str,
    X: sp.csr_array,
    known: Exemplars,
    *,
    measured: NDArray[np.bool_],
    space: PCSpace,
    types: list[str],
    random_state: int = 0,
) -> Registration:
    """Make a detector for a new type from a few of its cells.

    How far beyond its boundaries a cell must lie to be taken is chosen on cells held out, whole
    batches of them where a known type has several; see
    :mod:`atlash.models.boundaries` and :mod:`atlash.models.thresholds`.

    Parameters
    ----------
    name
        Name of the new type.
    X
        Its cells, normalised ``(n, n_features)``, CSR float32, at least 5.
    known
        Cells of the types that are there.
    measured
        Features that the new cells' data hold ``(n_features,)``; the others have no say.
    space
        The label-free space of the reference.
    types
        Names of the types that are there, learned and registered.
    random_state
        Seed of the folds.

    Raises
    ------
    InputError
        If the name is empty or taken, or there are fewer than 5 cells.

    Warns
    -----
    LookalikeTypeWarning
        If held-out cells can hardly be told from those of a known type.
    """
    check_new_type(name, X.shape[0], types)
    rng = np.random.default_rng(random_state)
    few = describe(X, measured, space)
    old_cells = describe(known.expression(X.shape[1]), measured, space)
    folds = _known_folds(known.labels, known.batches, rng)
    old, new, distance = _held_out_scores(few, old_cells, known.labels, folds, rng)
    threshold = taking_threshold(old, known.labels, new)
    closest, auroc = hardest_type(old, known.labels, new)
    found = fit_boundaries(few, Known.measure(old_cells, known.labels))
    weights = space.middle.astype(np.float64) @ found.normals[:-1]
    detector = Detector(
        direction=found.direction.astype(np.float32),
        planes=np.vstack([weights, found.normals[-1:], found.offsets]).astype(np.float32),
        centre=found.centre[:-1].astype(np.float32),
        thresholds=np.array([threshold, set_threshold(new)]),
        curve=fit_probability(old, known.labels, new),
        spread=predictive_spread(distance),
    )
    registration = Registration(
        detector=detector,
        exemplars=known.joined(X, len(types), rng),
        n_cells=X.shape[0],
        found=float((new > threshold).mean()),
        given_up=_mean_share(old > threshold, known.labels),
        closest=types[closest],
        auroc=auroc,
    )
    if auroc < LOOKALIKE:
        _warn_of_lookalike(name, registration)
    return registration


def check_new_type(name: str, n_cells: int, types: list[str]) -> None:
    """Raise :class:`InputError` if no type of that name can be registered from so many cells."""
    if not isinstance(name, str) or not name.strip():
        msg = f"The new type needs a name, such as 'Ionocyte'; {name!r} was given."
        raise InputError(msg)
    if name in types:
        msg = (
            f"The reference has a type {name!r} already. Register the new type under another "
            "name, or add the cells to the type that is there."
        )
        raise InputError(msg)
    if n_cells < MIN_CELLS:
        msg = (
            f"{name!r} has {n_cells} cells, and at least {MIN_CELLS} are needed to register a "
            "type; 20 are better. Give more cells."
        )
        raise InputError(msg)


def _held_out_scores(
    few: Described,
    known: Described,
    labels: NDArray[np.int32],
    old_fold: NDArray[np.int64],
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return scores of known and of new cells, and the latter's squared distances.

    Each is measured against boundaries that the cells of other folds give.
    """
    new_fold = _folds(np.zeros(len(few.white), dtype=np.int32), rng)
    old, new, distance = np.empty(len(old_fold)), np.empty(len(new_fold)), np.empty(len(new_fold))
    for fold in range(N_FOLDS):
        seen, hidden = old_fold != fold, new_fold == fold
        found = fit_boundaries(few[~hidden], Known.measure(known[seen], labels[seen]))
        old[~seen] = found.score(known[~seen])
        new[hidden] = found.score(few[hidden])
        distance[hidden] = found.squared_distance(few[hidden])
    return old, new, distance


def _known_folds(
    labels: NDArray[np.int32], batches: NDArray[np.int32], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Deal whole batches out over the folds: cells to come will be of batches not seen.

    A type is dealt cell by cell if its batch is not known, or if some fold would hold nearly
    all of its cells.
    """
    by_cell = _folds(labels, rng)
    by_batch = np.unique(batches, return_inverse=True)[1] % N_FOLDS
    n_held = np.zeros((labels.max() + 1, N_FOLDS))
    np.add.at(n_held, (labels, by_batch), 1)
    whole = n_held.max(axis=1) <= MOST_HELD * n_held.sum(axis=1)
    return np.where(whole[labels], by_batch, by_cell)


def _folds(labels: NDArray[np.int32], rng: np.random.Generator) -> NDArray[np.int64]:
    """Deal the cells of each type out over the folds, in random order."""
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    folds = np.empty(len(labels), dtype=np.int64)
    folds[order] = np.arange(len(labels)) % N_FOLDS
    return folds


def _mean_share(taken: NDArray[np.bool_], labels: NDArray[np.int32]) -> float:
    return float(np.mean([taken[labels == kind].mean() for kind in np.unique(labels)]))


def _warn_of_lookalike(name: str, registration: Registration) -> None:
    msg = (
        f"{name!r} can hardly be told from {registration.closest!r}: held-out cells are ranked "
        f"right in {registration.auroc:.0%} of pairs, and 50% would be chance. It takes "
        f"{registration.found:.0%} of its own cells. Give more cells, or build the reference "
        "anew with both types."
    )
    warnings.warn(msg, LookalikeTypeWarning, stacklevel=3)
