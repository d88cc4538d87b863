"""What clustering learns of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from atlash.clustering.axes import Axes
    from atlash.clustering.batch_offsets import BatchOffsets
    from atlash.clustering.distinct import Join
    from atlash.clustering.genes import Genes
    from atlash.clustering.learned import LearnedEmbedding
    from atlash.clustering.mixing import Integration
    from atlash.clustering.partition import Buckets, CellGraph, Partition
    from atlash.clustering.rare_split import RareSplit
    from atlash.nn.hash_codes import HeadWeights


@dataclass(frozen=True)
class Fitted:
    """What was learned, and what it says of the cells learned from.

    Attributes
    ----------
    genes, axes, learned, buckets
        What brings new cells into buckets; ``learned`` is ``None`` without learning.
    heads
        What gives hash codes.
    depth_effect
        What depth does to places ``(n_axes,)``, which was taken off; ``None`` if it was not.
    offsets
        What brought batches together; ``None`` without batches.
    integration
        What that did; ``None`` without batches that can be compared.
    cluster_of_bucket
        ``(n_buckets,)``, int32; clusters are numbered by size, the largest 0.
    rows
        Where the cells that have counts stand in the source ``(n,)``, in the order of all that
        follows.
    places
        ``(n, n_axes)``, float32.
    graph
        Of these cells.
    partition
        Leiden's clusters of buckets.
    steps
        How clusters were joined; numbers are those of the partition.
    rare
        What was split off as rare types, under numbers of its own.
    seconds
        Of each step.
    """

    genes: Genes
    axes: Axes
    learned: LearnedEmbedding | None
    buckets: Buckets
    heads: HeadWeights
    depth_effect: NDArray[np.float32] | None
    offsets: BatchOffsets | None
    integration: Integration | None
    cluster_of_bucket: NDArray[np.int32]
    rows: NDArray[np.int64]
    places: NDArray[np.float32]
    graph: CellGraph
    partition: Partition
    steps: list[Join]
    rare: RareSplit
    seconds: dict[str, float]
