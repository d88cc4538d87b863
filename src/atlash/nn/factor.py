"""A matrix that standardised sparse cells are multiplied with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from atlash.nn.tiles import TILE, padded, tiled, untiled

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from atlash.nn.tiles import Floats


class Factor:
    """A matrix that standardised cells are multiplied with.

    Parameters
    ----------
    matrix
        ``(n_features, width)``.
    scaling
        Mean and inverse scale of each feature, and the greatest standardised value.
    """

    def __init__(self, matrix: Floats, scaling: tuple[Floats, Floats, Floats]) -> None:
        self.scaling = scaling
        self._tiles = tiled(matrix)
        # As it was rounded: what a feature adds above its mean must undo what silence took.
        self._matrix = untiled(self._tiles)

    def product(self, X: csr_array, measured: NDArray[np.bool_], start: Floats) -> Floats:
        """Return ``start + x @ matrix`` for each cell ``x`` after standardising it.

        Parameters
        ----------
        X
            Normalised expression of the features ``(n, n_features)``, CSR float32.
        measured
            Features that the data hold ``(n_features,)``; the others enter as 0.
        start
            ``(width,)``.

        Returns
        -------
        ``(n, at least width)`` float32; columns beyond the width hold nothing.
        """
        from atlash.nn._sparse import add_product, standardise, weighted_rows

        mean, inverse_scale, _ = self.scaling
        silent = np.where(measured, -mean * inverse_scale, 0).astype(np.float32)
        silent_cell = weighted_rows(silent, self._matrix, padded(start, TILE))
        out = np.empty((X.shape[0], TILE * len(self._tiles)), dtype=np.float32)
        out[:] = silent_cell
        indptr = X.indptr.astype(np.int64, copy=False)
        indices = X.indices.astype(np.int32, copy=False)
        values = np.empty(len(X.data), dtype=np.float32)
        standardise(indices, X.data, self.scaling, values)
        add_product(indptr, indices, values, self._tiles, out)
        return out
