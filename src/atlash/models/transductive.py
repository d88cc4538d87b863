"""Answers that use the query as a whole: on request only, and said to be transductive."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.data.normalize import BoundSource
    from atlash.models.annotator import Annotator, Prediction


def vote_by_group(
    prediction: Prediction,
    groups: pd.Series[Any] | NDArray[np.uint8],
    *,
    assigned: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Give each group of cells its most probable type.

    Parameters
    ----------
    prediction
        Of each cell; assigned cells vote with their confidence.
    groups
        Cluster of each cell ``(n,)``, or packed codes ``(n, n_bytes)``: cells of one code are
        a group then. Cells without a cluster keep their own type.
    assigned
        Which cells vote ``(n,)``.

    Returns
    -------
    Type of each cell ``(n,)``; groups without a vote keep each cell's own.
    """
    if isinstance(groups, pd.Series):
        member = pd.factorize(groups)[0]
    else:
        member = np.unique(groups, axis=0, return_inverse=True)[1].ravel()
    voters = assigned & (member >= 0)
    n_groups, n_types = int(member.max(initial=-1)) + 1, prediction.sets.shape[1]
    votes = np.zeros((n_groups + 1, n_types))  # the last row is of cells without a group, at -1
    np.add.at(votes, (member[voters], prediction.nearest[voters]), prediction.confidence[voters])
    decided = (votes.sum(axis=1) > 0)[member]
    return np.where(decided, votes.argmax(axis=1)[member], prediction.nearest)


def matched_to_query(annotator: Annotator, bound: BoundSource, chunk_size: int) -> Annotator:
    """Return an annotator that standardises with the query's mean and scale.

    The seeds match moments so by default; a lone cell then has no expression at all. Features
    that do not vary in the query keep the reference's scale.
    """
    n = 0
    total = np.zeros(annotator.weights.n_features)
    squares = np.zeros_like(total)
    for part in bound.chunks(chunk_size):
        n += part.X.shape[0]
        data = part.X.data.astype(np.float64)
        total += np.bincount(part.X.indices, weights=data, minlength=len(total))
        squares += np.bincount(part.X.indices, weights=data**2, minlength=len(total))
    mean = total / n
    scale = np.sqrt(np.maximum(squares / n - mean**2, 0))
    return replace(annotator, weights=annotator.weights.matched(mean, scale))
