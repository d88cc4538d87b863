"""Kernels of batch correction, sums in float64 and in a fixed order; imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from atlash.clustering.batches import Points, SoftClusters

Doubles = NDArray[np.float64]

NOTHING = 1e-9
"""Share of a soft cluster in a cell below which it does not move the cell."""


@numba.njit(cache=True, nogil=True)
def fill_shares(
    place: Doubles, centres: Doubles, log_weight: Doubles, sharpness: float, out: Doubles
) -> float:
    """Write the share of each soft cluster in one cell; return the length of its place.

    ``centres`` is ``(d, K)``, its columns unit vectors: clusters are told apart by direction.
    """
    n_axes, n_clusters = centres.shape
    squared = 0.0
    out[:] = 0
    for d in range(n_axes):
        squared += place[d] * place[d]
        for k in range(n_clusters):
            out[k] += place[d] * centres[d, k]
    length = np.sqrt(squared)
    scale = sharpness / length if length > 0 else 0.0
    greatest = -np.inf
    for k in range(n_clusters):
        out[k] = log_weight[k] + scale * out[k]
        greatest = max(greatest, out[k])
    total = 0.0
    for k in range(n_clusters):
        out[k] = np.exp(out[k] - greatest)
        total += out[k]
    for k in range(n_clusters):
        out[k] /= total
    return float(length)


@numba.njit(cache=True, nogil=True)
def add_points(  # noqa: PLR0917 - numba takes arguments by position
    points: Points,
    moved: Doubles,
    clusters: SoftClusters,
    mass: Doubles,
    sums: Doubles,
    squares: Doubles,
    directions: Doubles,
) -> None:
    """Share points, as they are where ``moved`` says, out over soft clusters, and add them up.

    ``mass (n_batches, K)`` gets the cells, ``sums (n_batches, K, d)`` the points as they were
    given, ``squares (n_batches, K)`` the squared lengths of their cells, ``directions (K, d)``
    the unit vectors of the points where they are now.
    """
    places, weight, batch, squared = points
    centres, log_weights, sharpness = clusters
    n_axes, n_clusters = centres.shape
    shares = np.empty(n_clusters, dtype=np.float64)
    mass[:] = 0
    sums[:] = 0
    squares[:] = 0
    directions[:] = 0
    for i in range(len(places)):
        b = batch[i]
        length = fill_shares(moved[i], centres, log_weights[b], sharpness, shares)
        inverse = 1 / length if length > 0 else 0.0
        for k in range(n_clusters):
            part = weight[i] * shares[k]
            mass[b, k] += part
            squares[b, k] += part * squared[i]
            for d in range(n_axes):
                sums[b, k, d] += part * places[i, d]
                directions[k, d] += part * inverse * moved[i, d]


@numba.njit(cache=True, nogil=True)
def move(  # noqa: PLR0917
    points: NDArray[np.float32] | Doubles,
    batch: NDArray[np.int32],
    centres: Doubles,
    log_weights: Doubles,
    sharpness: Doubles,
    offsets: Doubles,
    moved: Doubles,
) -> None:
    """Take the offsets of their batch in their soft clusters off points, round after round.

    ``moved`` holds where the points stand before the first of the rounds ``(n_rounds, d, K)``,
    and after the last. Points of batch -1 stay.
    """
    n_rounds, n_axes, n_clusters = centres.shape
    shares = np.empty(n_clusters, dtype=np.float64)
    for i in range(len(points)):
        b = batch[i]
        if b < 0:
            continue
        for t in range(n_rounds):
            fill_shares(moved[i], centres[t], log_weights[t, b], sharpness[t], shares)
            for d in range(n_axes):
                moved[i, d] = points[i, d]
            for k in range(n_clusters):
                if shares[k] > NOTHING:
                    for d in range(n_axes):
                        moved[i, d] -= shares[k] * offsets[t, b, k, d]
