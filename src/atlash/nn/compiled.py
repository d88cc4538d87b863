"""The weights of an encoder as the compiled forward pass reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from atlash.nn.factor import Factor
from atlash.nn.tiles import padded, paired

if TYPE_CHECKING:
    from atlash.nn.tiles import Floats, Words
    from atlash.nn.weights import EncoderWeights


@dataclass(frozen=True)
class Compiled:
    """Weights arranged; see this module.

    Attributes
    ----------
    first
        First layers and principal axes, for all networks.
    genes
        The gene networks: bias, gain and shift of their layers, second and last matrices.
    components
        The component networks side by side: bias, gain and shift, first and last matrices. The
        first one's last columns are the sum of their straight paths.
    bias
        Of the code, summed over all networks.
    """

    first: Factor
    genes: tuple[tuple[Floats, ...], Words, Words]
    components: tuple[tuple[Floats, ...], Words, Words]
    bias: Floats

    @classmethod
    def of(cls, w: EncoderWeights) -> Compiled:
        """Arrange the weights."""
        side_by_side = w.component.transpose(1, 0, 2).reshape(w.component.shape[1], -1)
        straight = w.component_skip.sum(axis=0)
        inner_bias = np.append(w.component_bias, np.zeros(w.n_bits, dtype=np.float32))
        bias = w.last_bias.sum(axis=0) + w.component_last_bias.sum(axis=0)
        layers = (
            w.first_gain, w.first_shift, padded(w.second_bias), w.second_gain, w.second_shift
        )  # fmt: skip
        inner = padded(inner_bias), w.component_gain, w.component_shift
        return cls(
            first=Factor(w.first, (w.mean, w.inverse_scale, w.upper)),
            genes=(layers, paired(w.second), paired(w.last)),
            components=(
                inner,
                paired(np.hstack([side_by_side, straight])),
                paired(w.component_last.reshape(-1, w.n_bits)),
            ),
            bias=padded(bias),
        )
