"""Cells to codes with learned weights, without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from atlash.nn.weights import EncoderWeights, Floats


def encode(X: csr_array, weights: EncoderWeights, measured: NDArray[np.bool_]) -> Floats:
    """Run the encoder over normalised cells, each on its own.

    Parameters
    ----------
    X
        Normalised expression of the features ``(n, n_features)``, CSR float32.
    weights
        The encoder.
    measured
        Features that the data hold ``(n_features,)``; the others enter as their mean.

    Returns
    -------
    Continuous codes ``(n, n_bits)``, float32; the bits are ``z > 0``.
    """
    from atlash.nn._forward import forward  # numba: imported when needed

    z = np.empty((X.shape[0], weights.n_bits), dtype=np.float32)
    indptr = X.indptr.astype(np.int64, copy=False)
    indices = X.indices.astype(np.int32, copy=False)
    arrays = weights.arrays()
    del arrays["first_bias"]
    silent = _silent_cell(weights, measured)
    forward(indptr, indices, X.data, silent, tuple(arrays.values()), z)
    return z


def _silent_cell(weights: EncoderWeights, measured: NDArray[np.bool_]) -> Floats:
    """Return the first layer of a cell in which all measured features are at zero."""
    silent = np.where(measured, -weights.mean * weights.inverse_scale, 0).astype(np.float64)
    first = silent @ weights.first
    first[: weights.first_bias.size] += weights.first_bias.ravel()
    return first.astype(np.float32)
