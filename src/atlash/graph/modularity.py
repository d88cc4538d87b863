"""How good a partition of a graph is, and the best of several."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from atlash.graph.edges import edges_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from atlash.graph.edges import Edges

DIGITS = 12
"""Digits to which modularities are compared: what is left is rounding."""


def modularity(graph: csr_array, labels: NDArray[np.integer], resolution: float = 1.0) -> float:
    """Return the modularity of a partition (Newman and Girvan 2004; Reichardt and Bornholdt 2006).

    Parameters
    ----------
    graph
        Symmetric weights ``(n, n)``, CSR, at least 0; the diagonal counts both ends.
    labels
        Cluster of each node ``(n,)``, at least 0.
    resolution
        What the expected weight within clusters is multiplied with.

    Returns
    -------
    At most 1; 0 for a graph without weights.
    """
    return _modularity(edges_of(graph), labels, resolution)


def _modularity(edges: Edges, labels: NDArray[np.integer], resolution: float) -> float:
    """Return the modularity of a partition of a graph that was checked."""
    n = len(edges.loops)
    ends = np.bincount(edges.first, edges.weights, n) + np.bincount(edges.second, edges.weights, n)
    strengths = ends + edges.loops
    total = strengths.sum()
    if total == 0:
        return 0.0
    together = labels[edges.first] == labels[edges.second]
    inside = 2 * edges.weights[together].sum() + edges.loops.sum()
    expected = (np.bincount(labels, strengths) ** 2).sum() / total
    return float((inside - resolution * expected) / total)


def best_run(
    graph: csr_array, runs: NDArray[np.int32], resolution: float = 1.0
) -> NDArray[np.int32]:
    """Return the run of greatest modularity ``(n,)``, the first one among equals.

    Parameters
    ----------
    graph
        As for :func:`modularity`.
    runs
        Cluster of each node in each run ``(n_runs, n)``.
    resolution
        As for :func:`modularity`.
    """
    edges = edges_of(graph)
    quality = [round(_modularity(edges, run, resolution), DIGITS) for run in runs]
    best: NDArray[np.int32] = runs[int(np.argmax(quality))]
    return best
