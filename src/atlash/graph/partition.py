"""Clusters of a weighted graph: Leiden, how stable it is, and the consensus of many runs."""

from __future__ import annotations

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

KEPT_SHARE = 0.3
"""Share of runs that must join both ends of an edge if it is to stay in a consensus."""


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


def leiden(
    graph: csr_array, resolution: float, *, random_state: int, n_iterations: int = 2
) -> NDArray[np.int32]:
    """Cluster the nodes of a graph by modularity.

    Parameters
    ----------
    graph
        Symmetric weights ``(n, n)``, CSR, at least 0; the diagonal counts both ends, as
        :func:`atlash.graph.coarse.bucket_graph` gives it.
    resolution
        Above 0; 1 is plain modularity, and more gives more clusters.
    random_state
        Seed. igraph's generator is global: it is replaced while Leiden runs and is Python's
        `random` afterwards, whatever it was before; no other thread should use igraph meanwhile.
    n_iterations
        Passes, at least 1.

    Returns
    -------
    Clusters ``(n,)``, int32, numbered by first appearance. Nodes without edges stay alone.

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
    check_at_least("n_iterations", n_iterations, 1)
    ready = _ready(graph, resolution)
    seed = seeds(random_state, 1)[0]
    return ready.run(resolution, seed=seed, n_iterations=n_iterations)


def leiden_runs(
    graph: csr_array, resolution: float, *, n_runs: int, random_state: int, n_iterations: int = 2
) -> NDArray[np.int32]:
    """Run :func:`leiden` with several seeds.

    Parameters
    ----------
    graph, resolution
        As in :func:`leiden`.
    n_runs
        Runs, at least 1.
    random_state
        What the seeds are drawn from; the first run is that of :func:`leiden`.
    n_iterations
        As in :func:`leiden`.

    Returns
    -------
    Clusters ``(n_runs, n)``, int32, each run numbered by first appearance.

    Raises
    ------
    ValueError
        As :func:`leiden`.
    """
    check_at_least("n_runs", n_runs, 1)
    check_at_least("n_iterations", n_iterations, 1)
    ready = _ready(graph, resolution)
    return _runs(ready, resolution, seeds(random_state, n_runs), n_iterations=n_iterations)


def sweep(
    graph: csr_array,
    resolutions: Sequence[float],
    *,
    n_seeds: int,
    random_state: int,
    weights_of_nodes: ArrayLike | None = None,
) -> Sweep:
    """Run :func:`leiden` with several seeds at several resolutions.

    Parameters
    ----------
    graph
        As in :func:`leiden`.
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
        As :func:`leiden`, and if weights are no counts.
    """
    check_at_least("n_seeds", n_seeds, 2)
    edges = edges_of(graph)
    counts = check_counts(weights_of_nodes, len(edges.loops))
    if len(resolutions) == 0:
        msg = "A sweep needs at least one resolution, for example [0.5, 1, 2]; found none."
        raise ValueError(msg)
    for resolution in resolutions:
        _check_resolution(resolution)
    ready = edges.ready(edges.weights)
    drawn = seeds(random_state, n_seeds)
    n_clusters, stability = [], []
    for resolution in resolutions:
        runs = _runs(ready, resolution, drawn, n_iterations=2)
        agreed = _agreements(runs, counts)
        n_clusters.append(np.median(runs.max(axis=1) + 1))
        stability.append(agreed[np.triu_indices(n_seeds, 1)].mean())
    return Sweep(
        np.array(resolutions, dtype=np.float64), np.array(n_clusters), np.array(stability)
    )


def consensus(
    graph: csr_array,
    resolution: float,
    *,
    n_runs: int = 20,
    n_rounds: int = 5,
    random_state: int,
    weights_of_nodes: ArrayLike | None = None,
) -> NDArray[np.int32]:
    """Cluster the nodes of a graph by what many runs of Leiden agree on.

    After a round of runs the weight of an edge is multiplied by the share of runs that put both
    its ends together, and an edge with less than 0.3 of the runs is left out; another round runs
    on this graph, until all runs agree. Of the last round that run is taken which agrees best
    with the others, the first one among equals.

    Parameters
    ----------
    graph, resolution
        As in :func:`leiden`.
    n_runs
        Runs of a round, at least 1.
    n_rounds
        Greatest number of rounds, at least 1.
    random_state
        What the seeds are drawn from.
    weights_of_nodes
        Cells of each node ``(n,)``, whole numbers, by which agreement is weighed; ``None``
        counts each node once.

    Returns
    -------
    Clusters ``(n,)``, int32, numbered by first appearance.

    Raises
    ------
    ValueError
        As :func:`leiden`, and if weights are no counts.

    Notes
    -----
    Consensus clustering of Lancichinetti and Fortunato (2012), confined to the edges of the graph
    as in the fast version of Tandon et al. (2019). Shares multiply the weights given, not those
    of the round before, so that an edge can come back.
    """
    check_at_least("n_runs", n_runs, 1)
    check_at_least("n_rounds", n_rounds, 1)
    _check_resolution(resolution)
    edges = edges_of(graph)
    counts = check_counts(weights_of_nodes, len(edges.loops))
    drawn = seeds(random_state, n_runs * n_rounds)
    weights = edges.weights
    for start in range(0, n_runs * n_rounds, n_runs):
        ready = edges.ready(weights)
        runs = _runs(ready, resolution, drawn[start : start + n_runs], n_iterations=2)
        if (runs == runs[0]).all():
            break
        share = (runs[:, edges.first] == runs[:, edges.second]).mean(axis=0)
        weights = np.where(share >= KEPT_SHARE, share, 0) * edges.weights
    agreed = _agreements(runs, counts)
    best: NDArray[np.int32] = runs[np.argmax(agreed.sum(axis=1))].copy()
    return best


def seeds(random_state: int, n: int) -> list[int]:
    """Draw seeds for ``n`` runs; fewer of them are the first of more."""
    rng = np.random.default_rng(random_state)
    return [int(seed) for seed in rng.integers(0, 2**31, n)]


def _ready(graph: csr_array, resolution: float) -> LeidenGraph:
    """Return a graph as Leiden takes it, checked."""
    _check_resolution(resolution)
    edges = edges_of(graph)
    return edges.ready(edges.weights)


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


def _agreements(runs: NDArray[np.int32], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the agreement of each two runs ``(n_runs, n_runs)``."""
    table = np.ones((len(runs), len(runs)))
    for i in range(len(runs)):
        for j in range(i):
            table[i, j] = table[j, i] = agreement(runs[i], runs[j], counts)
    return table
