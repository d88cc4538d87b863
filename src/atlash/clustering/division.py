"""Buckets divided into as many clusters as are wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from atlash.clustering.distinct import Join, join_clusters
from atlash.clustering.partition import divide
from atlash.clustering.soft import refine, soft_assignment
from atlash.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from atlash.clustering.axes import Axes
    from atlash.clustering.distinct import Evidence
    from atlash.clustering.partition import Buckets, CellGraph, Partition
    from atlash.clustering.wanted import Wanted
    from atlash.config import ClusterConfig

RESOLUTION = 1.0
FINER = 1.5
"""Factor by which the resolution grows where too few clusters are found."""
MAX_RESOLUTION = 1e4
"""Above it each of thousands of equal buckets is a cluster of its own."""


def divide_as_wanted(
    graph: CellGraph, buckets: Buckets, *, config: ClusterConfig, wanted: Wanted
) -> Partition:
    """Cluster the buckets, at a finer resolution where more clusters are wanted.

    Raises
    ------
    InputError
        If there are not so many clusters to be found.
    """
    if (wanted.n_clusters or 1) > len(buckets.centres):
        n, n_cells = len(buckets.centres), len(buckets.of_cell)
        msg = (
            f"{wanted.n_clusters:,} clusters are wanted, but the {n_cells:,} cells with counts "
            f"lie at only {n:,} different places. Ask for at most {n:,}, or leave `n_clusters` "
            "at 'auto'."
            if n_cells <= config.n_buckets
            else f"{wanted.n_clusters:,} clusters are wanted of {n:,} buckets of cells. Ask for "
            f"at most {n:,}, or raise `n_buckets` in `ClusterConfig`."
        )
        raise InputError(msg)
    resolution = wanted.resolution or RESOLUTION
    while True:
        partition = divide(
            graph, buckets, config, resolution=resolution, random_state=wanted.random_state
        )
        n_found = int(partition.labels.max()) + 1
        if n_found >= (wanted.n_clusters or 1):
            return partition
        if resolution > MAX_RESOLUTION:
            msg = (
                f"{wanted.n_clusters:,} clusters are wanted, but no more than {n_found:,} were "
                f"found. Ask for at most {n_found:,}, or leave `n_clusters` at 'auto'."
            )
            raise InputError(msg)
        resolution *= FINER


def join_as_wanted(
    partition: Partition,
    gathered: Callable[[], tuple[Evidence, NDArray[np.int32]]],
    *,
    config: ClusterConfig,
    wanted: Wanted,
    axes: Axes,
) -> tuple[NDArray[np.int32], list[Join]]:
    """Join clusters as wanted; where no axis tells more than noise, all of them.

    Parameters
    ----------
    partition
        The clusters.
    gathered
        Returns cells by which they are compared, and the cluster of each; called if needed.
    config, wanted
        Options; with a resolution wanted, nothing is joined.
    axes
        Which the cells lie on.

    Returns
    -------
    Number of the cluster that each old one belongs to, and the steps.
    """
    from threadpoolctl import threadpool_limits

    if wanted.resolution is not None:
        return np.arange(partition.labels.max() + 1, dtype=np.int32), []
    evidence, labels = gathered()
    with threadpool_limits(1, user_api="blas"):  # another number may round otherwise
        return join_clusters(
            evidence,
            labels,
            least_agreement=config.least_agreement,
            least_distance=config.least_distance,
            n_clusters=wanted.n_clusters or (None if axes.any_signal else 1),
        )


def refined(
    cluster: NDArray[np.int32], buckets: Buckets, config: ClusterConfig
) -> NDArray[np.int32]:
    """Return the clusters of buckets after deep embedded clustering, where it is wanted."""
    if config.refine_steps == 0:
        return cluster
    kinds, which = np.unique(cluster, return_inverse=True)
    centres = refine(buckets.centres, which, n_steps=config.refine_steps)
    shares = soft_assignment(buckets.centres, centres.centres, scale=centres.scale)
    return np.asarray(kinds[shares.argmax(axis=1)], dtype=np.int32)


def by_size(cluster: NDArray[np.int32], buckets: Buckets) -> NDArray[np.int32]:
    """Return numbers of clusters by their cells, the largest 0; ties by the first bucket."""
    kinds, first, which = np.unique(cluster, return_index=True, return_inverse=True)
    sizes = np.bincount(which, buckets.sizes, len(kinds))
    number = np.empty(len(kinds), dtype=np.int32)
    number[np.lexsort((first, -sizes))] = np.arange(len(kinds), dtype=np.int32)
    return number[which]
