"""A learned embedding of cells and their hash codes, used without torch."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from atlash.nn.hash_codes import HeadWeights, heads_from_arrays
from atlash.nn.place_weights import PlaceWeights, embed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from atlash.nn.tiles import Floats


@dataclass(frozen=True)
class LearnedEmbedding:
    """A learned embedding and its hash heads; torch is not needed to use it.

    Attributes
    ----------
    encoder
        The network from places to the embedding.
    heads
        What gives codes; ``None`` if none were learned.
    """

    encoder: PlaceWeights
    heads: HeadWeights | None

    def embed(self, Z: Floats) -> Floats:
        """Return the embedding ``(n, n_dims)`` of places ``(n, n_components)``, float32.

        Each row comes from its own cell alone, with additions in a fixed order: any cut of the
        cells into chunks gives the same bits.
        """
        return embed(Z, self.encoder)

    def codes(self, E: Floats) -> NDArray[np.int32]:
        """Return the code of each head ``(n, n_heads)`` of embedded cells ``(n, n_dims)``.

        Without heads there are no columns.
        """
        if self.heads is None:
            return np.empty((len(E), 0), dtype=np.int32)
        return self.heads.codes(E)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return all learned numbers by name, for safetensors."""
        arrays: dict[str, NDArray[np.generic]] = dict(self.encoder.arrays())
        return arrays if self.heads is None else arrays | self.heads.arrays()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> LearnedEmbedding:
        """Return the embedding that :meth:`arrays` has given away."""
        encoder = {f.name: np.ascontiguousarray(arrays[f.name]) for f in fields(PlaceWeights)}
        return cls(PlaceWeights(**encoder), heads_from_arrays(arrays))
