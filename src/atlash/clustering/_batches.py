"""Kernels of batch correction, sums in float64 and in a fixed order; imported on first use."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

NOTHING = 1e-9
"""Share of a cluster in a cell below which it does not move the cell."""


@numba.njit(cache=True, nogil=True)
def fill_shares(
    place: Doubles, centres: Doubles, log_weight: Doubles, sharpness: float, out: Doubles
) -> None:
    """Write the share of each soft cluster in one cell, by the cosine of their directions."""
    n_clusters, n_axes = centres.shape
    squared = 0.0
    for d in range(n_axes):
        squared += place[d] * place[d]
    scale = sharpness / np.sqrt(squared) if squared > 0 else 0.0
    greatest = -np.inf
    for k in range(n_clusters):
        cosine = 0.0
        for d in range(n_axes):
            cosine += place[d] * centres[k, d]
        out[k] = log_weight[k] + scale * cosine
        greatest = max(greatest, out[k])
    total = 0.0
    for k in range(n_clusters):
        out[k] = np.exp(out[k] - greatest)
        total += out[k]
    for k in range(n_clusters):
        out[k] /= total


@numba.njit(cache=True, nogil=True)
def add_points(  # noqa: PLR0917 - numba takes arguments by position
    points: Doubles,
    moved: Doubles,
    weight: Doubles,
    batch: NDArray[np.int32],
    centres: Doubles,
    log_weight: Doubles,
    sharpness: float,
    mass: Doubles,
    sums: Doubles,
    directions: Doubles,
) -> None:
    """Share points out over the soft clusters, and add them up.

    ``mass (n_batches, K)`` gets the cells, ``sums (n_batches, K, d)`` the points as they were,
    ``directions (K, d)`` the unit vectors of the points as they are moved.
    """
    n_clusters, n_axes = centres.shape
    shares = np.empty(n_clusters)
    mass[:] = 0
    sums[:] = 0
    directions[:] = 0
    for i in range(len(points)):
        b = batch[i]
        fill_shares(moved[i], centres, log_weight[b], sharpness, shares)
        squared = 0.0
        for d in range(n_axes):
            squared += moved[i, d] * moved[i, d]
        length = np.sqrt(squared) if squared > 0 else 1.0
        for k in range(n_clusters):
            part = weight[i] * shares[k]
            mass[b, k] += part
            for d in range(n_axes):
                sums[b, k, d] += part * points[i, d]
                directions[k, d] += part * moved[i, d] / length


@numba.njit(cache=True, nogil=True)
def move(  # noqa: PLR0917
    points: Doubles,
    batch: NDArray[np.int32],
    centres: Doubles,
    log_weights: Doubles,
    offsets: Doubles,
    sharpness: Doubles,
    moved: Doubles,
) -> None:
    """Move points by the offsets of their batch in their soft clusters, round after round.

    ``moved`` holds where they stand before, and after.
    """
    n_rounds, n_clusters, n_axes = centres.shape
    shares = np.empty(n_clusters)
    for i in range(len(points)):
        b = batch[i]
        for t in range(n_rounds):
            fill_shares(moved[i], centres[t], log_weights[t, b], sharpness[t], shares)
            for d in range(n_axes):
                moved[i, d] = points[i, d]
            for k in range(n_clusters):
                if shares[k] > NOTHING:
                    for d in range(n_axes):
                        moved[i, d] -= shares[k] * offsets[t, b, k, d]
