"""The annotator: everything that turns normalised cells into codes, labels and confidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from atlash.codes.pack import pack
from atlash.nn.inference import encode

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.data.normalize import Projected, Recipe
    from atlash.models.calibration import Calibration
    from atlash.models.novelty import Novelty
    from atlash.nn.weights import EncoderWeights

Method = Literal["asymmetric", "hamming"]


@dataclass(frozen=True)
class Prediction:
    """What an annotator says of ``n`` cells.

    Attributes
    ----------
    codes
        Packed bits ``(n, n_bits / 8)``, uint8.
    nearest, runner_up
        Most and second most similar type ``(n,)``, indices into the annotator's types.
    margin
        Bits by which the code is nearer to the first anchor than to the second ``(n,)``,
        float32; at most 0 where the methods disagree.
    confidence
        Calibrated probability that ``nearest`` is right ``(n,)``, float32.
    sets
        Conformal sets ``(n, n_types)``, bool.
    novelty
        Share of held-out reference cells that look less novel ``(n,)``, float32 in [0, 1].
    """

    codes: NDArray[np.uint8]
    nearest: NDArray[np.int64]
    runner_up: NDArray[np.int64]
    margin: NDArray[np.float32]
    confidence: NDArray[np.float32]
    sets: NDArray[np.bool_]
    novelty: NDArray[np.float32]


@dataclass(frozen=True)
class Annotator:
    """A learned annotator; see :func:`atlash.models.learn.learn`.

    Attributes
    ----------
    recipe
        How cells are normalised.
    weights
        The encoder.
    anchors
        One row of -1 and +1 a type ``(n_types, n_bits)``, int8.
    types
        Names of the types ``(n_types,)``.
    calibration
        From similarities to probabilities.
    novelty
        How far a cell is from all that was learned.
    """

    recipe: Recipe
    weights: EncoderWeights
    anchors: NDArray[np.int8]
    types: list[str]
    calibration: Calibration
    novelty: Novelty
