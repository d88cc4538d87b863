"""Which genes are expressed together: what a Transformer's embeddings of genes start from.

From random embeddings, learning which genes go together takes most of the steps that an ordinary
computer can make. Principal axes of some cells say it at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, svds
from sklearn.utils.extmath import svd_flip

from atlash.progress import track

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from atlash.data.normalize import BoundSource

N_CELLS = 32_768
"""Cells that are looked at, of all sources together."""
LEAST_SPREAD = 0.03
"""Standard deviation of detection below which a gene counts as if it had this one."""
SMALL = 256
"""Cells or genes up to which all components are computed, which nothing can upset."""
UNEXPLAINED = 0.3
"""Length of a gene's loadings below which its embedding is much shorter than those of others."""


def gene_directions(
    sources: Sequence[BoundSource], width: int, *, random_state: int, progress: bool
) -> NDArray[np.float32]:
    """Return a vector for each gene; genes that are expressed together have alike ones.

    The vectors are the loadings of principal components of what is detected in some cells, each
    gene standardised within each source. Sources weigh alike, so that many cells of one tissue do
    not hide what sets a smaller one apart, and differences between sources have no say.

    Parameters
    ----------
    sources
        The cells, over one vocabulary; drawn evenly, at most :data:`N_CELLS` in all.
    width
        Length of a vector.
    random_state
        Seed of the draw.
    progress
        Show progress.

    Returns
    -------
    Vectors ``(n_genes, width)``, float32. A gene that the components explain has a mean square
    of 1, others less. Columns are 0 beyond the number of components that the cells have.
    """
    rng = np.random.default_rng(random_state)
    share = max(1, N_CELLS // len(sources))
    parts = []
    with track("Reading which genes go together", len(sources), show=progress) as advance:
        for source in sources:
            n = min(share, source.n_cells)
            rows = np.sort(rng.choice(source.n_cells, n, replace=False))
            parts.append(_Detected.of(source.rows(rows).X))
            advance(1)
    loadings = _loadings(parts, width, rng) / np.sqrt(len(sources))
    length = np.sqrt((loadings**2).sum(axis=1, keepdims=True) + UNEXPLAINED**2)
    return np.asarray(loadings * np.sqrt(width) / length, dtype=np.float32)


@dataclass(frozen=True)
class _Detected:
    """What some cells of a source express, to be standardised by gene while it is multiplied.

    Attributes
    ----------
    cells
        1 where a gene is detected ``(n, n_genes)``, CSR float64.
    mean, inverse_spread
        Of each gene ``(n_genes,)``.
    """

    cells: sp.csr_array
    mean: NDArray[np.float64]
    inverse_spread: NDArray[np.float64]

    @classmethod
    def of(cls, X: sp.csr_array) -> _Detected:
        cells = sp.csr_array((np.ones(X.nnz), X.indices, X.indptr), shape=X.shape)
        mean = np.bincount(X.indices, minlength=X.shape[1]) / X.shape[0]
        spread = np.sqrt(np.maximum(mean * (1 - mean), LEAST_SPREAD**2))
        return cls(cells, mean, 1 / spread)

    def times(self, gene: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the standardised cells times a number for each gene ``(n,)``."""
        scaled = gene * self.inverse_spread
        return np.asarray((self.cells @ scaled - self.mean @ scaled) / self._root)

    def transposed_times(self, cell: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the transposed standardised cells times a number for each cell ``(n_genes,)``."""
        total = cell @ self.cells - self.mean * cell.sum()
        return np.asarray(total * self.inverse_spread / self._root)

    @property
    def _root(self) -> float:
        return float(np.sqrt(self.cells.shape[0]))


def _loadings(
    parts: Sequence[_Detected], width: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the loadings of the principal components ``(n_genes, width)``.

    Their signs are those at which the greatest loading of each is positive.
    """
    n_genes = parts[0].cells.shape[1]
    found = np.zeros((n_genes, width))
    if not any((part.mean * (1 - part.mean)).any() for part in parts):
        return found  # all cells express the same genes
    u, s, vt = _decomposed(_joined(parts), width, rng)
    _, vt = svd_flip(u, vt, u_based_decision=False)
    order = np.argsort(-s, kind="stable")[:width]
    found[:, : len(order)] = (vt.T * s)[:, order]
    return found


def _joined(parts: Sequence[_Detected]) -> LinearOperator:
    """Return all standardised cells as one matrix that is never written down."""
    ends = np.cumsum([part.cells.shape[0] for part in parts])
    shape = int(ends[-1]), parts[0].cells.shape[1]

    def times(gene: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.concatenate([part.times(gene.ravel()) for part in parts])

    def transposed_times(cell: NDArray[np.float64]) -> NDArray[np.float64]:
        own = np.split(cell.ravel(), ends[:-1])
        products = [part.transposed_times(some) for part, some in zip(parts, own, strict=True)]
        return np.asarray(np.sum(products, axis=0))

    return LinearOperator(shape, matvec=times, rmatvec=transposed_times, dtype=np.float64)


def _decomposed(
    matrix: LinearOperator, width: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the greatest singular values with their vectors, in any order."""
    smallest = min(matrix.shape)
    if smallest <= max(width, SMALL):
        whole = np.asarray(matrix @ np.eye(matrix.shape[1]))
        u, s, vt = np.linalg.svd(whole, full_matrices=False)
    else:
        u, s, vt = svds(matrix, k=width, v0=rng.standard_normal(smallest))
    return np.asarray(u), np.asarray(s), np.asarray(vt)
