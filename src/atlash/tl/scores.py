"""How well labels agree with the truth, where the truth is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Scores:
    """Agreement of labels with the truth.

    Attributes
    ----------
    per_type
        One row a true type: ``cells``, ``precision``, ``recall``, ``f1``.
    accuracy
        Share of all cells whose nearest type is right.
    macro_f1
        Mean of ``f1`` over types.
    n_cells, n_unassigned
        Counts of all cells, and of those left unassigned.
    accuracy_assigned
        Share of the assigned cells that are right; NaN if there are none.
    """

    per_type: pd.DataFrame
    accuracy: float
    macro_f1: float
    n_cells: int
    n_unassigned: int
    accuracy_assigned: float


def score_labels(
    truth: pd.Series[Any], nearest: pd.Series[Any], assigned: NDArray[np.bool_]
) -> Scores:
    """Compare labels with the truth.

    Parameters
    ----------
    truth
        True type of each cell ``(n,)``.
    nearest
        Type given to each cell ``(n,)``, whether or not it was assigned.
    assigned
        Which cells were assigned ``(n,)``.

    Returns
    -------
    Scores over all cells, as if every cell had been given its nearest type, and the accuracy
    among the assigned ones.
    """
    from sklearn.metrics import precision_recall_fscore_support

    true, given = truth.astype(str).to_numpy(), nearest.astype(str).to_numpy()
    types = np.unique(true)
    precision, recall, f1, cells = precision_recall_fscore_support(
        true, given, labels=types, zero_division=0
    )
    per_type = pd.DataFrame(
        {"cells": cells, "precision": precision, "recall": recall, "f1": f1}, index=types
    ).sort_values("cells", ascending=False, kind="stable")
    right = true == given
    return Scores(
        per_type=per_type,
        accuracy=float(right.mean()),
        macro_f1=float(np.mean(f1)),
        n_cells=len(true),
        n_unassigned=int((~assigned).sum()),
        accuracy_assigned=float(right[assigned].mean()) if assigned.any() else float("nan"),
    )
