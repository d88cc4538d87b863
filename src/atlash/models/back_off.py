"""Answers at the level of parents, and cells whose parent is surer than their type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from atlash.keys import BETWEEN_TYPES, NO_REASON, REASONS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.models.annotator import Prediction
    from atlash.models.decide import Limits
    from atlash.models.family import Family


@dataclass(frozen=True)
class ParentAnswer:
    """What is said of ``n`` cells at the level of parents.

    Attributes
    ----------
    parent
        Parent of each cell ``(n,)``, an index into the family's parents; -1 for none.
    confidence
        Calibrated probability that it is right ``(n,)``, float32; that of the likeliest parent
        where none is given.
    backed_off
        Cells between types whose parent is sure enough ``(n,)``, bool.
    """

    parent: NDArray[np.int64]
    confidence: NDArray[np.float32]
    backed_off: NDArray[np.bool_]


def answer_parents(
    prediction: Prediction,
    label: NDArray[np.int64],
    family: Family,
    *,
    reason: NDArray[np.int8],
    limits: Limits,
    force: bool,
) -> ParentAnswer:
    """Return the parent of each cell: that of its type where it has one.

    So no answer contradicts the other one. A cell between types gets the likeliest parent, if
    its probability, the sum over its children, reaches ``limits.min_confidence``.

    Parameters
    ----------
    prediction
        Of each cell.
    label
        Type of each cell ``(n,)``, were it assigned.
    family
        Parents of the types.
    reason
        Why each cell is unassigned ``(n,)``; see :func:`atlash.models.decide.reasons`.
    limits
        Where assignment ends.
    force
        Whether every cell gets its type.
    """
    likeliest = prediction.of_parents.argmax(axis=1)
    rows = np.arange(len(likeliest))
    sure = prediction.of_parents[rows, likeliest] >= limits.min_confidence
    backed_off = (reason == REASONS.index(BETWEEN_TYPES)) & sure
    has_type = (reason == REASONS.index(NO_REASON)) | force
    parent = np.where(has_type, family.of_type[label], np.where(backed_off, likeliest, -1))
    told = np.where(parent < 0, likeliest, parent)
    return ParentAnswer(parent, prediction.of_parents[rows, told], backed_off)
