"""Where in a crowd to look for a rare type: cells that are surprising in the same genes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.clustering.rare_profile import Crowd

SURPRISE = 0.03
"""Greatest Poisson probability of as many counts or more at which a count is surprising."""
MOST_SURPRISE = 8.0
"""Greatest weight of a surprising count, in nats: a burst of one gene is no type."""
FEW_CELLS, MANY_CELLS = 5, 0.1
"""Least number and greatest share of cells in which a gene that is looked at is surprising."""
N_ALIKE = 5
"""Cells most like a cell that stand with it."""


def seeds(crowd: Crowd) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Order cells by how much they share surprising genes with others.

    A count weighs the logarithm of how improbable it is, less where a gene surprises in many
    cells. Likeness is the cosine of these weights: members of a rare type share many genes that
    are rare elsewhere, while chance lets two cells share few.

    Parameters
    ----------
    crowd
        The cells of a cluster.

    Returns
    -------
    order
        Cells that share any, most promising first, by their own likeness to the five most like
        them and by that of those five ``(n_promising,)``.
    alike
        The five cells most like each ``(n, 5)``.
    """
    from atlash.clustering._rare import most_alike

    weights = _surprises(crowd)
    n = weights.shape[0]
    k = min(N_ALIKE, n - 1)
    alike, products = np.zeros((n, k), dtype=np.int64), np.zeros((n, k))
    by_gene = weights.tocsc()
    most_alike(
        weights.indptr.astype(np.int64),
        weights.indices.astype(np.int32),
        weights.data,
        by_gene.indptr.astype(np.int64),
        by_gene.indices.astype(np.int32),
        by_gene.data,
        alike,
        products,
    )
    own = products.mean(axis=1)
    promise = own + own[alike].mean(axis=1)
    order = np.argsort(-promise, kind="stable")
    return order[own[order] > 0], alike


def _surprises(crowd: Crowd) -> sp.csr_array:
    """Return what is surprising in each cell ``(n, n_genes_left)``, rows of length 1."""
    from scipy.special import gammainc

    counts, row, expected = crowd.counts, crowd.row, crowd.expected()
    above = np.flatnonzero(counts.data > expected)
    tail = gammainc(counts.data[above], expected[above])  # that of a Poisson number
    told = above[tail <= SURPRISE]
    weight = -np.log(np.maximum(tail[tail <= SURPRISE], np.exp(-MOST_SURPRISE)))
    place = row[told], counts.indices[told]
    weights = sp.csr_array((weight, place), shape=counts.shape)
    n_cells = np.bincount(place[1], minlength=counts.shape[1])
    most = max(4 * FEW_CELLS, MANY_CELLS * crowd.n_cells)
    weights = weights[:, (n_cells >= FEW_CELLS) & (n_cells <= most)]
    total = np.bincount(weights.indices, weights.data**2, weights.shape[1])
    weights.data *= total[weights.indices] ** -0.25
    row = np.repeat(np.arange(crowd.n_cells), np.diff(weights.indptr))
    length = np.sqrt(np.bincount(row, weights.data**2, crowd.n_cells))
    weights.data /= length[row]
    return weights
