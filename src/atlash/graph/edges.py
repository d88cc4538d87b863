"""The edges of a graph, checked, each once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from atlash.graph._leiden import LeidenGraph


class Edges(NamedTuple):
    """The edges of a graph, each once, ``(n_edges,)``, and what its nodes have with themselves.

    Attributes
    ----------
    first, second
        Ends, the first one lower, int32.
    weights
        Float64, at least 0.
    loops
        Diagonal of the graph ``(n_nodes,)``, float64.
    """

    first: NDArray[np.int32]
    second: NDArray[np.int32]
    weights: NDArray[np.float64]
    loops: NDArray[np.float64]

    def ready(self) -> LeidenGraph:
        """Return the edges that weigh something as Leiden takes them."""
        from atlash.graph._leiden import LeidenGraph  # igraph: imported when needed

        kept = self.weights > 0
        return LeidenGraph(
            len(self.loops),
            first=self.first[kept],
            second=self.second[kept],
            weights=self.weights[kept],
            loops=self.loops,
        )


def is_symmetric(graph: csr_array) -> bool:
    """Tell whether a square graph has the same weights from both ends, to the last bit."""
    return not (graph - graph.T.tocsr()).data.any()


def edges_of(graph: csr_array) -> Edges:
    """Return the edges of a graph, checked.

    Raises
    ------
    ValueError
        If it is no symmetric CSR matrix of finite weights of at least 0, or has no node.
    """
    from scipy.sparse import triu

    if getattr(graph, "format", None) != "csr" or graph.shape[0] != graph.shape[1]:
        found = getattr(graph, "format", type(graph).__name__)
        msg = (
            f"A graph must be a square sparse array of format csr; found {found} of shape "
            f"{getattr(graph, 'shape', None)}."
        )
        raise ValueError(msg)
    if graph.shape[0] == 0:
        msg = "The graph has no node; at least one is needed."
        raise ValueError(msg)
    if graph.nnz and not (graph.data.min() >= 0 and np.isfinite(graph.data.max())):
        msg = (
            "Weights must be finite and at least 0; found "
            f"{graph.data.min()} to {graph.data.max()}."
        )
        raise ValueError(msg)
    if not is_symmetric(graph):
        msg = "The graph is not symmetric; give for example `graph.maximum(graph.T)`."
        raise ValueError(msg)
    upper = triu(graph, 1, format="coo")
    first, second = (ends.astype(np.int32) for ends in upper.coords)
    loops = graph.diagonal().astype(np.float64)
    return Edges(first, second, upper.data.astype(np.float64), loops)
