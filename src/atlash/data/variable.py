"""Genes that vary, batch by batch, and the moments that this takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def variable_genes(
    normalised: sp.csr_array, groups: NDArray[np.int64] | None, *, n_top: int
) -> NDArray[np.int64]:
    """Order genes by how variable they are in each batch.

    Within a batch, genes are ranked by the dispersion (variance over mean of normalised
    counts, logarithm) relative to genes of like mean. Genes among the first ``n_top`` of
    more batches go first, ties by median rank, as in scanpy's ``batch_key``.

    Parameters
    ----------
    normalised
        Normalised counts ``(n, n_genes)``, CSR, not logarithmic.
    groups
        Batch of each cell ``(n,)``; ``None`` for one batch.
    n_top
        Genes that count as chosen by a batch.

    Returns
    -------
    All genes, the most variable first.
    """
    masks = batch_masks(groups, normalised.shape[0])
    return rank_by_dispersion([mean_and_variance(normalised[mask]) for mask in masks], n_top=n_top)


def rank_by_dispersion(
    moments: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]], *, n_top: int
) -> NDArray[np.int64]:
    """Order genes as :func:`variable_genes` does, by moments alone.

    Parameters
    ----------
    moments
        Mean and variance of each gene's normalised counts, ``(n_genes,)`` each, a pair for each
        batch.
    n_top
        Genes that count as chosen by a batch.

    Returns
    -------
    All genes, the most variable first.
    """
    scores = [_relative_dispersion(mean, variance) for mean, variance in moments]
    ranks = np.array([np.argsort(np.argsort(-score, kind="stable")) for score in scores])
    n_chosen = (ranks < n_top).sum(axis=0)
    return np.lexsort((np.median(ranks, axis=0), -n_chosen))


def batch_masks(groups: NDArray[np.int64] | None, n_cells: int) -> list[NDArray[np.bool_]]:
    """Return the cells of each batch that is large enough, or all cells where none is."""
    everyone = [np.ones(n_cells, dtype=bool)]
    if groups is None:
        return everyone
    large = np.flatnonzero(np.bincount(groups) >= MIN_BATCH)
    return [groups == g for g in large] or everyone


def mean_and_variance(X: sp.csr_array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean and variance of each column of a CSR matrix, in float64."""
    n = X.shape[0]
    data = X.data.astype(np.float64)
    total = np.bincount(X.indices, weights=data, minlength=X.shape[1])
    squares = np.bincount(X.indices, weights=data**2, minlength=X.shape[1])
    mean = total / n
    return mean, np.maximum(squares / n - mean**2, 0)


def _relative_dispersion(
    mean: NDArray[np.float64], variance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return log dispersion, standardised among genes of like mean; -inf if silent."""
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
