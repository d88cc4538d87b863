"""How often cells fall into their clusters when Leiden starts anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def bucket_stability(
    runs: NDArray[np.int32], cluster: NDArray[np.int32], sizes: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the share of runs that put a bucket into its cluster.

    Runs are finer than the final clusters, which were joined: each cluster of a run is taken for
    the final one that most of its cells are in, ties for the lower number.

    Parameters
    ----------
    runs
        Cluster of each bucket in each run ``(n_runs, n_buckets)``.
    cluster
        Final cluster of each bucket ``(n_buckets,)``, at least 0.
    sizes
        Cells of each bucket ``(n_buckets,)``.

    Returns
    -------
    ``(n_buckets,)``, in [0, 1].
    """
    n_final = int(cluster.max(initial=0)) + 1
    same = np.zeros(len(cluster), dtype=np.int64)
    for run in runs:
        shared = np.zeros((int(run.max(initial=0)) + 1, n_final), dtype=np.int64)
        np.add.at(shared, (run, cluster), sizes)
        same += shared.argmax(axis=1)[run] == cluster
    share: NDArray[np.float64] = same / len(runs)
    return share


def cluster_stability(
    of_bucket: NDArray[np.float64], cluster: NDArray[np.int32], sizes: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the mean stability of each cluster's cells ``(n_clusters,)``."""
    total = np.bincount(cluster, of_bucket * sizes)
    return np.asarray(total / np.bincount(cluster, sizes))
