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

    Attributes
    ----------
    silence
        How far above 0 the mean of each feature is, standardised ``(n_features,)``, float32.
    """

    def __init__(self, matrix: Floats, scaling: tuple[Floats, Floats, Floats]) -> None:
        mean, inverse_scale, upper = scaling
        self.silence = mean * inverse_scale
        self._steps = np.stack([inverse_scale, upper + self.silence], axis=1)
        self._tiles = tiled(matrix)
        # As it was rounded: what a feature adds above its mean must undo what silence took.
        self._matrix = untiled(self._tiles)

    def above_zero(self, X: csr_array) -> Floats:
        """Return how far each entry is, standardised, above a feature at 0 ``(n_stored,)``."""
        from atlash.nn._sparse import standardise

        above = np.empty(len(X.data), dtype=np.float32)
        standardise(X.indices.astype(np.int32, copy=False), X.data, self._steps, above)
        return above

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
        return self.product_of(X, self.above_zero(X), measured, start=start)

    def product_of(
        self, X: csr_array, above: Floats, measured: NDArray[np.bool_], *, start: Floats
    ) -> Floats:
        """Do as `product` does, with what `above_zero` gave."""
        from atlash.nn._sparse import product, weighted_rows

        silent = np.where(measured, -self.silence, 0).astype(np.float32)
        silent_cell = weighted_rows(silent, self._matrix, padded(start, TILE))
        out = np.empty((X.shape[0], TILE * len(self._tiles)), dtype=np.float32)
        indptr = X.indptr.astype(np.int64, copy=False)
        indices = X.indices.astype(np.int32, copy=False)
        product(indptr, indices, above, self._tiles, silent_cell, out)
        return out
