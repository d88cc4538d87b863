"""The nearest cells of each cell, among those of the buckets around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from atlash.graph.blocks import all_with_all, within_buckets
from atlash.graph.work import as_places, check_at_least, check_buckets, run_spans
from atlash.progress import n_threads_or_all

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from atlash.graph.blocks import Blocks
    from atlash.graph.work import Span

LEAST_CANDIDATES = 4096
"""Candidates up to which further buckets are probed; small buckets alone would miss neighbours."""
SHARES_A_THREAD = 8


class Neighbours(NamedTuple):
    """The nearest other cells of ``N`` cells.

    Attributes
    ----------
    rows
        Their rows ``(N, k)``, int32, in order of (distance, row).
    squared_distances
        ``(N, k)``, float32, ascending.
    """

    rows: NDArray[np.int32]
    squared_distances: NDArray[np.float32]


def nearest(
    Z: ArrayLike,
    bucket: ArrayLike | None = None,
    centres: ArrayLike | None = None,
    *,
    n_neighbors: int = 15,
    n_probe: int = 64,
    max_candidates: int = 16_384,
    n_threads: int | None = None,
) -> Neighbours:
    """Find the nearest cells of each cell among those of the buckets around it.

    A cell is compared with the cells of the buckets whose centres are nearest to the centre of
    its own bucket, at most ``max_candidates`` of them. Up to as many cells in all, and without
    buckets, all cells are compared with all, and the result is exact. Ties go to the lower row.
    Where a bucket is taken in part, the order of the cells tells which of them.

    Parameters
    ----------
    Z
        Places of cells ``(N, d)``, finite.
    bucket
        Bucket of each cell ``(N,)``, whole numbers in ``[0, n_buckets)``; ``None`` compares all
        with all.
    centres
        Centres of the buckets ``(n_buckets, d)``; needed where there are buckets.
    n_neighbors
        Neighbours wanted, at least 1; all others where there are fewer.
    n_probe
        Buckets with cells that are probed, the own one among them, at least 1. Further ones are
        probed until there are 4,096 candidates.
    max_candidates
        Greatest number of cells that a cell is compared with, more than ``n_neighbors``. A bucket
        with more cells is cut along its widest axis.
    n_threads
        Threads; ``None`` takes all cores. They do not change the result.

    Returns
    -------
    Rows and squared distances ``(N, min(n_neighbors, N - 1))``, the cell itself not among them.

    Raises
    ------
    ValueError
        If shapes or options are out of range.
    EmptyInputError
        If there is no cell.
    InvalidValuesError
        If an entry is NaN or infinite.
    """
    places = as_places(Z)
    check_at_least("n_neighbors", n_neighbors, 1)
    check_at_least("n_probe", n_probe, 1)
    check_at_least("max_candidates", max_candidates, n_neighbors + 1)
    n = len(places)
    blocks = all_with_all(n)
    if bucket is not None:
        middles = _check_centres(centres, places.shape[1])
        cells = check_buckets(bucket, n, len(middles))
        if n > max_candidates:
            least = max(min(LEAST_CANDIDATES, max_candidates), n_neighbors + 1)
            blocks = within_buckets(
                places, cells, middles, n_probe=n_probe, least=least, most=max_candidates
            )
    return _search(places, blocks, min(n_neighbors, n - 1), n_threads)


def _check_centres(centres: ArrayLike | None, n_axes: int) -> NDArray[np.float32]:
    """Return the centres, checked."""
    if centres is None:
        msg = "Buckets need their centres; give `centres`, or `bucket=None` to compare all cells."
        raise ValueError(msg)
    middles = as_places(centres, what="centres")
    if middles.shape[1] != n_axes:
        msg = (
            f"Cells have {n_axes} axes and centres {middles.shape[1]}; both must lie in one "
            "space. Give the places that the centres were learned from."
        )
        raise ValueError(msg)
    return middles


def _search(
    places: NDArray[np.float32], blocks: Blocks, k: int, n_threads: int | None
) -> Neighbours:
    """Run all blocks."""
    from atlash.graph._neighbours import search_blocks  # numba: imported when needed
    from atlash.graph._tiles import padded

    rows, bits = (np.empty((len(places), k), dtype=np.int32) for _ in range(2))
    if k == 0:
        return Neighbours(rows, bits.view(np.float32))
    threads = n_threads_or_all(n_threads)
    ordered = padded(places[blocks.order])
    n_most = int(blocks.n_candidates.max())

    def work(share: Span) -> None:
        search_blocks(
            ordered, blocks.order, blocks.queries, blocks.bounds, blocks.spans, share, n_most,
            rows, bits,
        )  # fmt: skip

    run_spans(work, blocks.shares(SHARES_A_THREAD * threads), threads)
    return Neighbours(rows, bits.view(np.float32))
