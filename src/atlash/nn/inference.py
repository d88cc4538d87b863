"""Cells to codes with learned weights, without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from atlash.nn.weights import EncoderWeights, Floats


def encode(X: csr_array, weights: EncoderWeights, measured: NDArray[np.bool_]) -> Floats:
    """Run the encoder over normalised cells.

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
    base = _silent_cell(weights, measured)
    forward(indptr, indices, X.data, base, _packed(weights), z)
    return z


def _silent_cell(weights: EncoderWeights, measured: NDArray[np.bool_]) -> Floats:
    """Return the first layer of a cell in which all measured features are at zero."""
    silent = np.where(measured, -weights.mean * weights.inverse_scale, 0).astype(np.float64)
    return (silent @ weights.first + weights.first_bias.ravel()).astype(np.float32)


def _packed(weights: EncoderWeights) -> tuple[Floats, ...]:
    w = weights
    first = (w.mean, w.inverse_scale, w.upper, w.first, w.first_gain, w.first_shift)
    second = (w.second, w.second_bias, w.second_gain, w.second_shift)
    return (*first, *second, w.skip, w.last, w.last_bias)
