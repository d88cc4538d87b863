"""Rare types become buckets and clusters of their own."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from atlash.clustering.partition import Buckets, Partition
from atlash.clustering.rare import MIN_CELLS, RareEvidence, find_rare
from atlash.clustering.rare_types import RareType, rare_among

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.config import ClusterConfig
    from atlash.data.normalize import BoundSource


@dataclass(frozen=True)
class RareSplit:
    """Buckets and clusters after rare types were taken out.

    Attributes
    ----------
    buckets
        Those of before, less the rare cells, and one more for each rare type, in its order.
        A bucket may be left without cells.
    partition
        Leiden's clusters of these buckets; a rare type's is the one that most of its cells are
        in.
    cluster
        Cluster of each bucket ``(n_buckets,)``, int32; those of rare types come last.
    found
        Rare types and their evidence.
    """

    buckets: Buckets
    partition: Partition
    cluster: NDArray[np.int32]
    found: list[tuple[RareType, RareEvidence]]

    def types(self, cluster: NDArray[np.int32]) -> tuple[RareType, ...]:
        """Return the rare types after clusters of buckets ``(n_buckets,)`` were numbered anew."""
        first = [int(np.argmax(self.cluster == kind.parent)) for kind, _ in self.found]
        return tuple(
            replace(kind, parent=int(cluster[bucket]))
            for (kind, _), bucket in zip(self.found, first, strict=True)
        )

    def facts(self, cluster: NDArray[np.int32]) -> list[dict[str, Any]]:
        """Return what is known of each rare type as plain values, under the new numbers."""
        n = len(cluster) - len(self.found)
        return [
            {
                "cluster": int(cluster[n + number]),
                "parent": kind.parent,
                "n_cells": int(self.buckets.sizes[n + number]),
                **asdict(self.found[number][1]),
            }
            for number, kind in enumerate(self.types(cluster))
        ]


def split_rare(
    bound: BoundSource,
    cells: tuple[NDArray[np.int64], NDArray[np.float32]],
    parts: tuple[Buckets, Partition, NDArray[np.int32]],
    *,
    batches: NDArray[np.int32] | None,
    config: ClusterConfig,
) -> RareSplit:
    """Find rare types, and take their cells out of the buckets that they are in.

    Parameters
    ----------
    bound
        The cells.
    cells
        Rows of those with counts ``(n,)``, and their places ``(n, n_axes)``.
    parts
        Buckets of these cells, Leiden's clusters of the buckets, and the cluster of each.
    batches
        Batch of each cell ``(n_cells,)``; ``None`` for one batch.
    config
        Options.
    """
    (rows, places), (buckets, partition, cluster) = cells, parts
    of_cell = cluster[buckets.of_cell]
    found = find_rare(bound, (rows, of_cell), config, batches=batches)
    everyone = np.full(bound.n_cells, -1, dtype=np.int32)
    everyone[rows] = of_cell
    told = rare_among(bound, [kind for kind, _ in found], everyone, config=config)[rows]
    n_told = np.bincount(told[told >= 0], minlength=len(found))
    kept = np.flatnonzero(n_told >= MIN_CELLS)
    members = [np.flatnonzero(told == number) for number in kept]
    split = RareSplit(buckets, partition, cluster, [found[number] for number in kept])
    for rare in members:
        split = _with_bucket(split, rare, places[rare].mean(axis=0, dtype=np.float64))
    return split


def _with_bucket(
    split: RareSplit, rare: NDArray[np.int64], centre: NDArray[np.float64]
) -> RareSplit:
    """Put some cells into a bucket and a cluster of their own."""
    buckets, partition = split.buckets, split.partition
    n = len(buckets.sizes)
    before = buckets.of_cell[rare]
    of_cell = buckets.of_cell.copy()
    of_cell[rare] = n
    centres = np.vstack([buckets.centres, centre[None].astype(np.float32)])
    sizes = np.bincount(of_cell, minlength=n + 1)
    runs = [np.append(run, _most_frequent(run[before])) for run in partition.runs]
    labels = np.append(partition.labels, _most_frequent(partition.labels[before]))
    return RareSplit(
        Buckets(centres, of_cell, sizes),
        Partition(np.stack(runs), labels, partition.curve),
        np.append(split.cluster, split.cluster.max() + 1).astype(np.int32),
        split.found,
    )


def _most_frequent(labels: NDArray[np.int32]) -> np.int32:
    """Return the most frequent label, the lowest of equals."""
    return np.int32(np.bincount(labels).argmax())
