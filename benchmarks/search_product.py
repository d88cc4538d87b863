"""Search as users get it, for the benchmark of its quality: built, then asked, ids taken in order.

Everything is learned from a task's training cells: the query never meets the builder. What is
found is checked against the codes themselves, so that no other ranking can pass for this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks import product
from benchmarks.peers.codes import Embedded, signs
from benchmarks.retrieval import DEPTHS, N_NEIGHBOURS
from benchmarks.search_limits import ALL_RANKED, ANCHOR_BITS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from benchmarks.tasks import Task

LARGEST_ERROR = 1e-3
"""Of a distance that was found, in bits: sums of floats differ by their order."""


class Product:
    """A reference built from the training cells of a task, and its answers to the test cells.

    Parameters
    ----------
    task
        The split; ids of its training cells are unique.
    seed
        Of learning.
    """

    def __init__(self, task: Task, seed: int) -> None:
        self.task = task
        self.query = task.test
        self.reference = product.build(task.train, task.batch_key, seed=seed)
        self.ids = pd.Index(task.cells.obs_names[task.train_rows])
        self.n_anchor = self.reference.annotator.n_bits
        bits = product.bits_of(self.query, self.reference)
        self.total = bits.weights.sum()
        self.ranked = Embedded(bits.expected * bits.weights, bits.reference)

    def codes(self) -> dict[str, Embedded]:
        """Return what the codes give when every training cell is ranked by them."""
        anchor = slice(self.n_anchor)
        parts = Embedded(self.ranked.query[:, anchor], self.ranked.reference[:, anchor])
        return {ALL_RANKED: self.ranked, ANCHOR_BITS: signs(parts)}

    def nearest(self) -> tuple[NDArray[np.int64], dict[str, float]]:
        """Search among all cells, 100 for each query.

        Returns
        -------
        Training cells in the order found ``(n_query, 100)``, and the share of the places at
        which they are as near as when every cell is ranked: the rest is what the short list
        costs.
        """
        found = self._found(slice(None), max(DEPTHS), None)
        distances = self._distances(slice(None))
        ours = np.take_along_axis(distances, found, axis=1)
        best = np.sort(distances, axis=1)[:, : max(DEPTHS)]
        return found, {"as_near_as_all_ranked": float((ours <= best + LARGEST_ERROR).mean())}

    def inside_types(
        self, members: Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]]
    ) -> list[NDArray[np.int64]]:
        """Search type by type, with the type as the condition, 50 for each query.

        Parameters
        ----------
        members
            Test and training cells of each type, as rows.

        Returns
        -------
        For each type, places among its training cells in the order found ``(n_query, 50)``.
        """
        nearest = []
        for query, reference in members:
            name = str(self.task.labels[reference[0]]).replace("'", "''")
            found = self._found(query, N_NEIGHBOURS, f"label = '{name}'")
            places = np.searchsorted(reference, found)
            if not np.array_equal(reference[places], found):
                msg = f"A search for {name!r} found cells of another type."
                raise ValueError(msg)
            nearest.append(places)
        return nearest

    def _found(
        self, query: NDArray[np.int64] | slice, k: int, where: str | None
    ) -> NDArray[np.int64]:
        """Return training cells by the ids that a search gives, its distances checked."""
        hits = product.search(self.query[query].copy(), self.reference, k, where=where)
        ids = hits.to_pandas(["cell_id"])["cell_id"]
        found = self.ids.get_indexer(ids).reshape(-1, k)
        given = hits.scores.reshape(found.shape)
        true = np.take_along_axis(self._distances(query), found, axis=1)
        if (found < 0).any() or np.abs(given - true).max() > LARGEST_ERROR:
            msg = f"What a search found in {self.task.name} is not what its codes say."
            raise ValueError(msg)
        return found

    def _distances(self, query: NDArray[np.int64] | slice) -> NDArray[np.float32]:
        """Return the expected distances of queries and all training cells, in bits."""
        products = self.ranked.query[query] @ self.ranked.reference.T
        return np.asarray((self.total - products) / 2)
