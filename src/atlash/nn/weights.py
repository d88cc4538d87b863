"""The learned numbers of a hash encoder, as plain arrays.

This is the form in which an encoder is stored, compared and run: torch is needed to learn
an encoder, not to use it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class EncoderWeights:
    """Weights of ``n_members`` small networks whose codes are averaged.

    A feature enters as ``x = min((v - mean) * inverse_scale, upper)``, ``v`` its normalised
    expression; a feature that was not measured enters as 0, its mean. Each member is
    linear, layer norm, ReLU, linear, layer norm, ReLU, linear, with a linear path from the
    first layer norm to the code.

    Attributes
    ----------
    mean, inverse_scale
        Of each feature in training ``(n_features,)``.
    upper
        Greatest standardised value ``(1,)``.
    first
        ``(n_features, n_members * n_hidden)``; the members lie side by side.
    second
        ``(n_members, n_hidden, n_hidden_2)``.
    skip
        ``(n_members, n_hidden, n_bits)``: from the first layer norm straight to the code.
    last
        ``(n_members, n_hidden_2, n_bits)``.
    first_bias, first_gain, first_shift
        ``(n_members, n_hidden)``: bias, and the affine part of the layer norm.
    second_bias, second_gain, second_shift
        ``(n_members, n_hidden_2)``.
    last_bias
        ``(n_members, n_bits)``.
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
    skip: Floats
    last: Floats
    last_bias: Floats

    @property
    def n_features(self) -> int:
        """Genes that the encoder reads."""
        return int(self.first.shape[0])

    @property
    def n_bits(self) -> int:
        """Length of a code."""
        return int(self.last.shape[2])

    def arrays(self) -> dict[str, Floats]:
        """Return all arrays by name, as they are stored."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
