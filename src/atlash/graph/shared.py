"""Weights between neighbours: the share of neighbours that two cells have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from atlash.graph.work import run_spans, spread
from atlash.progress import n_threads_or_all

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from scipy.sparse import csr_array

    from atlash.graph.work import Span

PARTS_A_THREAD = 8


def shared_neighbours(rows: ArrayLike, *, n_threads: int | None = None) -> csr_array:
    """Weigh pairs of neighbours by the neighbours that they share.

    The weight of two cells is the Jaccard index of their lists, each cell counted among its own
    neighbours. Pairs are kept of which at least one has the other in its list, so that a cell's
    list bounds the memory; these share at least one cell, and no weight is zero.

    Parameters
    ----------
    rows
        Neighbours of each cell ``(N, k)``, whole numbers, without the cell itself and without
        repeats; see :func:`atlash.graph.neighbours.nearest`.
    n_threads
        Threads; ``None`` takes all cores. They do not change the result.

    Returns
    -------
    Symmetric weights ``(N, N)``, float32 in ``(0, 1]``, columns ascending, diagonal empty.

    Raises
    ------
    ValueError
        If the lists are not of the form above.

    Notes
    -----
    The graph of PhenoGraph (Levine et al. 2015), where each cell is its own neighbour as well.
    """
    from scipy.sparse import csr_array

    from atlash.graph._shared import count_pairs, place_pairs, weigh  # numba: when needed

    lists = _check_lists(rows)
    n, size = lists.shape
    threads = n_threads_or_all(n_threads)
    weights = np.empty((n, size), dtype=np.float32)

    def work(span: Span) -> None:
        weigh(lists, span, weights)

    run_spans(work, spread(n, PARTS_A_THREAD * threads), threads)
    counts = np.empty(n, dtype=np.int64)
    count_pairs(lists, counts)
    bounds = np.append(0, np.cumsum(counts))
    columns = np.empty(bounds[-1], dtype=np.int32)
    values = np.empty(bounds[-1], dtype=np.float32)
    place_pairs(lists, weights, bounds[:-1].copy(), columns, values)
    graph: csr_array = csr_array((values, columns, bounds), shape=(n, n))
    graph.sort_indices()
    return graph


def _check_lists(rows: ArrayLike) -> NDArray[np.int32]:
    """Return each cell's neighbours and itself, ascending ``(N, k + 1)``."""
    given = np.asarray(rows)
    if given.ndim != 2 or len(given) == 0 or not np.issubdtype(given.dtype, np.integer):
        msg = (
            "Neighbours must be whole numbers, cells x neighbours, for example (2,000, 15); found "
            f"shape {given.shape} of {given.dtype}."
        )
        raise ValueError(msg)
    n = len(given)
    if given.size and not 0 <= given.min() <= given.max() < n:
        msg = (
            f"Neighbours of {n:,} cells must be rows from 0 to {n - 1:,}; found "
            f"{given.min():,} to {given.max():,}."
        )
        raise ValueError(msg)
    lists = np.column_stack([given.astype(np.int32, copy=False), np.arange(n, dtype=np.int32)])
    lists.sort(axis=1)
    twice = (lists[:, 1:] == lists[:, :-1]).any(axis=1)
    if twice.any():
        row = int(np.argmax(twice))
        msg = (
            f"The neighbours of cell {row} are {given[row].tolist()}; each other cell may be "
            "named once, and the cell itself not at all."
        )
        raise ValueError(msg)
    return lists
