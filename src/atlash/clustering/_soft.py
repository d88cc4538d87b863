"""Kernels of soft assignment, sums in float64 and in a fixed order; imported on first use."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32] | NDArray[np.float64]
Doubles = NDArray[np.float64]


@numba.njit(cache=True, nogil=True)
def student_shares(
    E: Floats, centres: Doubles, scale: float, freedom: float, out: Doubles
) -> None:
    """Write the share of each centre in each cell; rows sum to 1."""
    for i in range(E.shape[0]):
        least = np.inf
        for j in range(centres.shape[0]):
            squared = 0.0
            for d in range(centres.shape[1]):
                gap = np.float64(E[i, d]) - centres[j, d]
                squared += gap * gap
            out[i, j] = np.log1p(squared / (freedom * scale))
            least = min(least, out[i, j])
        total = 0.0
        for j in range(centres.shape[0]):
            out[i, j] = np.exp(-(freedom + 1) / 2 * (out[i, j] - least))
            total += out[i, j]
        for j in range(centres.shape[0]):
            out[i, j] /= total


@numba.njit(cache=True, nogil=True)
def pull(  # noqa: PLR0917
    E: Floats,
    centres: Doubles,
    shares: Doubles,
    mass: Doubles,
    scale: float,
    freedom: float,
    move: Doubles,
    weight: Doubles,
) -> float:
    """Write the pull of all cells on each centre and the sum of its weights; return KL(p || q).

    The pull is minus the gradient of the loss, up to a factor; ``weight`` holds the sum of the
    absolute factors of a centre's cells, by which a pull becomes a mean shift.
    """
    n_centres = centres.shape[0]
    target = np.empty(n_centres, dtype=np.float64)
    move[:] = 0
    weight[:] = 0
    loss = 0.0
    for i in range(E.shape[0]):
        total = 0.0
        for j in range(n_centres):
            target[j] = shares[i, j] * shares[i, j] / mass[j]
            total += target[j]
        for j in range(n_centres):
            p, q = target[j] / total, shares[i, j]
            if p > 0 and q > 0:
                loss += p * np.log(p / q)
            squared = 0.0
            for d in range(centres.shape[1]):
                gap = np.float64(E[i, d]) - centres[j, d]
                squared += gap * gap
            factor = (p - q) / (1 + squared / (freedom * scale))
            weight[j] += q / (1 + squared / (freedom * scale))
            for d in range(centres.shape[1]):
                move[j, d] += factor * (np.float64(E[i, d]) - centres[j, d])
    return float(loss / E.shape[0])
