"""Cells into buckets, buckets into a graph, the graph into clusters that are still too many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from atlash.graph.buckets import assign, learn_centres
from atlash.graph.coarse import bucket_graph
from atlash.graph.modularity import best_run
from atlash.graph.neighbours import nearest
from atlash.graph.partition import leiden_runs, sweep
from atlash.graph.shared import shared_neighbours
from atlash.progress import n_threads_or_all

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from atlash.config import ClusterConfig
    from atlash.graph.neighbours import Neighbours
    from atlash.graph.partition import Sweep

RESOLUTIONS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0)
"""Those of the curve of stability."""
N_SEEDS = 5
"""Runs at each of them."""
N_PROBE, MAX_CANDIDATES = 32, 8192
"""Buckets around a cell's own, and most cells in them, among which its nearest are sought."""


@dataclass(frozen=True)
class Buckets:
    """Cells that lie together.

    Attributes
    ----------
    centres
        ``(n_buckets, n_axes)``, float32.
    of_cell
        Bucket of each cell ``(n,)``, int32.
    sizes
        Cells in each ``(n_buckets,)``, int64.
    """

    centres: NDArray[np.float32]
    of_cell: NDArray[np.int32]
    sizes: NDArray[np.int64]

    def seen_in(self, places: NDArray[np.float32]) -> Buckets:
        """Return the same buckets with the means of other places ``(n, n_axes)`` as centres."""
        total = np.zeros((len(self.sizes), places.shape[1]))
        np.add.at(total, self.of_cell, places.astype(np.float64))
        centres = (total / np.maximum(self.sizes, 1)[:, None]).astype(np.float32)
        return Buckets(centres, self.of_cell, self.sizes)


@dataclass(frozen=True)
class CellGraph:
    """Nearest cells, and how much they share.

    Attributes
    ----------
    neighbours
        Of each cell.
    weights
        Jaccard index of the neighbours of near cells ``(n, n)``, CSR float32, symmetric.
    """

    neighbours: Neighbours
    weights: csr_array


@dataclass(frozen=True)
class Partition:
    """Clusters of buckets.

    Attributes
    ----------
    runs
        Cluster of each bucket in each run of Leiden ``(n_runs, n_buckets)``, int32.
    labels
        Those of the best run ``(n_buckets,)``, int32.
    curve
        Stability over resolutions.
    """

    runs: NDArray[np.int32]
    labels: NDArray[np.int32]
    curve: Sweep


def into_buckets(Z: NDArray[np.float32], config: ClusterConfig) -> Buckets:
    """Put cells ``(n, n_axes)`` into buckets, each with a cell; few places are one each."""
    places = np.unique(Z, axis=0) if len(Z) <= config.n_buckets else None
    if places is None:
        centres = learn_centres(Z, config.n_buckets, random_state=0, n_threads=config.n_threads)
    else:
        centres = places
    nearest_centre = assign(Z, centres, n_threads=config.n_threads)
    filled, of_cell, sizes = np.unique(nearest_centre, return_inverse=True, return_counts=True)
    return Buckets(centres[filled], of_cell.astype(np.int32), sizes)


def join_cells(Z: NDArray[np.float32], buckets: Buckets, config: ClusterConfig) -> CellGraph:
    """Find the nearest cells of each cell ``(n, n_axes)``, and what they share."""
    found = nearest(
        Z,
        buckets.of_cell,
        buckets.centres,
        n_neighbors=max(1, min(config.n_neighbors, len(Z)) - 1),
        n_probe=N_PROBE,
        max_candidates=MAX_CANDIDATES,
        n_threads=config.n_threads,
    )
    return CellGraph(found, shared_neighbours(found.rows, n_threads=config.n_threads))


def divide(
    graph: CellGraph,
    buckets: Buckets,
    config: ClusterConfig,
    *,
    resolution: float,
    random_state: int,
) -> Partition:
    """Cluster the graph of buckets by modularity: the best of many runs."""
    coarse = bucket_graph(graph.weights, buckets.of_cell, len(buckets.centres))
    n_jobs = n_threads_or_all(config.n_threads)
    runs = leiden_runs(
        coarse,
        resolution,
        n_runs=config.n_runs,
        random_state=random_state,
        n_iterations=5,
        n_jobs=n_jobs,
    )
    curve = sweep(
        coarse,
        RESOLUTIONS,
        n_seeds=N_SEEDS,
        random_state=random_state,
        weights_of_nodes=buckets.sizes,
        n_jobs=n_jobs,
    )
    return Partition(runs, best_run(coarse, runs, resolution), curve)
