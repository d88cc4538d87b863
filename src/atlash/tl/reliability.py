"""Whether a confidence of 0.9 means right nine times in ten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_BINS = 15
"""Bins of equal width, as many as Guo et al. 2017 take."""


def calibration(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> dict[str, Any]:
    """Compare confidences with the share that is right.

    Parameters
    ----------
    confidence
        Probability stated for each of ``n`` answers, ``(n,)`` in [0, 1].
    right
        Which of them are right, ``(n,)``.

    Returns
    -------
    ``ece``, the expected calibration error: the mean over cells of the distance between the
    mean confidence and the share right of the cell's bin, 15 bins of equal width (Naeini et
    al. 2015). ``mean_confidence`` and ``accuracy`` over all, and ``bins``: ``from``, ``to``,
    ``cells``, ``mean_confidence`` and ``accuracy`` of those that are not empty.
    """
    place = np.clip((confidence * N_BINS).astype(np.int64), 0, N_BINS - 1)
    cells = np.bincount(place, minlength=N_BINS)
    filled = np.flatnonzero(cells)
    mean = np.bincount(place, confidence, N_BINS)[filled] / cells[filled]
    share = np.bincount(place, right, N_BINS)[filled] / cells[filled]
    return {
        "ece": float(np.average(np.abs(mean - share), weights=cells[filled])),
        "mean_confidence": float(confidence.mean()),
        "accuracy": float(right.mean()),
        "bins": [
            {
                "from": float(k / N_BINS),
                "to": float((k + 1) / N_BINS),
                "cells": int(cells[k]),
                "mean_confidence": float(m),
                "accuracy": float(s),
            }
            for k, m, s in zip(filled, mean, share, strict=True)
        ],
    }


def coverage(sets: NDArray[np.bool_], truth: NDArray[np.int64]) -> dict[str, float]:
    """Return how often sets of types hold the true one, and how large they are.

    Parameters
    ----------
    sets
        Types that cannot be excluded, ``(n, n_types)``.
    truth
        Column of the true type ``(n,)``.

    Returns
    -------
    ``coverage``, the share of sets with the true type, and ``mean_size``.
    """
    return {
        "coverage": float(sets[np.arange(len(truth)), truth].mean()),
        "mean_size": float(sets.sum(axis=1).mean()),
    }
