"""Types registered after learning, each from a few cells and without retraining.

The encoder folds a new type onto known ones, so it cannot tell. The label-free space keeps
what is new: there a detector draws one plane between the new type and each known one, and a
cell on the new type's side of all of them is taken. All other answers stay as they are.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from atlash.errors import InputError
from atlash.models.exemplars import Exemplars, joined, whitened
from atlash.models.thresholds import (
    fit_probability,
    hardest_type,
    predictive_spread,
    set_threshold,
    taking_threshold,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.models.pc_space import PCSpace

MIN_CELLS = 5
"""Fewest cells that a type can be registered from."""
N_FOLDS = 5
LOOKALIKE = 0.8
"""Area under the ROC curve below which a new type cannot be told from a known one."""
PULL = 1.0
"""Noise variances by which a new centre is shrunken towards the nearest known one."""


class LookalikeTypeWarning(UserWarning):
    """A registered type can hardly be told from a known one."""


@dataclass(frozen=True)
class Judgement:
    """What a detector says of ``n`` cells.

    Attributes
    ----------
    taken
        Whether the cell is given to the new type ``(n,)``, bool.
    in_set
        Whether the new type cannot be excluded ``(n,)``, bool; true of all taken cells.
    probability
        That the cell is of the new type, were all types equally frequent ``(n,)``, float32.
    novelty
        ``-log10`` of the share of the new type's cells that lie at least as far from its
        centre ``(n,)``, float32, at least 0. It stands for taken cells only.
    """

    taken: NDArray[np.bool_]
    in_set: NDArray[np.bool_]
    probability: NDArray[np.float32]
    novelty: NDArray[np.float32]


@dataclass(frozen=True)
class Detector:
    """Tells one registered type from the types that were there before it.

    Attributes
    ----------
    weight, bias
        One plane a known type, on the axes ``(n_middle, n_types)``, ``(n_types,)``, float32;
        the least signed distance to a plane is the score.
    centre
        Whitened centre of the new type ``(n_middle,)``, float32.
    thresholds
        Scores above which a cell is taken, and is in the set ``(2,)``, float64.
    curve
        Slope and offset of the logistic probability ``(2,)``, float64.
    spread
        Mean and scale of the logarithm of squared distances to the centre, and degrees of
        freedom of their t distribution ``(3,)``, float64.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    centre: NDArray[np.float32]
    thresholds: NDArray[np.float64]
    curve: NDArray[np.float64]
    spread: NDArray[np.float64]

    def judge(self, places: NDArray[np.float32], space: PCSpace) -> Judgement:
        """Judge cells, each on its own.

        Parameters
        ----------
        places
            On the axes ``(n, at least n_middle)``, float32; see `PCSpace`.
        space
            The space they are in.
        """
        from scipy.special import expit, stdtr

        score = self._score(places)
        distance = _squared_distance(whitened(places, space), self.centre)
        mean, scale, freedom = self.spread
        beyond = stdtr(freedom, (mean - np.log(distance + 1e-3)) / scale)
        return Judgement(
            taken=score > self.thresholds[0],
            in_set=score > self.thresholds.min(),
            probability=expit(self.curve[0] * score + self.curve[1]).astype(np.float32),
            novelty=-np.log10(np.clip(beyond, 1e-30, 1)).astype(np.float32),
        )

    def _score(self, places: NDArray[np.float32]) -> NDArray[np.float64]:
        from atlash.models._registered_kernels import least_side  # numba: imported when needed

        out = np.empty(len(places))
        least_side(np.ascontiguousarray(places, dtype=np.float32), self.weight, self.bias, out)
        return out


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
    places: NDArray[np.float32],
    known: Exemplars,
    *,
    space: PCSpace,
    types: list[str],
    random_state: int = 0,
) -> Registration:
    """Make a detector for a new type from a few of its cells.

    Each plane lies midway between the new centre and that of one known type, in a space
    where types are round (linear discriminant analysis). The new centre is shrunken, axis by
    axis, towards the nearest known one, by its noise. How far beyond its planes a cell must
    lie to be taken is chosen on cells that were held out.

    Parameters
    ----------
    name
        Name of the new type.
    places
        Its cells on the axes ``(n, n_axes)``, float32, at least 5.
    known
        Cells of the types that are there.
    space
        The space of both.
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
    check_new_type(name, len(places), types)
    few = whitened(places, space)
    rng = np.random.default_rng(random_state)
    old, new, distance = _held_out_scores(few, known, rng)
    threshold = taking_threshold(old, known.labels, new)
    closest, auroc = hardest_type(old, known.labels, new)
    registration = Registration(
        detector=Detector(
            *_planes(few, known, space),
            thresholds=np.array([threshold, set_threshold(new)]),
            curve=fit_probability(old, known.labels, new),
            spread=predictive_spread(distance),
        ),
        exemplars=joined(known, few, len(types), rng),
        n_cells=len(places),
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
    if not name.strip():
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
    few: NDArray[np.float32], known: Exemplars, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return scores of known and of new cells, and the latter's squared distances.

    Each is measured against centres of the cells of other folds.
    """
    old_fold = _folds(known.labels, rng)
    new_fold = _folds(np.zeros(len(few), dtype=np.int32), rng)
    old, new, distance = np.empty(len(known.labels)), np.empty(len(few)), np.empty(len(few))
    for fold in range(min(N_FOLDS, len(few))):
        seen, hidden = old_fold != fold, new_fold == fold
        part = Exemplars(known.white[seen], known.labels[seen])
        centre, normals, offsets = _boundaries(few[~hidden], part)
        old[~seen] = (known.white[~seen] @ normals + offsets).min(axis=1)
        new[hidden] = (few[hidden] @ normals + offsets).min(axis=1)
        distance[hidden] = _squared_distance(few[hidden], centre)
    return old, new, distance


def _folds(labels: NDArray[np.int32], rng: np.random.Generator) -> NDArray[np.int64]:
    """Deal the cells of each type out over the folds, in random order."""
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    folds = np.empty(len(labels), dtype=np.int64)
    folds[order] = np.arange(len(labels)) % N_FOLDS
    return folds


def _boundaries(
    few: NDArray[np.float32], known: Exemplars
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the new centre, and the planes midway to the known ones in whitened space.

    A cell's signed distance to a plane, times two, is its squared distance to the known
    centre less that to the new one, over the distance of the two.
    """
    present = np.unique(known.labels)
    centres = np.stack(
        [known.white[known.labels == kind].mean(axis=0, dtype=np.float64) for kind in present]
    )
    mean = few.mean(axis=0, dtype=np.float64)
    nearest = centres[((centres - mean) ** 2).sum(axis=1).argmin()]
    away = mean - nearest
    noise = few.var(axis=0, dtype=np.float64) / len(few)
    centre = nearest + away * np.maximum(0, 1 - PULL * noise / (away**2 + 1e-9))
    apart = np.sqrt(((centre - centres) ** 2).sum(axis=1)) + 1e-6
    normals = 2 * (centre - centres) / apart[:, None]
    offsets = ((centres**2).sum(axis=1) - centre @ centre) / apart
    return centre, np.ascontiguousarray(normals.T), offsets


def _planes(
    few: NDArray[np.float32], known: Exemplars, space: PCSpace
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return the planes on the axes themselves, and the whitened centre."""
    centre, normals, offsets = _boundaries(few, known)
    weight = np.ascontiguousarray(space.middle.astype(np.float64) @ normals, dtype=np.float32)
    return weight, offsets.astype(np.float32), centre.astype(np.float32)


def _squared_distance(
    white: NDArray[np.float32], centre: NDArray[np.floating]
) -> NDArray[np.float64]:
    from atlash.models._registered_kernels import squared_distance

    out = np.empty(len(white))
    squared_distance(white, centre.astype(np.float32), out)
    return out


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
