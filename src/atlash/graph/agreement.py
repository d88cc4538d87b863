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
    both = _n_pairs(*_overlaps(first, second, counts)[2:])
    of_first, of_second = (_n_pairs(_sums(labels, counts)) for labels in (first, second))
    of_all = _n_pairs(np.array([counts.sum()]))
    # (both - expected) / (mean - expected), with both sides multiplied by twice the pairs
    above = 2 * (both * of_all - of_first * of_second)
    below = (of_first + of_second) * of_all - 2 * of_first * of_second
    return above / below if below else 1.0


def node_stability(
    runs: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Return the share of runs that put a node into its cluster.

    A cluster of a run is taken for the one of ``labels`` with which it has most cells in common,
    if it is also the one that has most in common with that; ties go to the lower label. A run
    that splits a cluster therefore counts for the larger part alone, and one that joins two for
    the larger one alone.

    Parameters
    ----------
    runs
        Cluster of each node in each run ``(n_runs, n)``; any values.
    labels
        Final cluster of each node ``(n,)``; any values.
    weights
        Cells of each node ``(n,)``, whole numbers of at least 0; ``None`` counts each node once.

    Returns
    -------
    Shares ``(n,)``, float64 in ``[0, 1]``.

    Raises
    ------
    ValueError
        If shapes do not fit, there is no run, or weights are no counts.
    """
    partitions, final = np.asarray(runs), np.asarray(labels)
    counts = check_counts(weights, final.size)
    if partitions.ndim != 2 or len(partitions) == 0 or partitions.shape[1:] != final.shape:
        msg = (
            f"Runs must be runs x nodes, at least one run; found shape {partitions.shape} for "
            f"labels of shape {final.shape}."
        )
        raise ValueError(msg)
    same = np.zeros(final.size, dtype=np.int64)
    own = np.unique(final, return_inverse=True)[1]
    for run in partitions:
        kinds = np.unique(run, return_inverse=True)[1]
        rows, columns, cells = _overlaps(kinds, own, counts)
        of_run, of_final = _greatest(rows, columns, cells), _greatest(columns, rows, cells)
        match = of_run[kinds]
        same += (match == own) & (of_final[own] == kinds)
    shares: NDArray[np.float64] = same / len(partitions)
    return shares


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
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers of the clusters that share nodes, in order, and their cells."""
    rows = np.unique(first, return_inverse=True)[1].astype(np.int64)
    columns, n_columns = np.unique(second, return_inverse=True)[1], len(np.unique(second))
    keys, which = np.unique(rows * max(n_columns, 1) + columns, return_inverse=True)
    cells = np.zeros(len(keys), dtype=np.int64)
    np.add.at(cells, which, counts)
    return keys // max(n_columns, 1), keys % max(n_columns, 1), cells


def _sums(labels: NDArray[np.generic], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the cells of each cluster."""
    kinds, which = np.unique(labels, return_inverse=True)
    cells = np.zeros(len(kinds), dtype=np.int64)
    np.add.at(cells, which, counts)
    return cells


def _n_pairs(cells: NDArray[np.int64]) -> int:
    """Count the pairs of cells within groups, twice, in Python's whole numbers."""
    return sum(n * (n - 1) for n in cells.tolist())


def _greatest(
    rows: NDArray[np.int64], columns: NDArray[np.int64], cells: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return for each row the column with most cells; ties go to the lower column."""
    order = np.lexsort((columns, -cells, rows))
    first = np.unique(rows[order], return_index=True)[1]
    best: NDArray[np.int64] = columns[order][first]
    return best
