"""Which genes the encoder reads: variable in many batches, chosen on training cells only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_BINS = 20
MIN_BATCH = 20
"""Smaller batches have no say of their own."""


def normalise_counts(
    counts: sp.csr_array, library: NDArray[np.float64], target_sum: float
) -> sp.csr_array:
    """Scale each cell to ``target_sum`` counts; ``(n, n_genes)`` CSR in and out."""
    factor = target_sum / np.maximum(library, 1)
    data = counts.data * np.repeat(factor, np.diff(counts.indptr))
    return sp.csr_array((data, counts.indices, counts.indptr), shape=counts.shape)


def choose_features(
    counts: sp.csr_array,
    library: NDArray[np.float64],
    groups: NDArray[np.int64] | None,
    *,
    n_features: int,
) -> NDArray[np.int32]:
    """Choose the most variable genes of each batch and join the choices.

    Within a batch, genes are ranked by the dispersion (variance over mean of normalised
    counts, logarithm) relative to genes of like mean. Genes among the first ``n_features``
    of more batches go first, ties by median rank, as in scanpy's ``batch_key``.

    Parameters
    ----------
    counts
        Counts ``(n, n_genes)``, CSR.
    library
        Counts of each cell ``(n,)``.
    groups
        Batch of each cell ``(n,)``; ``None`` for one batch.
    n_features
        Genes wanted; all detected genes where there are fewer.

    Returns
    -------
    Ascending gene indices, int32.
    """
    normalised = normalise_counts(counts, library, 1e4)
    detected = np.flatnonzero(
        np.bincount(counts.indices[counts.data > 0], minlength=counts.shape[1])
    )
    if len(detected) <= n_features:
        return detected.astype(np.int32)
    masks = [np.ones(counts.shape[0], dtype=bool)]
    if groups is not None:
        sizes = np.bincount(groups)
        masks = [groups == g for g in np.flatnonzero(sizes >= MIN_BATCH)] or masks
    scores = [_relative_dispersion(normalised[mask]) for mask in masks]
    ranks = np.array([np.argsort(np.argsort(-score, kind="stable")) for score in scores])
    n_chosen = (ranks < n_features).sum(axis=0)
    order = np.lexsort((np.median(ranks, axis=0), -n_chosen))
    order = order[np.isin(order, detected)]
    return np.sort(order[:n_features]).astype(np.int32)


def mean_and_variance(X: sp.csr_array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean and variance of each column of a CSR matrix, in float64."""
    n = X.shape[0]
    data = X.data.astype(np.float64)
    total = np.bincount(X.indices, weights=data, minlength=X.shape[1])
    squares = np.bincount(X.indices, weights=data**2, minlength=X.shape[1])
    mean = total / n
    return mean, np.maximum(squares / n - mean**2, 0)


def _relative_dispersion(normalised: sp.csr_array) -> NDArray[np.float64]:
    """Return log dispersion, standardised among genes of like mean; -inf if silent."""
    mean, variance = mean_and_variance(normalised)
    found = mean > 0
    score = np.full(len(mean), -np.inf)
    if not found.any():
        return score
    dispersion = np.log(np.maximum(variance[found], 1e-12) / mean[found])
    level = np.log1p(mean[found])
    edges = np.linspace(level.min(), level.max(), N_BINS + 1)[1:-1]
    bins = np.digitize(level, edges)
    size = np.maximum(np.bincount(bins, minlength=N_BINS), 1)
    centre = np.bincount(bins, weights=dispersion, minlength=N_BINS) / size
    spread = np.bincount(bins, weights=(dispersion - centre[bins]) ** 2, minlength=N_BINS) / size
    # a gene alone in its bin counts as one standard deviation above its like
    alone = size[bins] == 1
    relative = (dispersion - centre[bins]) / np.maximum(np.sqrt(spread[bins]), 1e-6)
    score[found] = np.where(alone, 1.0, relative)
    return score
