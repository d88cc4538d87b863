"""The learned numbers of a hash encoder, as plain arrays.

This is the form in which an encoder is stored, compared and run: torch is needed to learn
an encoder, not to use it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from atlash.nn.compiled import Compiled
from atlash.nn.inference import Encoded, encode

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from atlash.nn.tiles import Floats


@dataclass(frozen=True)
class EncoderWeights:
    """Weights of a hash encoder; see :class:`atlash.nn.encoder.HashEncoder`.

    A feature enters as ``x = min((v - mean) * inverse_scale, upper)``, ``v`` its normalised
    expression; a feature that was not measured enters as 0, its mean. There are ``m``
    gene networks of widths ``h`` and ``h2``, and ``c`` networks of width ``w`` over ``p``
    principal components; their codes are averaged.

    Attributes
    ----------
    mean, inverse_scale
        Of each feature in training ``(n_features,)``.
    upper
        Greatest standardised value ``(1,)``.
    first
        ``(n_features, m h + p)``: first layers of the gene networks side by side, then the
        principal axes.
    first_bias, first_gain, first_shift
        ``(m, h)``: bias, and the affine part of the layer norm.
    second
        ``(m, h, h2)``.
    second_bias, second_gain, second_shift
        ``(m, h2)``.
    last, last_bias
        ``(m, h2, n_bits)``, ``(m, n_bits)``.
    component
        ``(c, p, w)``.
    component_bias, component_gain, component_shift
        ``(c, w)``.
    component_last, component_skip, component_last_bias
        ``(c, w, n_bits)``, ``(c, p, n_bits)``, ``(c, n_bits)``.
    """

    mean: Floats
    inverse_scale: Floats
    upper: Floats
    first: Floats
    first_bias: Floats
    first_gain: Floats
    first_shift: Floats
    second: Floats
    second_bias: Floats
    second_gain: Floats
    second_shift: Floats
    last: Floats
    last_bias: Floats
    component: Floats
    component_bias: Floats
    component_gain: Floats
    component_shift: Floats
    component_last: Floats
    component_skip: Floats
    component_last_bias: Floats

    @property
    def n_features(self) -> int:
        """Genes that the encoder reads."""
        return int(self.first.shape[0])

    @property
    def n_bits(self) -> int:
        """Length of a code."""
        return int(self.last.shape[2])

    @cached_property
    def compiled(self) -> Compiled:
        """The weights as the compiled forward pass reads them."""
        return Compiled.of(self)

    def feature_weight(self) -> NDArray[np.float64]:
        """Return the norm of each feature's row of the first layer ``(n_features,)``.

        Features are standardised, so rows compare.
        """
        return np.asarray(np.linalg.norm(self.first, axis=1), dtype=np.float64)

    def encode(self, X: csr_array, measured: NDArray[np.bool_]) -> Encoded:
        """Encode normalised cells, each on its own; see :func:`atlash.nn.inference.encode`."""
        return encode(X, self, measured)

    def matched(self, mean: NDArray[np.float64], scale: NDArray[np.float64]) -> EncoderWeights:
        """Return the encoder with other statistics of the features ``(n_features,)``.

        Where the standard deviation ``scale`` is 0, the encoder's own is kept.
        """
        inverse = np.divide(1, scale, out=self.inverse_scale.astype(np.float64), where=scale > 0)
        return replace(
            self, mean=mean.astype(np.float32), inverse_scale=inverse.astype(np.float32)
        )

    def arrays(self) -> dict[str, Floats]:
        """Return all arrays by name, in the order above."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
