"""From predictions to answers: which cells are assigned, and why the others are not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from atlash.keys import BETWEEN_TYPES, NO_REASON, OUT_OF_REACH, REASONS, TOO_FEW_GENES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.models.annotator import Prediction


@dataclass(frozen=True)
class Limits:
    """Where assignment ends.

    Attributes
    ----------
    min_confidence
        Least calibrated probability, in [0, 1].
    max_novelty
        Greatest novelty: ``-log10`` of the share of known cells that may be lost.
    min_genes
        Least number of the reference's genes detected.
    """

    min_confidence: float
    max_novelty: float
    min_genes: int


def reasons(prediction: Prediction, limits: Limits) -> NDArray[np.int8]:
    """Return why each cell is unassigned, as an index into :data:`atlash.keys.REASONS`.

    The first that holds: too few genes, out of reach, between types. 0 stands for assigned.
    """
    too_few = prediction.n_genes < limits.min_genes
    out = prediction.novelty > limits.max_novelty
    between = prediction.confidence < limits.min_confidence
    reason = np.full(len(too_few), REASONS.index(NO_REASON), dtype=np.int8)
    for holds, name in ((between, BETWEEN_TYPES), (out, OUT_OF_REACH), (too_few, TOO_FEW_GENES)):
        reason[holds] = REASONS.index(name)
    return reason
