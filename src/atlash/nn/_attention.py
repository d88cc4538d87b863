"""Kernels of local attention, one cell at a time in a fixed order; imported on first use."""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Rows = NDArray[np.int32]


@numba.njit(cache=True, nogil=True)
def squared_distances(places: Floats, cell: int, tokens: Rows, out: Doubles) -> float:
    """Write the squared distance to each token and return their mean.

    A token that is not there (negative) or the cell itself gets -1 and does not count.
    """
    total, n = 0.0, 0
    for t in range(tokens.shape[0]):
        out[t] = -1.0
        if tokens[t] < 0 or tokens[t] == cell:
            continue
        squared = 0.0
        for d in range(places.shape[1]):
            gap = np.float64(places[cell, d]) - np.float64(places[tokens[t], d])
            squared += gap * gap
        out[t] = squared
        total += squared
        n += 1
    return total / n if n > 0 else 0.0


@numba.njit(cache=True, nogil=True)
def kernel_average(
    places: Floats, rows: Rows, start: int, temperature: float, out: Floats
) -> None:
    """Write the average of each cell and its tokens, for cells from ``start`` on."""
    squared = np.empty(rows.shape[1], dtype=np.float64)
    sums = np.empty(places.shape[1], dtype=np.float64)
    for i in range(out.shape[0]):
        cell = start + i
        scale = temperature * squared_distances(places, cell, rows[cell], squared)
        total = 1.0
        for d in range(places.shape[1]):
            sums[d] = places[cell, d]
        if scale > 0:
            for t in range(rows.shape[1]):
                if squared[t] < 0:
                    continue
                weight = math.exp(-squared[t] / scale)
                total += weight
                for d in range(places.shape[1]):
                    sums[d] += weight * places[rows[cell, t], d]
        for d in range(places.shape[1]):
            out[i, d] = sums[d] / total


@numba.njit(cache=True, nogil=True)
def attention(  # noqa: PLR0917
    places: Floats,
    queries: Floats,
    keys: Floats,
    values: Floats,
    rows: Rows,
    start: int,
    slope: Floats,
    own: Floats,
    out: Floats,
) -> None:
    """Write what each head reads from a cell and its tokens, for cells from ``start`` on.

    ``queries`` are of these cells only, ``keys`` and ``values`` of all. A logit is the scaled
    product of query and key less ``slope`` times the relative squared distance; the cell's own
    has ``own`` added.
    """
    k, n_heads = rows.shape[1], slope.shape[0]
    width = out.shape[1] // n_heads
    squared = np.empty(k, dtype=np.float64)
    logits = np.empty(k + 1, dtype=np.float64)
    sums = np.empty(width, dtype=np.float64)
    root = math.sqrt(width)
    for i in range(out.shape[0]):
        cell = start + i
        mean = squared_distances(places, cell, rows[cell], squared)
        for head in range(n_heads):
            first = head * width
            top = -np.inf
            for t in range(k + 1):
                logits[t] = -np.inf
                if t < k and squared[t] < 0:
                    continue
                token = rows[cell, t] if t < k else cell
                product = 0.0
                for u in range(first, first + width):
                    product += np.float64(queries[i, u]) * np.float64(keys[token, u])
                logits[t] = product / root
                if t == k:
                    logits[t] += own[head]
                elif mean > 0:
                    logits[t] -= slope[head] * squared[t] / mean
                top = max(top, logits[t])
            total = 0.0
            sums[:] = 0
            for t in range(k + 1):
                if logits[t] == -np.inf:
                    continue
                token = rows[cell, t] if t < k else cell
                weight = math.exp(logits[t] - top)
                total += weight
                for u in range(width):
                    sums[u] += weight * values[token, first + u]
            for u in range(width):
                out[i, first + u] = sums[u] / total
