"""The compiled part of the label-free space; imported on first use.

One cell at a time, in a fixed order of additions: no answer depends on the cells beside.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from atlash.nn._rows import add_rows

Floats = NDArray[np.float32]
Whitened = tuple[NDArray[np.uint32], Floats]
TINY = 1e-3


# Sums in any order, so that they are vectors; the order is that of the compiled code.
@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _energy_above(above: Floats, features: NDArray[np.int32], silence: Floats) -> float:
    """Return what expressed features change of the squared expression of a silent cell.

    A silent feature is at ``-silence``, an expressed one ``above`` that.
    """
    total = np.float32(0)
    for k in range(above.shape[0]):
        total += above[k] * (above[k] - 2 * silence[np.uint32(features[k])])
    return float(total)


@numba.njit(cache=True, nogil=True)
def add_energy(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    above: Floats,
    silence: Floats,
    energy: NDArray[np.float64],
) -> None:
    """Add to each cell's squared standardised expression what its expressed features change.

    ``above`` and ``silence`` are those of `atlash.nn.factor.Factor`.
    """
    for row in range(energy.shape[0]):
        first, last = indptr[row], indptr[row + 1]
        energy[row] += _energy_above(above[first:last], indices[first:last], silence)


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _squared_distance(a: Floats, b: Floats) -> np.float32:
    total = np.float32(0)
    for j in range(a.shape[0]):
        total += (a[j] - b[j]) * (a[j] - b[j])
    return total


@numba.njit(cache=True, nogil=True)
def _nearest(place: Floats, index: NDArray[np.int32], known: Whitened, white: Floats) -> float:
    """Return the least squared distance to a centre after whitening."""
    whitening, centres = known
    part = white[: centres.shape[1]]
    for j in range(part.shape[0]):
        part[j] = 0
    add_rows(place, index, 0, whitening.shape[0], whitening, part)
    best = math.inf
    for kind in range(centres.shape[0]):
        best = min(best, _squared_distance(part, centres[kind]))
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
    """Write the seven sub-scores of each cell; see `PCSpace.subscores`.

    Matrices are padded to whole vectors; ``head`` has ``n_types`` columns before padding, one
    for each centre.
    """
    n_axes = far[0].shape[0]
    n_types = far[1].shape[0]
    index = np.arange(n_axes, dtype=np.int32)
    white = np.empty(far[1].shape[1], dtype=np.float32)
    place = np.empty(n_axes, dtype=np.float32)
    origin = np.zeros(n_axes, dtype=np.float32)
    logits = np.empty(head[1].size, dtype=np.float32)
    for row in range(places.shape[0]):
        for j in range(n_axes):
            place[j] = places[row, j]
        within = _nearest(place, index, middle, white)
        out[row, 0] = within - _nearest(place, index, overall, white)
        out[row, 1] = math.log(_nearest(place, index, near, white) + TINY)
        out[row, 2] = math.log(within + TINY)
        out[row, 3] = math.log(_nearest(place, index, far, white) + TINY)
        inside = _squared_distance(place, origin)
        out[row, 4] = math.log(max(energy[row] - inside, 0.0) + TINY)
        for j in range(logits.shape[0]):
            logits[j] = head[1][j]
        add_rows(place, index, 0, n_axes, head[0], logits)
        greatest = logits[:n_types].max()
        out[row, 5] = -greatest
        out[row, 6] = _entropy(logits[:n_types], greatest)
