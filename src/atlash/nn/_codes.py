"""Codes of hash heads, one cell at a time in a fixed order; imported on first use."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Codes = NDArray[np.int32]


@numba.njit(cache=True, nogil=True)
def sign_codes(embedding: Floats, weight: Floats, bias: Floats, out: Codes) -> None:
    """Write the rounded bits of each head, the first bit the lowest."""
    n_bits = bias.shape[0] // out.shape[1]
    logits = np.empty(bias.shape[0], dtype=np.float32)
    for row in range(embedding.shape[0]):
        logits[:] = bias
        for d in range(weight.shape[0]):
            value = embedding[row, d]
            for j in range(weight.shape[1]):
                logits[j] += value * weight[d, j]
        for head in range(out.shape[1]):
            code = 0
            for bit in range(n_bits):
                code |= int(logits[head * n_bits + bit] > 0) << bit
            out[row, head] = code


@numba.njit(cache=True, nogil=True)
def word_codes(embedding: Floats, directions: Floats, words: Floats, out: Codes) -> None:
    """Write the nearest word of each head; ties go to the lower word."""
    width = words.shape[2]
    place = np.empty(width, dtype=np.float32)
    for row in range(embedding.shape[0]):
        for head in range(words.shape[0]):
            place[:] = 0
            for d in range(directions.shape[1]):
                value = embedding[row, d]
                for j in range(width):
                    place[j] += value * directions[head, d, j]
            least, nearest = np.float32(np.inf), 0
            for word in range(words.shape[1]):
                squared = np.float32(0)
                for j in range(width):
                    gap = place[j] - words[head, word, j]
                    squared += gap * gap
                if squared < least:
                    least, nearest = squared, word
            out[row, head] = nearest
