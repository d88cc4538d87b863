"""Counting pairs of cells that are alike, and how many of them chance makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from atlash.codes.census import code_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_MASKS = 8


class Pairs(NamedTuple):
    """Pairs of cells.

    Attributes
    ----------
    within, across
        Those of one batch, and those of two.
    """

    within: float
    across: float


def all_pairs(batches: NDArray[np.int32]) -> Pairs:
    """Count the pairs of cells whose batches are given ``(n,)``, from -1."""
    return pairs_of_groups(np.bincount(batches + 1))


def pairs_of_groups(sizes: NDArray[np.int64]) -> Pairs:
    """Count the pairs of cells in and between groups of some sizes."""
    within = _pairs_of(sizes)
    return Pairs(within, _pairs_of(sizes.sum(keepdims=True)) - within)


def equal_pairs(keys: NDArray[np.uint64], batches: NDArray[np.int32]) -> Pairs:
    """Count the pairs of cells whose keys ``(n,)`` are the same."""
    total = _pairs_of(np.unique(keys, return_counts=True)[1])
    both = np.stack([keys, batches.astype(np.int64).view(np.uint64)], axis=1)
    within = _pairs_of(np.unique(code_keys(both), return_counts=True)[1])
    return Pairs(within, total - within)


def pairs_by_chance(
    words: NDArray[np.uint64], batches: NDArray[np.int32], n_bits: int, *, observed: Pairs
) -> Pairs:
    """Estimate how many pairs of cells have the same code without being the same cell.

    Parameters
    ----------
    words
        Codes of some cells drawn at random ``(m, n_words)``, uint64.
    batches
        Their batches ``(m,)``.
    n_bits
        Length of a code.
    observed
        Pairs with the same code, scaled to these cells.

    Returns
    -------
    Expected pairs among these cells.

    Notes
    -----
    The share of pairs that agree on ``k`` bits drawn at random falls as ``a r**k`` where bits
    differ independently, and duplicates add a constant ``c`` to it. Half, three quarters and all
    of the bits give three equations for ``a``, ``r`` and ``c`` (Aitken's delta-squared; the sum
    of an exponential and a constant). Where bits differ together, as in groups of like cells,
    more pairs agree by chance than this tells.
    """
    rng = np.random.default_rng(0)
    half, most = np.zeros(2), np.zeros(2)
    for _ in range(N_MASKS):
        order = rng.permutation(n_bits)
        half += equal_pairs(code_keys(words & _mask(order[: n_bits // 2], words)), batches)
        most += equal_pairs(code_keys(words & _mask(order[: 3 * n_bits // 4], words)), batches)
    expected = [
        _chance(*counts) for counts in zip(half / N_MASKS, most / N_MASKS, observed, strict=True)
    ]
    return Pairs(*expected)


def _chance(half: float, most: float, whole: float) -> float:
    """Return the pairs that agree by chance on all bits.

    The arguments are those that agree on half, on three quarters and on all bits.
    """
    bend = whole + half - 2 * most
    if bend > 0:
        same = float(np.clip((whole * half - most**2) / bend, 0, whole))
    else:
        same = whole if most <= whole else 0.0
    return (most - same) ** 2 / (half - same) if half > same else 0.0


def _mask(bits: NDArray[np.int64], words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return words ``(n_words,)`` in which these bits are set."""
    mask = np.zeros(words.shape[1], dtype=np.uint64)
    np.bitwise_or.at(mask, bits // 64, np.uint64(1) << (bits % 64).astype(np.uint64))
    return mask


def _pairs_of(sizes: NDArray[np.int64]) -> float:
    """Return how many pairs can be drawn from groups of some sizes, within groups."""
    return float((sizes.astype(np.float64) * (sizes - 1) / 2).sum())
