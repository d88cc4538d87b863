"""A graph in the form that igraph takes, and Leiden on it; imported on first use."""

from __future__ import annotations

import random
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

import igraph
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_GENERATOR = Lock()


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Let igraph draw from a generator of its own while the block runs.

    igraph has one generator for the whole process, and none tells which it is. Afterwards it is
    Python's `random`, as after igraph's import; one that a program had set is lost. The state of
    `random` itself is not touched. The lock keeps atlash's own threads apart.
    """
    with _GENERATOR:
        igraph.set_random_number_generator(random.Random(seed))
        try:
            yield
        finally:
            igraph.set_random_number_generator(random)


class LeidenGraph:
    """Edges of a symmetric graph and the weights of its nodes, made once for many runs.

    Parameters
    ----------
    n_nodes
        Number of nodes.
    first, second
        Ends of each edge ``(n_edges,)``, each edge once.
    weights
        Of the edges ``(n_edges,)``, above 0.
    loops
        Weight of each node with itself, counted from both ends ``(n_nodes,)``.
    """

    def __init__(
        self,
        n_nodes: int,
        *,
        first: NDArray[np.int32],
        second: NDArray[np.int32],
        weights: NDArray[np.float64],
        loops: NDArray[np.float64],
    ) -> None:
        strengths = (
            np.bincount(first, weights, n_nodes) + np.bincount(second, weights, n_nodes) + loops
        )
        self.total = float(strengths.sum())
        self.weights = weights.tolist()
        self.strengths = strengths.tolist()
        edges = list(zip(first.tolist(), second.tolist(), strict=True))
        self.graph = igraph.Graph(n_nodes, edges)

    def run(self, resolution: float, *, seed: int, n_iterations: int) -> NDArray[np.int32]:
        """Return the cluster of each node ``(n_nodes,)``, numbered by first appearance."""
        if not self.weights:
            return np.arange(len(self.strengths), dtype=np.int32)
        with _seeded(seed):
            found = self.graph.community_leiden(
                "CPM",
                weights=self.weights,
                node_weights=self.strengths,
                resolution=resolution / self.total,
                n_iterations=n_iterations,
            )
        return by_first_appearance(np.array(found.membership))


def by_first_appearance(labels: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return labels numbered in the order in which they first appear, int32."""
    _, first, which = np.unique(labels, return_index=True, return_inverse=True)
    numbers = np.empty(len(first), dtype=np.int32)
    numbers[np.argsort(first)] = np.arange(len(first), dtype=np.int32)
    return numbers[which]
