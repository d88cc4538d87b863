"""The compiled part of the label-free space; imported on first use.

One cell at a time, in a fixed order of additions: no answer depends on the cells beside.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Whitened = tuple[Floats, Floats]
TINY = 1e-3


@numba.njit(cache=True, nogil=True)
def add_energy(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    data: Floats,
    scaling: tuple[Floats, Floats, Floats],
    energy: NDArray[np.float64],
) -> None:
    """Add to each cell's squared standardised expression what its expressed features change."""
    mean, inverse_scale, upper = scaling
    for row in range(energy.shape[0]):
        for k in range(indptr[row], indptr[row + 1]):
            f = indices[k]
            silent = mean[f] * inverse_scale[f]
            value = min((data[k] - mean[f]) * inverse_scale[f], upper[0])
            energy[row] += value * value - silent * silent


@numba.njit(cache=True, nogil=True)
def _nearest(place: Floats, whitening: Floats, centres: Floats, white: Floats) -> float:
    """Return the least squared distance to a centre after whitening."""
    n = whitening.shape[0]
    white[:n] = 0
    for i in range(n):
        value, row = place[i], whitening[i]
        for j in range(n):
            white[j] += value * row[j]
    best = math.inf
    for kind in range(centres.shape[0]):
        distance = 0.0
        for j in range(n):
            distance += (white[j] - centres[kind, j]) ** 2
        best = min(best, distance)
    return best


@numba.njit(cache=True, nogil=True)
def _entropy(logits: Floats, greatest: float) -> float:
    """Return the entropy of the softmax, in nats."""
    total, weighted = 0.0, 0.0
    for kind in range(logits.shape[0]):
        shifted = logits[kind] - greatest
        power = math.exp(shifted)
        total += power
        weighted += power * shifted
    return math.log(total) - weighted / total


@numba.njit(cache=True, nogil=True)
def measure(  # noqa: PLR0917
    places: Floats,
    energy: NDArray[np.float64],
    near: Whitened,
    middle: Whitened,
    far: Whitened,
    overall: Whitened,
    head: Whitened,
    out: NDArray[np.float64],
) -> None:
    """Write the seven sub-scores of each cell; see `PCSpace.subscores`."""
    white = np.empty(places.shape[1], dtype=np.float32)
    logits = np.empty(head[0].shape[1], dtype=np.float32)
    for row in range(places.shape[0]):
        place = places[row]
        within = _nearest(place, middle[0], middle[1], white)
        out[row, 0] = within - _nearest(place, overall[0], overall[1], white)
        out[row, 1] = math.log(_nearest(place, near[0], near[1], white) + TINY)
        out[row, 2] = math.log(within + TINY)
        out[row, 3] = math.log(_nearest(place, far[0], far[1], white) + TINY)
        logits[:] = head[1]
        inside = 0.0
        for i in range(place.shape[0]):
            inside += place[i] * place[i]
            for kind in range(logits.shape[0]):
                logits[kind] += place[i] * head[0][i, kind]
        out[row, 4] = math.log(max(energy[row] - inside, 0.0) + TINY)
        greatest = logits.max()
        out[row, 5] = -greatest
        out[row, 6] = _entropy(logits, greatest)
