"""Which genes the encoder reads: markers and variable ones, chosen on training cells only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from atlash.data.variable import batch_masks, mean_and_variance, variable_genes

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_CELLS = 3
"""Cells of a type, and of all others, that a batch needs to testify on the type."""
VARIANCE_FLOOR = 0.01


def choose_features(
    normalised: sp.csr_array,
    labels: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
    *,
    n_features: int,
    marker_share: float,
) -> NDArray[np.int32]:
    """Choose genes: markers that each type names in turn, then the most variable ones.

    Parameters
    ----------
    normalised
        Normalised counts of the training cells ``(n, n_genes)``, CSR, not logarithmic.
    labels
        Their types ``(n,)``, -1 for none; cells without a type tell which genes vary.
    groups
        Their batches ``(n,)``, or ``None``.
    n_features
        Genes wanted; all detected genes where there are fewer.
    marker_share
        Share of them that are markers, in [0, 1].

    Returns
    -------
    Ascending gene indices, int32.
    """
    detected = np.zeros(normalised.shape[1], dtype=bool)
    detected[normalised.indices[normalised.data > 0]] = True
    if detected.sum() <= n_features:
        return np.flatnonzero(detected).astype(np.int32)
    scores = np.where(detected, _markers_of_known(normalised, labels, groups), 0)
    markers = _named_in_turn(scores, round(marker_share * n_features))
    order = variable_genes(normalised, groups, n_top=n_features)
    rest = order[detected[order] & ~np.isin(order, markers)]
    chosen = np.concatenate([markers, rest[: n_features - len(markers)]])
    return np.sort(chosen).astype(np.int32)


def _markers_of_known(
    normalised: sp.csr_array, labels: NDArray[np.int64], groups: NDArray[np.int64] | None
) -> NDArray[np.float64]:
    """Score markers on the cells that have a type; where all have one, nothing is copied."""
    known = labels >= 0
    if known.all():
        return marker_scores(normalised, labels, groups)
    own_groups = None if groups is None else groups[known]
    return marker_scores(normalised[known], labels[known], own_groups)


def marker_scores(
    normalised: sp.csr_array, labels: NDArray[np.int64], groups: NDArray[np.int64] | None
) -> NDArray[np.float64]:
    """Score how well each gene marks each type, by its presence or its absence.

    In each batch: the difference between the means of log expression in the type and in all
    other cells, over the standard deviation of all cells, shrunk where it is within two
    standard errors; then the mean over batches, without sign. A type that no batch can
    testify on is judged over all cells.

    Returns
    -------
    ``(n_types, n_genes)``, at least 0; zeros for types with too few cells.
    """
    values = np.log1p(normalised.data)
    logged = sp.csr_array((values, normalised.indices, normalised.indptr), normalised.shape)
    n_types = int(labels.max()) + 1
    total = np.zeros((n_types, normalised.shape[1]))
    witnesses = np.zeros(n_types)
    everyone = np.ones(len(labels), dtype=bool)
    for mask in (*batch_masks(groups, len(labels)), everyone):
        kinds = labels[mask]
        counts = np.bincount(kinds, minlength=n_types)
        able = (counts >= MIN_CELLS) & (len(kinds) - counts >= MIN_CELLS)
        if mask is everyone:
            able &= witnesses == 0
        if able.any():
            total[able] += _differences(logged[mask], kinds, counts)[able]
            witnesses[able] += 1
    return np.abs(total / np.maximum(witnesses, 1)[:, None])


def _differences(
    logged: sp.csr_array, labels: NDArray[np.int64], counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the standardised difference of each type from all others ``(n_types, n_genes)``."""
    n = len(labels)
    member = sp.csr_array((np.ones(n), (labels, np.arange(n))), shape=(len(counts), n))
    own = np.maximum(counts, 1)[:, None]
    others = np.maximum(n - counts, 1)[:, None]
    sums = (member @ logged).toarray()
    squares = (member @ logged.power(2)).toarray()
    _, variance = mean_and_variance(logged)
    inside = sums / own
    difference = inside - (sums.sum(axis=0) - sums) / others
    own_variance = np.maximum(squares / own - inside**2, 0)
    error = np.sqrt(own_variance / own + variance / others) + 1e-9
    certainty = np.minimum(1, np.abs(difference) / (2 * error))
    return np.asarray(difference / np.sqrt(variance + VARIANCE_FLOOR) * certainty)


def _named_in_turn(scores: NDArray[np.float64], n_wanted: int) -> NDArray[np.int64]:
    """Let each type name its best gene in turn until there are enough."""
    order = np.argsort(-scores, axis=1, kind="stable")
    named: dict[int, None] = {}
    for place in range(order.shape[1]):
        for kind, gene in enumerate(order[:, place].tolist()):
            if len(named) == n_wanted:
                return np.array(list(named), dtype=np.int64)
            if scores[kind, gene] > 0:
                named.setdefault(gene)
    return np.array(list(named), dtype=np.int64)
