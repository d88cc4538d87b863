"""Simulated codes: uniform ones, and ones that lie as those of cells do.

Cell-like codes have 64 anchor and 64 detail bits. There are 60 types with an anchor each, and
eight states a type with a word of detail bits each; shares of the 480 states are drawn from a
Dirichlet distribution (.5). A cell is its type's anchor with each bit flipped with probability
1/32, and its state's word with 1/8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from atlash.codes.anchors import make_anchors
from atlash.codes.pack import pack
from atlash.codes.planes import empty_planes

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

N_TYPES = 60
N_STATES = 8
N_WORDS = 2
PART = 1 << 20


def cell_planes(n: int, seed: int) -> NDArray[np.uint64]:
    """Planes ``(2, n)`` of cell-like codes; another seed gives other cells of the same states."""
    planes = empty_planes(n, 8 * N_WORDS)
    known = np.random.default_rng(0)
    anchors = pack(make_anchors(N_TYPES, 64)[0] > 0).view(np.uint64)[:, 0]
    details = known.integers(0, 2**64, N_TYPES * N_STATES, dtype=np.uint64)
    share = known.dirichlet(np.full(N_TYPES * N_STATES, 0.5))
    rng = np.random.default_rng([1, seed])
    for first in range(0, n, PART):
        size = min(PART, n - first)
        state = rng.choice(N_TYPES * N_STATES, size=size, p=share)
        planes[0, first : first + size] = anchors[state // N_STATES] ^ _flips(rng, size, 5)
        planes[1, first : first + size] = details[state] ^ _flips(rng, size, 3)
    return planes


def uniform_planes(n: int, seed: int) -> NDArray[np.uint64]:
    """Planes ``(2, n)`` of uniform codes."""
    rng = np.random.default_rng([2, seed])
    planes = empty_planes(n, 8 * N_WORDS)
    for first in range(0, n, PART):
        size = min(PART, n - first)
        planes[:, first : first + size] = rng.integers(0, 2**64, (N_WORDS, size), dtype=np.uint64)
    return planes


def uniform_file(path: Path, n: int) -> NDArray[np.uint64]:
    """Planes ``(2, n)`` of uniform codes in a file, opened for reading; written where missing."""
    if not path.exists():
        scratch = path.with_suffix(".part")
        planes = np.lib.format.open_memmap(scratch, mode="w+", dtype=np.uint64, shape=(N_WORDS, n))
        rng = np.random.default_rng([3])
        for first in range(0, n, PART):
            size = min(PART, n - first)
            planes[:, first : first + size] = rng.integers(
                0, 2**64, (N_WORDS, size), dtype=np.uint64
            )
        planes.flush()
        scratch.replace(path)
    return np.load(path, mmap_mode="r")


def packed(planes: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Packed codes ``(n, 16)`` of planes."""
    return np.ascontiguousarray(planes.T).astype("<u8").view(np.uint8)


def _flips(rng: np.random.Generator, size: int, halvings: int) -> NDArray[np.uint64]:
    """Draw words in which each bit is set with probability ``2^-halvings``."""
    drawn = rng.integers(0, 2**64, (halvings, size), dtype=np.uint64)
    flips: NDArray[np.uint64] = np.bitwise_and.reduce(drawn)
    return flips
