"""Places of cells on learned axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from atlash.nn.factor import Factor

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from atlash.clustering.genes import Genes
    from atlash.clustering.learned import LearnedEmbedding


@dataclass(frozen=True)
class Places:
    """Brings expression onto axes, and on from there where an embedding was learned.

    Each cell is taken by itself, with sums in a fixed order.

    Attributes
    ----------
    factor, n_axes
        The axes, and their number.
    learned
        What takes places on; ``None`` for nothing.
    """

    factor: Factor
    n_axes: int
    learned: LearnedEmbedding | None = None

    def of(self, X: csr_array, measured: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Return places of cells.

        Parameters
        ----------
        X
            Normalised log expression ``(n, n_features)``, CSR float32.
        measured
            Features that the data hold ``(n_features,)``; the others lie at their means.
            ``None`` for all.

        Returns
        -------
        ``(n, n_axes)``, float32.
        """
        known = np.ones(X.shape[1], dtype=np.bool_) if measured is None else measured
        start = np.zeros(self.n_axes, dtype=np.float32)
        on_axes = np.ascontiguousarray(self.factor.product(X, known, start)[:, : self.n_axes])
        return on_axes if self.learned is None else self.learned.embed(on_axes)


def places_on(
    matrix: NDArray[np.float32], genes: Genes, learned: LearnedEmbedding | None = None
) -> Places:
    """Return what brings cells onto the columns of a matrix ``(n_features, n_axes)``."""
    return Places(Factor(matrix, genes.scaling), matrix.shape[1], learned)
