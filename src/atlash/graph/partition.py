"""Clusters of a weighted graph: runs of Leiden, and how stable they are.

igraph holds Python's lock, so that threads do not help: many runs on a large graph are dealt out
over processes.
"""

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

    from atlash.graph.edges import Edges

MIN_WORK = 4_000_000
"""Edges times runs from which processes gain more than their start takes."""
IDLE_SECONDS = 10
"""After which a process that has nothing to do ends."""


class Run(NamedTuple):
    """One run of Leiden."""

    resolution: float
    seed: int
    n_iterations: int


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
    graph: csr_array,
    resolution: float,
    *,
    n_runs: int,
    random_state: int,
    n_iterations: int = 2,
    n_jobs: int = 1,
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
    n_jobs
        Processes, where the work is worth their start; the clusters are the same for any number.

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
    check_at_least("n_jobs", n_jobs, 1)
    _check_resolution(resolution)
    wanted = [Run(resolution, seed, n_iterations) for seed in seeds(random_state, n_runs)]
    return _all(edges_of(graph), wanted, n_jobs)


def sweep(
    graph: csr_array,
    resolutions: Sequence[float],
    *,
    n_seeds: int,
    random_state: int,
    weights_of_nodes: ArrayLike | None = None,
    n_jobs: int = 1,
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
    n_jobs
        As in :func:`leiden_runs`.

    Returns
    -------
    Resolution, number of clusters and stability, in the order given.

    Raises
    ------
    ValueError
        As :func:`leiden_runs`, and if weights are no counts.
    """
    check_at_least("n_seeds", n_seeds, 2)
    check_at_least("n_jobs", n_jobs, 1)
    edges = edges_of(graph)
    counts = check_counts(weights_of_nodes, len(edges.loops))
    if len(resolutions) == 0:
        msg = "A sweep needs at least one resolution, for example [0.5, 1, 2]; found none."
        raise ValueError(msg)
    for resolution in resolutions:
        _check_resolution(resolution)
    drawn = seeds(random_state, n_seeds)
    wanted = [Run(resolution, seed, 2) for resolution in resolutions for seed in drawn]
    n_clusters, stability = [], []
    for runs in np.split(_all(edges, wanted, n_jobs), len(resolutions)):
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


def _all(edges: Edges, wanted: list[Run], n_jobs: int) -> NDArray[np.int32]:
    """Return the clusters of each run ``(n_runs, n)``, dealt out over processes if that pays."""
    if n_jobs == 1 or len(edges.first) * len(wanted) < MIN_WORK:
        return _each(edges, wanted)
    from joblib import Parallel, delayed

    shares = [wanted[job::n_jobs] for job in range(min(n_jobs, len(wanted)))]
    # no memory maps: the edges are few megabytes, and files of them could be left behind
    pool = Parallel(len(shares), max_nbytes=None, idle_worker_timeout=IDLE_SECONDS)
    found = pool(delayed(_each)(edges, share) for share in shares)
    runs = np.empty((len(wanted), len(edges.loops)), dtype=np.int32)
    for job, own in enumerate(found):
        runs[job::n_jobs] = own
    return runs


def _each(edges: Edges, wanted: list[Run]) -> NDArray[np.int32]:
    """Run Leiden as often as wanted, one run after the other."""
    ready = edges.ready()
    return np.stack(
        [ready.run(run.resolution, seed=run.seed, n_iterations=run.n_iterations) for run in wanted]
    )
