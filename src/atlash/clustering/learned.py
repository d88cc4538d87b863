"""An embedding of cells and their hash codes, learned from a sketch and applied to all."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from atlash.clustering.learning import LearningCells, learn
from atlash.errors import EmptyInputError, InputError, InvalidValuesError
from atlash.nn.hash_codes import HeadWeights, export_heads, heads_from_arrays
from atlash.nn.hash_encoder import PlaceWeights, embed
from atlash.nn.train import single_thread
from atlash.progress import track

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from atlash.config import LearnConfig
    from atlash.nn.tiles import Floats

__all__ = ["LearnedEmbedding", "LearningCells", "learn_embedding"]


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


def learn_embedding(
    sketch: LearningCells, config: LearnConfig, *, random_state: int, show: bool
) -> LearnedEmbedding:
    """Learn an embedding and hash heads from a sketch of the cells.

    On one thread and from generators of its own: the same cells in the same order and the same
    seed give the same bits.

    Parameters
    ----------
    sketch
        Cells to learn from, at least 2.
    config
        Options.
    random_state
        Seed.
    show
        Show progress on standard error.

    Raises
    ------
    InputError
        If the options leave nothing to learn from.
    EmptyInputError
        If there are fewer than two cells, or fewer than two have a weight.
    InvalidValuesError
        If places are not finite, or arrays do not belong together.
    TrainingError
        If the loss is not finite.
    """
    _check(sketch)
    if config.reconstruct == "none" and not config.predict_weight + config.contrast_weight > 0:
        msg = (
            "Heads alone would draw all cells to one place. Set `predict_weight`, "
            "`contrast_weight` or `reconstruct`, for example `LearnConfig(predict_weight=1.0)`."
        )
        raise InputError(msg)
    places = sketch.Z.astype(np.float64)
    mean = places.mean(axis=0)
    scale = float(np.sqrt(np.square(places - mean).mean())) or 1.0
    with single_thread(), track("Learning the embedding", config.n_steps, show=show) as advance:
        networks = learn(sketch, (mean, scale), config, random_state=random_state, advance=advance)
    heads = None if networks.heads is None else export_heads(networks.heads)
    return LearnedEmbedding(PlaceWeights.of(networks.encoder, mean, scale), heads)


def _check(sketch: LearningCells) -> None:
    n = int((sketch.weight > 0).sum())
    if n < 2 or sketch.Z.shape[1] == 0:
        msg = (
            f"There are {n} cells of {sketch.Z.shape[1]} components with a weight above 0 to "
            "learn from; at least 2 cells and 1 component are needed. Cluster without learning."
        )
        raise EmptyInputError(msg)
    if not sketch.Z.shape == sketch.Z1.shape == sketch.Z2.shape:
        msg = (
            f"Places have the shape {sketch.Z.shape}, those of the halves {sketch.Z1.shape} and "
            f"{sketch.Z2.shape}; all must be alike."
        )
        raise InvalidValuesError(msg)
    for name, places in (("Z", sketch.Z), ("Z1", sketch.Z1), ("Z2", sketch.Z2)):
        bad = np.flatnonzero(~np.isfinite(places).all(axis=1))
        if len(bad):
            msg = (
                f"{len(bad):,} cells have places that are not finite, first row {bad[0]} of "
                f"{name} ({places[bad[0]][:3]} ...). Check the counts for NaN and infinity."
            )
            raise InvalidValuesError(msg)
