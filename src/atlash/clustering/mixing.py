"""How well batches are mixed, and what that cost: measures that need no labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from atlash.errors import EmptyInputError, InvalidValuesError
from atlash.graph.neighbours import nearest

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

LEVEL = 0.05
"""Level of the test of a cell's neighbours."""
MAX_OF_BATCH = 5000
"""Cells of a batch among which neighbours are compared before and after."""
MAX_CELLS = 10_000
"""Cells that are looked at to tell what a correction did."""
N_NEAR = 50
"""Nearest cells in which batches are counted."""
LEAST_OF_BATCH = 3
"""Cells of a batch from which neighbours in it can be compared."""


class Mixing(NamedTuple):
    """How the batches of near cells compare with those of all.

    Attributes
    ----------
    ilisi
        Inverse Simpson index of the batches among a cell's nearest, scaled so that 0 is one batch
        and 1 all batches alike, averaged over cells: iLISI (Korsunsky et al. 2019) with equal
        weights, scaled as Luecken et al. (2022) do. Batches of unequal size stay below 1.
    entropy
        Entropy of the batches among a cell's nearest over that of all cells' batches, averaged;
        0 is one batch, about 1 what chance mixes.
    kbet
        Share of cells whose nearest hold batches as all cells do, by a chi-squared test at 5 %:
        the acceptance rate of kBET (Büttner et al. 2019), over all cells.
    """

    ilisi: float
    entropy: float
    kbet: float


class Integration(NamedTuple):
    """What bringing batches together did.

    Attributes
    ----------
    before, after
        How batches mix.
    kept_neighbours
        Share of each cell's nearest cells of its own batch that stay so; see
        :func:`kept_neighbours`.
    n_cells
        Cells that were looked at.
    """

    before: Mixing
    after: Mixing
    kept_neighbours: float
    n_cells: int


def integration(
    before: NDArray[np.float32],
    after: NDArray[np.float32],
    batches: NDArray[np.integer],
    *,
    n_threads: int | None = None,
) -> Integration | None:
    """Measure what bringing batches together did, on at most 10,000 cells.

    Parameters
    ----------
    before, after
        Places of the same cells ``(N, d)``, in no order that tells of them: of more than 10,000,
        evenly spaced ones are looked at.
    batches
        Batch of each cell ``(N,)``, whole numbers from 0 on.
    n_threads
        Threads; ``None`` takes all cores. They do not change the result.

    Returns
    -------
    The figures; ``None`` unless two batches have three of the cells each.
    """
    rows = _evenly(len(batches), MAX_CELLS)
    old, new, of_cell = before[rows], after[rows], batches[rows]
    if (np.bincount(of_cell) >= LEAST_OF_BATCH).sum() < 2:
        return None
    was, mixed = (
        mixing(nearest(places, n_neighbors=N_NEAR, n_threads=n_threads).rows, of_cell)
        for places in (old, new)
    )
    kept = kept_neighbours(old, new, of_cell, n_threads=n_threads)
    return Integration(was, mixed, kept, len(rows))


def mixing(neighbours: NDArray[np.integer], batches: ArrayLike) -> Mixing:
    """Measure how batches mix among nearest cells.

    Types that not all batches hold cannot mix: only figures of the same cells compare.

    Parameters
    ----------
    neighbours
        Rows of the nearest other cells of each ``(N, k)``; see
        :func:`atlash.graph.neighbours.nearest`.
    batches
        Batch of each cell ``(N,)``, whole numbers from 0 on.

    Raises
    ------
    EmptyInputError
        If there is no cell, or cells have no neighbour.
    InvalidValuesError
        If there is one batch only.
    """
    from scipy.stats import chi2

    if neighbours.size == 0:
        msg = "There are no neighbours to look at; give rows of at least one for each cell."
        raise EmptyInputError(msg)
    of_cell = np.unique(np.asarray(batches), return_inverse=True)[1]
    sizes = np.bincount(of_cell)
    if len(sizes) < 2:
        msg = "All cells are of one batch, and mixing is of two or more; give `batches` of more."
        raise InvalidValuesError(msg)
    n_near = neighbours.shape[1]
    simpson, entropy, statistic = (np.zeros(len(neighbours)) for _ in range(3))
    near = of_cell[neighbours]
    for number, expected in enumerate(sizes / sizes.sum()):
        share = (near == number).mean(axis=1)
        simpson += share**2
        entropy -= share * np.log(np.where(share > 0, share, 1))
        statistic += n_near * (share - expected) ** 2 / expected
    expected = sizes / sizes.sum()
    return Mixing(
        float((1 / simpson - 1).mean() / (len(sizes) - 1)),
        float(entropy.mean() / -(expected * np.log(expected)).sum()),
        float((statistic <= chi2.ppf(1 - LEVEL, len(sizes) - 1)).mean()),
    )


def kept_neighbours(
    before: NDArray[np.float32],
    after: NDArray[np.float32],
    batches: ArrayLike,
    *,
    n_neighbors: int = 15,
    n_threads: int | None = None,
) -> float:
    """Return the share of each cell's nearest cells of its own batch that a correction keeps.

    Of a batch with more than 5,000 cells so many are looked at, evenly spaced.

    Parameters
    ----------
    before, after
        Places of the same cells ``(N, d)``, each finite; axes may differ.
    batches
        Batch of each cell ``(N,)``.
    n_neighbors
        Nearest cells that are compared, at least 1; fewer in small batches.
    n_threads
        Threads; ``None`` takes all cores.

    Returns
    -------
    In [0, 1], averaged over cells; batches of one or two cells do not count.

    Raises
    ------
    EmptyInputError
        If no batch has three cells.
    """
    kept, n = 0.0, 0
    of_cell = np.asarray(batches)
    for batch in np.unique(of_cell):
        rows = np.flatnonzero(of_cell == batch)
        rows = rows[_evenly(len(rows), MAX_OF_BATCH)]
        if len(rows) < LEAST_OF_BATCH:
            continue
        k = min(n_neighbors, len(rows) - 2)
        old, new = (
            nearest(places[rows], n_neighbors=k, n_threads=n_threads).rows
            for places in (before, after)
        )
        kept += sum(len(np.intersect1d(a, b)) for a, b in zip(old, new, strict=True)) / k
        n += len(rows)
    if n == 0:
        msg = "No batch has three cells, which it takes to compare neighbours; give more cells."
        raise EmptyInputError(msg)
    return kept / n


def _evenly(n: int, most: int) -> NDArray[np.int64]:
    """Return at most so many of ``n`` places, evenly spaced."""
    return np.linspace(0, n - 1, min(n, most)).astype(np.int64)
