"""How well partitions of the same nodes agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def agreement(a: ArrayLike, b: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the adjusted Rand index of two partitions whose nodes stand for many cells.

    Parameters
    ----------
    a, b
        Cluster of each node ``(n,)``; any values.
    weights
        Cells of each node ``(n,)``, whole numbers of at least 0; ``None`` counts each node once.

    Returns
    -------
    1 for the same partition, about 0 for partitions that have nothing in common; the same as if
    each node were repeated as often as it weighs.

    Raises
    ------
    ValueError
        If shapes do not fit or weights are no counts.

    Notes
    -----
    Hubert and Arabie (1985). Numbers of pairs are exact; only the last division rounds.
    """
    first, second = np.asarray(a), np.asarray(b)
    counts = check_counts(weights, first.size)
    if first.shape != second.shape or first.shape != counts.shape:
        msg = (
            f"Both partitions and the weights need one entry a node; found shapes {first.shape}, "
            f"{second.shape} and {counts.shape}."
        )
        raise ValueError(msg)
    both = _n_pairs(_overlaps(first, second, counts))
    of_first, of_second = (_n_pairs(_sums(labels, counts)) for labels in (first, second))
    of_all = _n_pairs(np.array([counts.sum()]))
    # (both - expected) / (mean - expected), with both sides multiplied by twice the pairs
    above = 2 * (both * of_all - of_first * of_second)
    below = (of_first + of_second) * of_all - 2 * of_first * of_second
    return above / below if below else 1.0


def check_counts(weights: ArrayLike | None, n: int) -> NDArray[np.int64]:
    """Return the cells of each node ``(n,)``, int64; ones if nothing is given.

    Raises
    ------
    ValueError
        If they are no whole numbers of at least 0, one a node.
    """
    if weights is None:
        return np.ones(n, dtype=np.int64)
    given = np.asarray(weights)
    counts = given.astype(np.int64)
    if given.shape != (n,) or not np.array_equal(counts, given) or counts.min(initial=0) < 0:
        msg = (
            f"Weights must be numbers of cells, {n:,} whole numbers of at least 0; found shape "
            f"{given.shape} of {given.dtype}."
        )
        raise ValueError(msg)
    return counts


def _overlaps(
    first: NDArray[np.generic], second: NDArray[np.generic], counts: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the cells that each two clusters which share nodes have in common."""
    rows = np.unique(first, return_inverse=True)[1].astype(np.int64)
    columns, n_columns = np.unique(second, return_inverse=True)[1], len(np.unique(second))
    return _sums(rows * max(n_columns, 1) + columns, counts)


def _sums(labels: NDArray[np.generic], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the cells of each cluster."""
    kinds, which = np.unique(labels, return_inverse=True)
    cells = np.zeros(len(kinds), dtype=np.int64)
    np.add.at(cells, which, counts)
    return cells


def _n_pairs(cells: NDArray[np.int64]) -> int:
    """Count the pairs of cells within groups, twice, in Python's whole numbers."""
    return sum(n * (n - 1) for n in cells.tolist())
