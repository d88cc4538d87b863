"""The story of a clustering as plain values, for files and for ``uns``."""

from __future__ import annotations

import sys
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from atlash.clustering.stability import bucket_stability, cluster_stability
from atlash.clustering.store import settings

if TYPE_CHECKING:
    from atlash.clustering.batch_labels import Batches
    from atlash.clustering.fitted import Fitted
    from atlash.clustering.mixing import Integration
    from atlash.clustering.model import ClusterModel
    from atlash.clustering.wanted import Wanted
    from atlash.config import ClusterConfig


def facts_of(
    fitted: Fitted, model: ClusterModel, *, wanted: Wanted, config: ClusterConfig
) -> dict[str, Any]:
    """Return settings, curve of stability, joins, rare types, time and memory as plain values."""
    curve = fitted.partition.curve
    of_bucket = bucket_stability(fitted.partition.runs, model.cluster, model.sizes)
    return {
        "atlash_version": version("atlash"),
        "n_clusters": wanted.n_clusters or "auto",
        "resolution": wanted.resolution,
        "random_state": wanted.random_state,
        "settings": settings(config),
        "curve": {
            "resolution": curve.resolution.tolist(),
            "n_clusters": curve.n_clusters.tolist(),
            "stability": curve.stability.tolist(),
        },
        "n_before_joining": int(fitted.partition.labels.max()) + 1,
        "joined": [asdict(step) for step in fitted.steps],
        "rare": fitted.rare.facts(model.cluster),
        "integration": _integration_facts(fitted.integration),
        "cluster_stability": cluster_stability(of_bucket, model.cluster, model.sizes).tolist(),
        "bucket_stability": of_bucket.tolist(),
        "axes_reliability": fitted.axes.reliability.tolist(),
        "seconds": fitted.seconds,
        "peak_memory_gb": _peak_memory(),
    }


def _integration_facts(found: Integration | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return found._asdict() | {"before": found.before._asdict(), "after": found.after._asdict()}


def batch_facts(batch_key: str | None, batches: Batches | None) -> dict[str, Any]:
    """Return which batches were brought together, and the cells of each, as plain values."""
    if batches is None:
        return {"batch_key": None, "batches": [], "cells_of_batch": []}
    sizes = np.bincount(batches.of_cell, minlength=len(batches.names))
    return {
        "batch_key": batch_key,
        "batches": list(batches.names),
        "cells_of_batch": sizes.tolist(),
    }


def _peak_memory() -> float | None:
    """Return the most memory that the process has held so far, in GB; ``None`` on Windows."""
    if sys.platform == "win32":
        return None
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
