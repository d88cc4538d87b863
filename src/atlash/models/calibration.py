"""From similarities to probabilities that mean what they say, and to conformal sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize_scalar

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.codes.similarity import Method
    from atlash.models.held_out import HeldOutFold

METHODS: tuple[Method, ...] = ("asymmetric", "hamming")
COVERAGE = 0.95
"""Share of cells of known types whose conformal set holds the true type."""
STEEPNESS = (1.0, 200.0)
"""Least and greatest factor of similarities, which lie in [-1, 1]."""


@dataclass(frozen=True)
class Calibration:
    """One entry a method, in the order of :data:`METHODS`.

    Attributes
    ----------
    steepness
        Factor of the similarities before the softmax ``(2,)``, float64.
    set_floor
        Probability from which a type is in the conformal set ``(2,)``, float64.
    """

    steepness: NDArray[np.float64]
    set_floor: NDArray[np.float64]

    def probabilities(
        self, similarities: NDArray[np.float32], method: Method
    ) -> NDArray[np.float64]:
        """Return the probability of each type ``(n, n_types)``, rows sum to 1."""
        return softmax(self.steepness[METHODS.index(method)] * similarities)

    def sets(self, probabilities: NDArray[np.float64], method: Method) -> NDArray[np.bool_]:
        """Return which types cannot be excluded ``(n, n_types)``; the likeliest never is."""
        held: NDArray[np.bool_] = probabilities >= self.set_floor[METHODS.index(method)]
        held[np.arange(len(held)), probabilities.argmax(axis=1)] = True
        return held


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the softmax of each row, in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    powers = np.exp(shifted)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def fit_calibration(held_out: list[HeldOutFold]) -> Calibration:
    """Fit steepness and set floors on cells that their encoder has not seen.

    The steepness minimises the negative log likelihood (temperature scaling: Guo et al.,
    ICML 2017). The floor is the split-conformal quantile of the true type's probability
    (Sadinle, Lei and Wasserman, JASA 2019).
    """
    fitted = []
    for method in METHODS:
        steepness = _steepness(held_out, method)
        probability = np.concatenate(
            [softmax(steepness * fold.similarity(method)) for fold in held_out]
        )
        labels = np.concatenate([fold.labels for fold in held_out])
        true = probability[np.arange(len(labels)), labels]
        fitted.append((steepness, conformal_floor(true, COVERAGE)))
    steepnesses, floors = np.array(fitted).T
    return Calibration(steepnesses, floors)


def _steepness(held_out: list[HeldOutFold], method: Method) -> float:
    """Return the factor of similarities with the least negative log likelihood."""
    similarities = np.concatenate([fold.similarity(method) for fold in held_out])
    labels = np.concatenate([fold.labels for fold in held_out])
    rows = np.arange(len(labels))

    def loss(log_steepness: float) -> float:
        probability = softmax(np.exp(log_steepness) * similarities)[rows, labels]
        return -float(np.log(probability + 1e-12).mean())

    bounds = (np.log(STEEPNESS[0]), np.log(STEEPNESS[1]))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def conformal_floor(true_probability: NDArray[np.float64], coverage: float) -> float:
    """Return the probability that at least ``coverage`` of new cells' true types reach.

    With ``n`` held-out cells it is the ``floor((n + 1)(1 - coverage))``-th smallest; 0 where
    that is below the first.
    """
    rank = int(np.floor((len(true_probability) + 1) * (1 - coverage)))
    if rank == 0:
        return 0.0
    return float(np.partition(true_probability, rank - 1)[rank - 1])
