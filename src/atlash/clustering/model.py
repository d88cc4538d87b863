"""What was learned of cells without labels, and where it puts new ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from atlash.clustering.depth import at_one_depth, depth_of
from atlash.clustering.places import places_on
from atlash.clustering.rare_types import RareType, rare_among
from atlash.data.parallel import ordered_map
from atlash.graph.buckets import assign
from atlash.graph.neighbours import nearest
from atlash.progress import n_threads_or_all, track

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from atlash.clustering.axes import Axes
    from atlash.clustering.batch_offsets import BatchOffsets
    from atlash.clustering.genes import Genes
    from atlash.clustering.learned import LearnedEmbedding
    from atlash.config import ClusterConfig
    from atlash.data.normalize import BoundSource
    from atlash.nn.hash_codes import HeadWeights

NO_WORD = 65_535
N_AROUND = 24
"""Buckets around a cell's own whose clusters its membership is taken from."""


@dataclass(frozen=True)
class ClusterModel:
    """Brings cells into buckets, and buckets into clusters.

    Attributes
    ----------
    genes, axes, learned
        What gives places; ``learned`` is ``None`` where no embedding was learned.
    heads
        What gives hash codes.
    centres
        Of the buckets ``(n_buckets, n_axes)``, float32.
    sizes
        Cells learned from in each ``(n_buckets,)``, int64.
    cluster
        Cluster of each bucket ``(n_buckets,)``, int32; the largest cluster is 0.
    batch_names
        Batches that were brought together, in the order of the offsets; none without.
    offsets
        What moves cells of these; ``None`` without batches.
    depth_effect
        What depth does to places ``(n_axes,)``, taken off; ``None`` leaves it.
    rare
        Rare types. The last buckets are theirs, in this order: no cell falls into them by its
        place.
    """

    genes: Genes
    axes: Axes
    learned: LearnedEmbedding | None
    heads: HeadWeights
    centres: NDArray[np.float32]
    sizes: NDArray[np.int64]
    cluster: NDArray[np.int32]
    batch_names: tuple[str, ...]
    offsets: BatchOffsets | None
    depth_effect: NDArray[np.float32] | None = None
    rare: tuple[RareType, ...] = ()

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return int(self.cluster.max()) + 1

    def place(self, bound: BoundSource, config: ClusterConfig) -> NDArray[np.float32]:
        """Return places ``(n, n_axes)`` of cells; NaN for cells without counts."""
        on_axes = places_on(self.axes.matrix, self.genes, self.learned)
        places = np.empty((bound.n_cells, self.centres.shape[1]), dtype=np.float32)

        def work(item: tuple[slice, csr_array]) -> int:
            part = bound.project(item[1], item[0])
            found = on_axes.of(part.X, bound.measured_features)
            found[part.library == 0] = np.nan
            if self.depth_effect is not None:
                found = at_one_depth(found, depth_of(part.library, bound), self.depth_effect)
            places[part.rows] = found
            return part.X.shape[0]

        chunks = bound.source.chunks(config.chunk_size)
        with track("Placing cells", bound.n_cells, show=config.progress) as advance:
            for n in ordered_map(work, chunks, n_threads=n_threads_or_all(config.n_threads)):
                advance(n)
        return places

    def moved(
        self, places: NDArray[np.float32], batches: NDArray[np.int32], n_threads: int | None
    ) -> NDArray[np.float32]:
        """Return places ``(n, n_axes)`` without what batches add.

        Parameters
        ----------
        places
            ``(n, n_axes)``; cells without a place keep NaN.
        batches
            Place of each cell's batch in ``batch_names`` ``(n,)``; -1 moves nothing.
        n_threads
            Threads; ``None`` takes all cores.
        """
        known = ~np.isnan(places[:, 0])
        if self.offsets is None or not known.any():
            return places
        moved = places.copy()
        moved[known] = self.offsets.apply(places[known], batches[known], n_threads=n_threads)
        return moved

    def bucket_of(self, places: NDArray[np.float32], n_threads: int | None) -> NDArray[np.int32]:
        """Return the bucket of each cell ``(n,)``, -1 for cells without a place."""
        known = ~np.isnan(places[:, 0])
        bucket = np.full(len(places), -1, dtype=np.int32)
        if known.any():
            centres = self.centres[: self._n_by_place]
            bucket[known] = assign(places[known], centres, n_threads=n_threads)
        return bucket

    def with_rare(
        self, bound: BoundSource, bucket: NDArray[np.int32], config: ClusterConfig
    ) -> NDArray[np.int32]:
        """Move cells of rare types into the buckets of these.

        Parameters
        ----------
        bound
            The cells.
        bucket
            Bucket of each by its place ``(n,)``, -1 for cells without one.
        config
            Options.

        Returns
        -------
        Bucket of each ``(n,)``, int32.
        """
        cluster = np.where(bucket >= 0, self.cluster[bucket], -1)
        told = rare_among(bound, self.rare, cluster, config=config)
        return np.where(told >= 0, self._n_by_place + told, bucket).astype(np.int32)

    @property
    def _n_by_place(self) -> int:
        """Number of buckets that cells fall into by their places."""
        return len(self.centres) - len(self.rare)

    def codes(self, places: NDArray[np.float32]) -> NDArray[np.uint16]:
        """Return hash codes ``(n, n_heads)``: the word of each head, 65,535 without a place."""
        words = self.heads.codes(np.nan_to_num(places)).astype(np.uint16)
        words[np.isnan(places[:, 0])] = NO_WORD
        return words

    def membership(
        self, places: NDArray[np.float32], bucket: NDArray[np.int32]
    ) -> NDArray[np.float32]:
        """Return how much of what lies around each cell belongs to its cluster ``(n,)``.

        Parameters
        ----------
        places
            ``(n, n_axes)``.
        bucket
            Bucket of each cell ``(n,)``; -1 gives 0.

        Returns
        -------
        In [0, 1], float32: the share of its own cluster among the 24 buckets around its bucket
        and that itself; each weighs its cells times Student's kernel of its distance.
        """
        from atlash.clustering._vote import vote

        share = np.zeros(len(places), dtype=np.float32)
        known = bucket >= 0
        of_known = np.empty(int(known.sum()), dtype=np.float32)
        around = self._around()
        vote(
            places[known], bucket[known], self.centres, around, self.cluster, self.sizes, of_known
        )
        share[known] = of_known
        return share

    def _around(self) -> NDArray[np.int32]:
        """Return each bucket and those nearest to it ``(n_buckets, at most 25)``."""
        own = np.arange(len(self.centres), dtype=np.int32)[:, None]
        if len(self.centres) == 1:
            return own
        near = nearest(self.centres, n_neighbors=min(N_AROUND, len(self.centres) - 1))
        return np.hstack([own, near.rows])
