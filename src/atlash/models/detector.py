"""A detector of one registered type: which cells it takes, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from atlash.models.pc_space import UPPER

if TYPE_CHECKING:
    import scipy.sparse as sp
    from numpy.typing import NDArray

    from atlash.models.pc_space import PCSpace


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
    direction
        What the new type expresses otherwise than the nearest known type, of which the axes
        hold a part only ``(n_features,)``, float32.
    planes
        One plane a known type ``(n_middle + 2, n_types)``, float32: weights of the places, the
        weight of the direction, and the offset. The least signed distance is the score.
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

    direction: NDArray[np.float32]
    planes: NDArray[np.float32]
    centre: NDArray[np.float32]
    thresholds: NDArray[np.float64]
    curve: NDArray[np.float64]
    spread: NDArray[np.float64]

    def judge(
        self,
        X: sp.csr_array,
        places: NDArray[np.float32],
        *,
        measured: NDArray[np.bool_],
        space: PCSpace,
    ) -> Judgement:
        """Judge cells, each on its own.

        Parameters
        ----------
        X
            Normalised expression of the features ``(n, n_features)``, CSR float32.
        places
            The same cells on the axes ``(n, at least n_middle)``, float32.
        measured
            Features that the data hold ``(n_features,)``; the others are taken as typical.
        space
            The space they are in.
        """
        from scipy.special import expit, stdtr

        from atlash.models._registered_kernels import least_side, squared_distance  # numba

        places = np.ascontiguousarray(places, dtype=np.float32)
        score, distance = np.empty(len(places)), np.empty(len(places))
        least_side(places, self._along(X, measured, space), self.planes, score)
        squared_distance(places, space.middle, self.centre, distance)
        mean, scale, freedom = self.spread
        beyond = stdtr(freedom, (mean - np.log(distance + 1e-3)) / scale)
        return Judgement(
            taken=score > self.thresholds[0],
            in_set=score > self.thresholds.min(),
            probability=expit(self.curve[0] * score + self.curve[1]).astype(np.float32),
            novelty=-np.log10(np.clip(beyond, 1e-30, 1)).astype(np.float32),
        )

    def _along(
        self, X: sp.csr_array, measured: NDArray[np.bool_], space: PCSpace
    ) -> NDArray[np.float64]:
        """Return standardised expression along the direction ``(n,)``."""
        from atlash.models._registered_kernels import add_along  # numba: imported when needed

        silent = np.where(measured, -space.mean * space.inverse_scale, 0)
        out = np.full(X.shape[0], (silent * self.direction).sum(dtype=np.float64))
        scaling = (space.mean, space.inverse_scale, np.float32(UPPER))
        parts = (X.indptr.astype(np.int64), X.indices.astype(np.int32), X.data)
        add_along(parts, scaling, self.direction, out)
        return out
