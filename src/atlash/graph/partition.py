"""Clusters of a weighted graph: runs of Leiden, and how stable they are."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from atlash.graph.agreement import agreement, check_counts
from atlash.graph.edges import edges_of
from atlash.graph.work import check_at_least

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray
    from scipy.sparse import csr_array

    from atlash.graph._leiden import LeidenGraph


class Sweep(NamedTuple):
    """Leiden over resolutions, several runs at each; a table by columns.

    Attributes
    ----------
    resolution
        ``(n_resolutions,)``, float64.
    n_clusters
        Median number of clusters over the runs ``(n_resolutions,)``, float64.
    stability
        Mean adjusted Rand index over pairs of runs, weighted by cells ``(n_resolutions,)``,
        float64; 1 where all runs agree.
    """

    resolution: NDArray[np.float64]
    n_clusters: NDArray[np.float64]
    stability: NDArray[np.float64]


def leiden_runs(
    graph: csr_array, resolution: float, *, n_runs: int, random_state: int, n_iterations: int = 2
) -> NDArray[np.int32]:
    """Cluster the nodes of a graph by modularity, with several seeds.

    Parameters
    ----------
    graph
        Symmetric weights ``(n, n)``, CSR, at least 0; the diagonal counts both ends, as
        :func:`atlash.graph.coarse.bucket_graph` gives it.
    resolution
        Above 0; 1 is plain modularity, and more gives more clusters.
    n_runs
        Runs, at least 1; fewer of them are the first of more.
    random_state
        What the seeds are drawn from. igraph's generator is global: it is replaced while Leiden
        runs and is Python's `random` afterwards, whatever it was before; no other thread should
        use igraph meanwhile.
    n_iterations
        Passes, at least 1.

    Returns
    -------
    Clusters ``(n_runs, n)``, int32, each run numbered by first appearance. Nodes without edges
    stay alone.

    Raises
    ------
    ValueError
        If the graph is not of the form above, or options are out of range.

    Notes
    -----
    Leiden (Traag, Waltman and van Eck 2019) on the constant Potts model, where a node weighs its
    strength and the resolution is divided by the sum of strengths: this is modularity, with what
    nodes have with themselves counted.
    """
    check_at_least("n_runs", n_runs, 1)
    check_at_least("n_iterations", n_iterations, 1)
    _check_resolution(resolution)
    ready = edges_of(graph).ready()
    return _runs(ready, resolution, seeds(random_state, n_runs), n_iterations=n_iterations)


def sweep(
    graph: csr_array,
    resolutions: Sequence[float],
    *,
    n_seeds: int,
    random_state: int,
    weights_of_nodes: ArrayLike | None = None,
) -> Sweep:
    """Run Leiden with several seeds at several resolutions.

    Parameters
    ----------
    graph
        As in :func:`leiden_runs`.
    resolutions
        At least one, each above 0.
    n_seeds
        Runs at each resolution, at least 2; the seeds are the same for all.
    random_state
        What the seeds are drawn from.
    weights_of_nodes
        Cells of each node ``(n,)``, whole numbers; ``None`` counts each node once.

    Returns
    -------
    Resolution, number of clusters and stability, in the order given.

    Raises
    ------
    ValueError
        As :func:`leiden_runs`, and if weights are no counts.
    """
    check_at_least("n_seeds", n_seeds, 2)
    edges = edges_of(graph)
    counts = check_counts(weights_of_nodes, len(edges.loops))
    if len(resolutions) == 0:
        msg = "A sweep needs at least one resolution, for example [0.5, 1, 2]; found none."
        raise ValueError(msg)
    for resolution in resolutions:
        _check_resolution(resolution)
    ready = edges.ready()
    drawn = seeds(random_state, n_seeds)
    n_clusters, stability = [], []
    for resolution in resolutions:
        runs = _runs(ready, resolution, drawn, n_iterations=2)
        n_clusters.append(np.median(runs.max(axis=1) + 1))
        stability.append(np.mean([agreement(a, b, counts) for a, b in combinations(runs, 2)]))
    return Sweep(
        np.array(resolutions, dtype=np.float64), np.array(n_clusters), np.array(stability)
    )


def seeds(random_state: int, n: int) -> list[int]:
    """Draw seeds for ``n`` runs; fewer of them are the first of more."""
    rng = np.random.default_rng(random_state)
    return [int(seed) for seed in rng.integers(0, 2**31, n)]


def _check_resolution(resolution: float) -> None:
    """Refuse a resolution that is not above 0."""
    if not 0 < resolution < np.inf:
        msg = f"The resolution must be a finite number above 0, for example 1; found {resolution}."
        raise ValueError(msg)


def _runs(
    ready: LeidenGraph, resolution: float, drawn: list[int], *, n_iterations: int
) -> NDArray[np.int32]:
    """Run Leiden once with each seed."""
    return np.stack(
        [ready.run(resolution, seed=seed, n_iterations=n_iterations) for seed in drawn]
    )
