"""What clustering says of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from atlash.clustering.stability import bucket_stability

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.clustering.fitted import Fitted
    from atlash.clustering.model import ClusterModel


@dataclass(frozen=True)
class Clusters:
    """What clustering says of cells.

    Attributes
    ----------
    labels
        Cluster of each cell ``(n,)``, int32, numbered by size, the largest 0; -1 for cells
        without counts.
    membership
        How much of what lies around a cell belongs to its cluster ``(n,)``, float32 in [0, 1].
    stability
        Share of the runs of Leiden that put the cell's bucket into its cluster ``(n,)``, float32
        in [0, 1].
    bucket
        Bucket of each cell ``(n,)``, int32; -1 for cells without counts.
    embedding
        Places ``(n, n_axes)``, float32; NaN for cells without counts.
    codes
        Hash codes ``(n, n_heads)``, uint16: the word of each head; 65,535 for cells without
        counts.
    """

    labels: NDArray[np.int32]
    membership: NDArray[np.float32]
    stability: NDArray[np.float32]
    bucket: NDArray[np.int32]
    embedding: NDArray[np.float32]
    codes: NDArray[np.uint16]


def clusters_of(fitted: Fitted, model: ClusterModel, n_cells: int) -> Clusters:
    """Return what was found, in the order of the source."""
    places = np.full((n_cells, fitted.places.shape[1]), np.nan, dtype=np.float32)
    places[fitted.rows] = fitted.places
    bucket = np.full(n_cells, -1, dtype=np.int32)
    bucket[fitted.rows] = fitted.buckets.of_cell
    stability = bucket_stability(fitted.partition.runs, model.cluster, model.sizes)
    return told(model, places, bucket=bucket, stability=stability)


def told(
    model: ClusterModel,
    places: NDArray[np.float32],
    *,
    bucket: NDArray[np.int32],
    stability: NDArray[np.float64],
) -> Clusters:
    """Return what a model says of cells.

    Parameters
    ----------
    model
        What was learned.
    places
        ``(n, n_axes)``; NaN without counts.
    bucket
        Bucket of each cell ``(n,)``; -1 without counts.
    stability
        Of each bucket ``(n_buckets,)``.
    """
    known = bucket >= 0
    return Clusters(
        labels=np.where(known, model.cluster[bucket], -1).astype(np.int32),
        membership=model.membership(places, bucket),
        stability=np.where(known, stability[bucket], 0).astype(np.float32),
        bucket=bucket,
        embedding=places,
        codes=model.codes(places),
    )
