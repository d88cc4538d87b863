"""Cells to codes with learned weights, without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from atlash.nn.weights import EncoderWeights, Floats

TILE = 150
"""Columns of a matrix that are worked on at a time, so that they stay in the processor's cache."""


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

    w = weights
    n_bits, n_gene_units = w.n_bits, w.first_bias.size
    start = np.zeros(w.first.shape[1], dtype=np.float32)
    start[:n_gene_units] = w.first_bias.ravel()
    scaling = (w.mean, w.inverse_scale, w.upper)
    layer = standardised_product(X, scaling, w.first, measured=measured, start=start)
    genes = (
        w.first_gain, w.first_shift, w.second, w.second_bias, w.second_gain, w.second_shift, w.last
    )  # fmt: skip
    side_by_side = w.component.transpose(1, 0, 2).reshape(w.component.shape[1], -1)
    components = (
        np.ascontiguousarray(side_by_side), w.component_bias.ravel(), w.component_gain,
        w.component_shift, w.component_last.reshape(-1, n_bits), w.component_skip.sum(axis=0),
    )  # fmt: skip
    bias = w.last_bias.sum(axis=0) + w.component_last_bias.sum(axis=0)
    z = np.empty((X.shape[0], n_bits), dtype=np.float32)
    forward(layer, genes, components, bias, z)
    return z


def standardised_product(
    X: csr_array,
    scaling: tuple[Floats, Floats, Floats],
    matrix: Floats,
    *,
    measured: NDArray[np.bool_],
    start: Floats,
) -> Floats:
    """Return ``start + x @ matrix`` for each cell ``x`` after standardising it.

    Parameters
    ----------
    X
        Normalised expression of the features ``(n, n_features)``, CSR float32.
    scaling
        Mean and inverse scale of each feature, and the greatest standardised value.
    matrix
        ``(n_features, width)``.
    measured
        Features that the data hold ``(n_features,)``; the others enter as 0.
    start
        ``(width,)``.

    Returns
    -------
    ``(n, width)`` float32.
    """
    from atlash.nn._sparse import standardised_product as compiled
    from atlash.nn._sparse import weighted_rows

    mean, inverse_scale, _ = scaling
    silent = np.where(measured, -mean * inverse_scale, 0).astype(np.float32)
    silent_cell = weighted_rows(silent, matrix, start)
    indptr = X.indptr.astype(np.int64, copy=False)
    indices = X.indices.astype(np.int32, copy=False)
    n_tiles = -(-matrix.shape[1] // TILE)
    parts = []
    for columns in np.array_split(np.arange(matrix.shape[1]), n_tiles):
        tile = np.ascontiguousarray(matrix[:, columns[0] : columns[-1] + 1])
        out = np.empty((X.shape[0], tile.shape[1]), dtype=np.float32)
        compiled(indptr, indices, X.data, scaling, tile, silent_cell[columns], out)
        parts.append(out)
    return np.concatenate(parts, axis=1)
