"""The learned network of :mod:`atlash.nn.hash_encoder` as plain arrays, used without torch."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from atlash.nn.tiles import padded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.nn.hash_encoder import PlaceEncoder
    from atlash.nn.tiles import Floats


@dataclass(frozen=True)
class PlaceWeights:
    """A learned encoder as plain arrays, standardisation included.

    Attributes
    ----------
    inner, inner_bias, gain, shift
        Of the hidden layer: ``(n_components, n_hidden)`` and three of ``(n_hidden,)``.
    last, straight, last_bias
        ``(n_hidden, n_dims)``, ``(n_components, n_dims)``, ``(n_dims,)``.
    """

    inner: Floats
    inner_bias: Floats
    gain: Floats
    shift: Floats
    last: Floats
    straight: Floats
    last_bias: Floats

    @classmethod
    def of(cls, encoder: PlaceEncoder, mean: NDArray[np.float64], scale: float) -> PlaceWeights:
        """Take the weights of an encoder that reads ``(place - mean) / scale``."""
        state = {
            name: p.detach().cpu().numpy().astype(np.float64)
            for name, p in encoder.named_parameters()
        }
        for matrix, bias in (("inner", "inner_bias"), ("straight", "last_bias")):
            state[matrix] /= scale
            state[bias] -= (mean[:, None] * state[matrix]).sum(axis=0)
        return cls(**{name: array.astype(np.float32) for name, array in state.items()})

    @property
    def n_components(self) -> int:
        """Components that the encoder reads."""
        return int(self.inner.shape[0])

    def arrays(self) -> dict[str, Floats]:
        """Return all arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def embed(places: Floats, weights: PlaceWeights) -> Floats:
    """Embed cells, each on its own and without torch.

    Parameters
    ----------
    places
        Components ``(n, n_components)``, float32.
    weights
        The encoder.

    Returns
    -------
    Embedding ``(n, n_dims)``, float32; a row depends on no other row.
    """
    from atlash.nn._dense import residual_network  # numba: imported when needed

    w, bias = weights, padded(weights.last_bias)
    out = np.empty((len(places), len(bias)), dtype=np.float32)
    inner = padded(w.inner), padded(w.inner_bias), w.gain, w.shift
    last = padded(w.last), padded(w.straight), bias
    residual_network(np.ascontiguousarray(places, dtype=np.float32), inner, last, out)
    return np.ascontiguousarray(out[:, : len(w.last_bias)])
