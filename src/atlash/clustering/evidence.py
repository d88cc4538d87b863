"""Cells by which clusters are compared: some of each, so that rare ones have a say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from atlash.clustering.distinct import Evidence, shared_variance
from atlash.clustering.sketch import join, keep, keys_of
from atlash.data.parallel import ordered_map
from atlash.progress import n_threads_or_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from atlash.clustering.places import Places
    from atlash.clustering.sketch import Sketch
    from atlash.config import ClusterConfig
    from atlash.data.normalize import BoundSource

    Halves = tuple[NDArray[np.float64], NDArray[np.float64]]
    Move = Callable[[NDArray[np.float32], NDArray[np.int64]], NDArray[np.float32]]

MAX_OF_CLUSTER = 2000
"""Most cells of a cluster by which it is compared with others."""


def gather(
    bound: BoundSource,
    cells: tuple[NDArray[np.int64], NDArray[np.int32]],
    on_axes: Places,
    *,
    everyone: Sketch,
    config: ClusterConfig,
    move: Move | None = None,
) -> tuple[Evidence, NDArray[np.int32]]:
    """Read some cells of each cluster again, and deal their counts into halves.

    Parameters
    ----------
    bound
        The cells.
    cells
        Rows of the source, each once, and their clusters ``(n,)``; where a cluster has too many
        cells, those are taken that stand at even distances in this order.
    on_axes
        What brings them onto axes.
    everyone
        A fair sample of all cells, by which the shared variance is measured.
    config
        Options.
    move
        What takes off what batches add: given places ``(n, n_axes)`` and rows of the source
        ``(n,)``, it returns the places after. ``None`` leaves all where it is.

    Returns
    -------
    The evidence, and the cluster of each of its cells.
    """
    picked = _some_of_each(cells[1])
    order = np.argsort(cells[0][picked])
    rows, labels = cells[0][picked][order], cells[1][picked][order]
    size = config.chunk_size
    parts = []
    for start in range(0, len(rows), size):
        part = bound.rows(rows[start : start + size])
        everything = np.ones(part.X.shape[0], dtype=np.bool_)
        parts.append(keep(bound, part, key=keys_of(part.X), chosen=everything))
    few = join(parts)
    moved = move or _left

    def of_split(split: int) -> tuple[Halves, float]:
        everyones = _halves(everyone, on_axes, split, moved)
        return _halves(few, on_axes, split, moved), shared_variance(*everyones)

    n_threads = n_threads_or_all(config.n_threads)
    splits = list(ordered_map(of_split, range(config.n_splits), n_threads=n_threads))
    halves, shared = [split[0] for split in splits], [split[1] for split in splits]
    places = moved(on_axes.of(few.logged), few.rows).astype(np.float64)
    evidence = Evidence(few.rows, places, halves, float(np.mean(shared)))
    return evidence, labels[np.searchsorted(rows, few.rows)]


def _halves(cells: Sketch, on_axes: Places, split: int, move: Move) -> Halves:
    first, second = (move(half, cells.rows) for half in cells.halves(on_axes, split))
    return first.astype(np.float64), second.astype(np.float64)


def _left(places: NDArray[np.float32], _: NDArray[np.int64]) -> NDArray[np.float32]:
    """Leave cells where they are."""
    return places


def _some_of_each(labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the places of at most 2,000 cells of each cluster, evenly spaced."""
    order = np.argsort(labels, kind="stable")
    picked = []
    for members in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
        n = min(MAX_OF_CLUSTER, len(members))
        picked.append(members[np.arange(n) * len(members) // n])
    return np.concatenate(picked)
