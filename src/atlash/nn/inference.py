"""Cells to codes with learned weights, without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from atlash.nn.tiles import Floats
    from atlash.nn.weights import EncoderWeights


class Encoded(NamedTuple):
    """What the encoder makes of cells.

    Attributes
    ----------
    z
        Continuous codes ``(n, n_bits)``, float32; the bits are ``z > 0``.
    components
        Principal components ``(n, at least n_components)``, float32; further columns hold
        nothing.
    """

    z: Floats
    components: Floats


class Encoder(Protocol):
    """What turns normalised cells into codes: sparse networks, or a fine-tuned Transformer.

    It is a dataclass whose fields are arrays, which is how it is saved.
    """

    @property
    def n_features(self) -> int:
        """Genes that it is given."""
        ...

    @property
    def n_bits(self) -> int:
        """Length of a code."""
        ...

    def feature_weight(self) -> NDArray[np.float64]:
        """Return what each feature is worth to it ``(n_features,)``, at least 0."""
        ...

    def encode(self, X: csr_array, measured: NDArray[np.bool_]) -> Encoded:
        """Encode normalised cells, each on its own; see :func:`encode`."""
        ...

    def matched(self, mean: NDArray[np.float64], scale: NDArray[np.float64]) -> Encoder:
        """Return the encoder with other statistics of the features ``(n_features,)``.

        Where the standard deviation ``scale`` is 0, the encoder's own is kept.
        """
        ...


def encode(X: csr_array, weights: EncoderWeights, measured: NDArray[np.bool_]) -> Encoded:
    """Run the encoder over normalised cells, each on its own.

    Parameters
    ----------
    X
        Normalised expression of the features ``(n, n_features)``, CSR float32.
    weights
        The encoder.
    measured
        Features that the data hold ``(n_features,)``; the others enter as their mean.
    """
    from atlash.nn._forward import forward  # numba: imported when needed

    compiled, n_gene_units = weights.compiled, weights.first_bias.size
    start = np.zeros(weights.first.shape[1], dtype=np.float32)
    start[:n_gene_units] = weights.first_bias.ravel()
    layer = compiled.first.product(X, measured, start)
    z = np.empty((X.shape[0], weights.n_bits), dtype=np.float32)
    forward(layer, compiled.genes, compiled.components, compiled.bias, z)
    return Encoded(z, layer[:, n_gene_units:])
