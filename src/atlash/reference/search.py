"""Finding the cells of a reference whose codes are near to given ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from atlash.codes import buckets, scan
from atlash.codes.pack import as_words, pack
from atlash.codes.planes import take
from atlash.codes.rerank import ascending, expected_distances
from atlash.reference.found import Asked, Found
from atlash.reference.planes import load_planes, word_aligned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.codes.buckets import Buckets
    from atlash.codes.planes import Planes
    from atlash.config import SearchConfig, SearchMethod
    from atlash.reference.cells import CellTable

__all__ = ["ANCHOR_WEIGHT", "Asked", "Found", "SearchIndex"]

SHORT_LIST, LEAST_SHORT_LIST = 4, 200
"""Cells ranked again for each one wanted, and the least number of them."""
ANCHOR_WEIGHT = 2.0
"""Of an anchor bit in expected distances: the best of 1, 2 and 3 on development data."""


@dataclass(frozen=True)
class SearchIndex:
    """The codes of a reference, ready to be searched.

    Parameters
    ----------
    cells
        The reference's cells.
    anchors
        One row of -1 and +1 a type ``(n_types, n_anchor_bits)``, int8.
    """

    cells: CellTable
    anchors: NDArray[np.int8]

    @property
    def n_anchor_bytes(self) -> int:
        """Bytes of a code that tell the type; the others are detail."""
        return int(self.anchors.shape[1]) // 8

    @cached_property
    def planes(self) -> Planes:
        """All codes ``(n_words, n_cells)``, each part padded to whole words."""
        return load_planes(self.cells, self.n_anchor_bytes)

    @cached_property
    def buckets(self) -> Buckets:
        """All codes sorted by the nearest of learned centres."""
        return buckets.make_buckets(self.planes)

    @cached_property
    def anchor_buckets(self) -> Buckets:
        """All codes sorted by the nearest anchor."""
        packed = pack(self.anchors > 0)
        centres = np.zeros((len(packed), 8 * len(self.planes)), dtype=np.uint8)
        centres[:, : packed.shape[1]] = packed
        weights = [1] * self._n_anchor_words + [0] * self._n_detail_words
        return buckets.make_buckets(self.planes, centres=centres, part_weights=weights)

    def nearest(
        self,
        asked: Asked,
        k: int,
        *,
        among: NDArray[np.int64] | None,
        config: SearchConfig,
        radius: int | None = None,
    ) -> Found:
        """Find the k nearest cells of each query.

        Ties go to the cell that differs in fewer bits, then to the earlier one.

        Parameters
        ----------
        asked
            The queries.
        k
            Cells wanted for each, at least 1; fewer are found where there are fewer.
        among
            Ascending positions of the cells that may be found; ``None`` for all.
        config
            Ranking, method and threads.
        radius
            Greatest distance in bits; ``None`` for any.
        """
        if radius is not None and config.ranking == "anchor-first":
            # what it puts first may lie outside, and all that is inside behind
            return self.within(asked, radius, among=among, config=config).first(k)
        short = config.ranking == "asymmetric"
        n_cells = self.cells.n_rows if among is None else len(among)
        wanted = min(max(SHORT_LIST * k, LEAST_SHORT_LIST) if short else k, max(n_cells, 1))
        queries = word_aligned(asked.codes, self.n_anchor_bytes)
        method = self._method(len(queries), config, filtered=among is not None)
        rows, scanned = self._look(queries, wanted, (method, config), among)
        filled = rows >= 0
        bounds = np.concatenate([[0], np.cumsum(filled.sum(axis=1))]).astype(np.int64)
        places = rows[filled] if among is None else among[rows[filled]]
        distances = self._differing(queries, bounds, places, slice(None))
        found = Found(bounds, places, distances, distances.astype(np.float32), method, scanned)
        if radius is not None:
            found = found.only(distances <= radius)
        return self._ranked(asked, found, config).first(k)

    def within(
        self,
        asked: Asked,
        radius: int,
        *,
        among: NDArray[np.int64] | None,
        config: SearchConfig,
    ) -> Found:
        """Find all cells that differ from each query in at most ``radius`` bits.

        Other parameters are those of :meth:`nearest`.
        """
        queries = word_aligned(asked.codes, self.n_anchor_bytes)
        planes = self.planes if among is None else take(self.planes, among)
        bounds, rows, distances = scan.within(queries, planes, radius, n_threads=config.n_threads)
        places = rows if among is None else among[rows]
        found = Found(bounds, places, distances, distances.astype(np.float32), "flat", 1.0)
        return self._ranked(asked, found, config)

    def count_within(
        self,
        asked: Asked,
        radius: int,
        groups: NDArray[np.int32],
        *,
        n_groups: int,
        config: SearchConfig,
    ) -> NDArray[np.int64]:
        """Count the cells that differ in at most ``radius`` bits, group by group.

        Parameters
        ----------
        asked
            The queries.
        radius
            Greatest distance in bits.
        groups
            Group of each cell of the reference ``(n_cells,)``, int32; -1 is counted nowhere.
        n_groups
            Number of groups.
        config
            Threads.

        Returns
        -------
        ``(q, n_groups)`` int64.
        """
        queries = word_aligned(asked.codes, self.n_anchor_bytes)
        return scan.count_within(
            queries,
            self.planes,
            radius,
            groups=groups,
            n_groups=n_groups,
            n_threads=config.n_threads,
        )

    @property
    def _n_anchor_words(self) -> int:
        return -(-self.n_anchor_bytes // 8)

    @property
    def _n_detail_words(self) -> int:
        return len(self.planes) - self._n_anchor_words

    def _method(self, n_queries: int, config: SearchConfig, *, filtered: bool) -> SearchMethod:
        """Choose how to search: by buckets only if they are asked for, or at hand and faster."""
        if config.method == "anchor-walk" or (config.method == "pruned" and not filtered):
            return config.method
        made = self.__dict__.get("buckets")
        if config.method == "flat" or filtered or made is None:
            return "flat"
        return buckets.choose_method(
            self.cells.n_rows, n_queries, n_centres=len(made.centres), expected=made.expected
        )

    def _look(
        self,
        queries: NDArray[np.uint8],
        k: int,
        how: tuple[SearchMethod, SearchConfig],
        among: NDArray[np.int64] | None,
    ) -> tuple[NDArray[np.int64], float]:
        """Return the rows of the k nearest among all or some cells, and the share looked at."""
        method, config = how
        weights = None
        if config.ranking == "anchor-first" and self._n_detail_words:
            above = 64 * self._n_detail_words + 1  # no number of detail bits outweighs one
            weights = [above] * self._n_anchor_words + [1] * self._n_detail_words
        if method == "flat":
            planes = self.planes if among is None else take(self.planes, among)
            found = scan.nearest(
                queries, planes, k, part_weights=weights, n_threads=config.n_threads
            )
            return found.rows, 1.0
        made = self.buckets if method == "pruned" else self._walked(among)
        look = buckets.nearest if method == "pruned" else buckets.anchor_walk
        pruned = look(queries, made, k, part_weights=weights, n_threads=config.n_threads)
        return pruned.rows, float(pruned.scanned.mean()) if len(queries) else 0.0

    def _walked(self, among: NDArray[np.int64] | None) -> Buckets:
        made = self.anchor_buckets
        if among is None:
            return made
        return buckets.make_buckets(
            take(self.planes, among), centres=made.centres, part_weights=made.part_weights
        )

    def _differing(
        self,
        queries: NDArray[np.uint8],
        bounds: NDArray[np.int64],
        rows: NDArray[np.int64],
        words: slice,
    ) -> NDArray[np.int32]:
        """Return in how many bits of some words each hit differs from its query."""
        of_hit = np.repeat(np.arange(len(queries)), np.diff(bounds))
        asked = as_words(queries)
        differing = np.zeros(len(rows), dtype=np.int32)
        for word in range(*words.indices(len(self.planes))):
            differing += np.bitwise_count(asked[of_hit, word] ^ self.planes[word, rows])
        return differing

    def _ranked(self, asked: Asked, found: Found, config: SearchConfig) -> Found:
        """Bring the hits of each query into the order of a ranking."""
        ranking, n_threads = config.ranking, config.n_threads
        if ranking == "code":
            return found
        if ranking == "anchor-first":
            queries = word_aligned(asked.codes, self.n_anchor_bytes)
            first = slice(self._n_anchor_words)
            apart = self._differing(queries, found.bounds, found.rows, first)
            above = 64 * self._n_detail_words
            scores = (above * apart + found.distances).astype(np.float32)
        else:
            scores = self._expected(asked, found, n_threads)
        order = ascending(scores, found.bounds, n_threads=n_threads)
        return found._replace(
            rows=found.rows[order], distances=found.distances[order], scores=scores[order]
        )

    def _expected(self, asked: Asked, found: Found, n_threads: int | None) -> NDArray[np.float32]:
        """Return the expected distances of hits; bits of the anchor part count twice."""
        n_anchor, n_words = 8 * self.n_anchor_bytes, len(self.planes)
        expected = np.zeros((len(asked.expected), 64 * n_words), dtype=np.float32)
        weights = np.zeros(64 * n_words, dtype=np.float32)
        detail = slice(64 * self._n_anchor_words, None)
        n_detail = asked.expected.shape[1] - n_anchor
        expected[:, :n_anchor], weights[:n_anchor] = asked.expected[:, :n_anchor], ANCHOR_WEIGHT
        expected[:, detail][:, :n_detail] = asked.expected[:, n_anchor:]
        weights[detail][:n_detail] = 1
        return expected_distances(
            expected,
            weights,
            self.planes,
            bounds=found.bounds,
            rows=found.rows,
            n_threads=n_threads,
        )
