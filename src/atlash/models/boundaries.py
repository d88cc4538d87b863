"""Planes between a new type and each known one, in a space where types are round.

This is linear discriminant analysis on the whitened axes and one direction more. Axes that
were found without a type hold little of what it alone expresses; the direction holds that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.models.exemplars import Described

PULL = 1.0
"""Noise variances by which a new centre is shrunken towards the nearest known one."""
DOUBT = 1.0
"""Standard errors by which each feature's difference is brought nearer to 0."""
LEAST_VARIANCE = 0.05
N_PARTS = 3
"""Parts of the new cells, each set along the direction that the others give."""


@dataclass(frozen=True)
class Known:
    """Known cells, and what all boundaries need of them.

    Attributes
    ----------
    cells, labels
        The cells, and their types ``(n,)``.
    centres
        Mean standardised expression of each type ``(n_types, n_features)``, float64.
    within
        Each cell less its type's mean ``(n, n_features)``, float32.
    variance
        Of that, a feature ``(n_features,)``, at least 0.05.
    """

    cells: Described
    labels: NDArray[np.int64]
    centres: NDArray[np.float64]
    within: NDArray[np.float32]
    variance: NDArray[np.float64]

    @classmethod
    def measure(cls, cells: Described, labels: NDArray[np.int32]) -> Known:
        """Measure known cells; types without a cell are left out."""
        _, kind = np.unique(labels, return_inverse=True)
        centres = _means(cells.standard, kind)
        within = cells.standard - centres[kind].astype(np.float32)
        variance = within.var(axis=0, dtype=np.float64) + LEAST_VARIANCE
        return cls(cells, kind, centres, within, variance)


@dataclass(frozen=True)
class Boundaries:
    """A new type's boundaries with the known ones.

    Attributes
    ----------
    direction
        Along which standardised expression is measured ``(n_features,)``, float64; its
        variance within known types is 1, or it is 0 throughout.
    centre
        New centre on the whitened axes, then along the direction ``(n_middle + 1,)``.
    normals, offsets
        One plane a known type ``(n_middle + 1, n_types)``, ``(n_types,)``, float64. The signed
        distance of a cell, times two, is its squared distance to the known centre less that
        to the new one, over the distance of the two.
    """

    direction: NDArray[np.float64]
    centre: NDArray[np.float64]
    normals: NDArray[np.float64]
    offsets: NDArray[np.float64]

    def score(self, cells: Described) -> NDArray[np.float64]:
        """Return the least signed distance of each cell ``(n,)``."""
        points = np.column_stack([cells.white, cells.standard @ self.direction])
        return np.asarray((points @ self.normals + self.offsets).min(axis=1))

    def squared_distance(self, cells: Described) -> NDArray[np.float64]:
        """Return squared distances to the centre on the whitened axes ``(n,)``."""
        return np.asarray(((cells.white - self.centre[:-1]) ** 2).sum(axis=1))


def fit_boundaries(few: Described, known: Known) -> Boundaries:
    """Fit the boundaries of a new type.

    Its centre is shrunken, axis by axis, towards the nearest known one, by its noise.

    Parameters
    ----------
    few
        Its cells, at least 2.
    known
        Cells of the known types.
    """
    direction = _direction(few, known)
    old = np.column_stack([known.cells.white, known.cells.standard @ direction])
    new = np.column_stack([few.white, _cross_fitted(few, known)])
    centres = _means(old, known.labels)
    mean = new.mean(axis=0, dtype=np.float64)
    nearest = centres[((centres - mean) ** 2).sum(axis=1).argmin()]
    away = mean - nearest
    noise = new.var(axis=0, dtype=np.float64) / len(new)
    centre = nearest + away * np.maximum(0, 1 - PULL * noise / (away**2 + 1e-9))
    apart = np.sqrt(((centre - centres) ** 2).sum(axis=1)) + 1e-6
    normals = (2 * (centre - centres) / apart[:, None]).T
    offsets = ((centres**2).sum(axis=1) - centre @ centre) / apart
    return Boundaries(direction, centre, normals, offsets)


def _direction(few: Described, known: Known) -> NDArray[np.float64]:
    """Return the difference from the nearest known type, over the variance of each feature."""
    mean = few.standard.mean(axis=0, dtype=np.float64)
    nearest = (((known.centres - mean) ** 2) / known.variance).sum(axis=1).argmin()
    away = mean - known.centres[nearest]
    own = few.standard.var(axis=0, dtype=np.float64)
    error = np.sqrt((own + known.variance) / 2 / len(few.standard))
    sure = np.sign(away) * np.maximum(0, np.abs(away) - DOUBT * error)
    weight = sure / known.variance
    unit = (known.within @ weight).std()
    return np.asarray(weight / unit if unit > 0 else np.zeros_like(weight))


def _cross_fitted(few: Described, known: Known) -> NDArray[np.float64]:
    """Return each new cell's place along a direction that is fitted without it ``(n,)``.

    Along a direction of their own cells look further out than new ones will be.
    """
    part = np.arange(len(few.white)) % N_PARTS
    along = np.empty(len(part))
    for own in range(min(N_PARTS, len(part))):
        along[part == own] = few.standard[part == own] @ _direction(few[part != own], known)
    return along


def _means(values: NDArray[np.floating], kind: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.stack(
        [values[kind == k].mean(axis=0, dtype=np.float64) for k in range(kind.max() + 1)]
    )
