"""Clusters of cells as columns and entries of an AnnData, and as rows to print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atlash.keys import UNASSIGNED

if TYPE_CHECKING:
    from atlash.clustering import Clusters
    from atlash.keys import ClusterKeys


def cluster_columns(found: Clusters, n_clusters: int, keys: ClusterKeys) -> pd.DataFrame:
    """Return what ``obs`` is to hold, one row a cell."""
    names = [str(number) for number in range(n_clusters)]
    if (found.labels < 0).any():
        names.append(UNASSIGNED)
    codes = np.where(found.labels < 0, len(names) - 1, found.labels)
    return pd.DataFrame(
        {
            keys.cluster: pd.Categorical.from_codes(codes, pd.Index(names)),
            keys.membership: found.membership,
            keys.stability: found.stability,
            keys.bucket: found.bucket,
        }
    )


def cluster_arrays(found: Clusters, keys: ClusterKeys) -> dict[str, Any]:
    """Return what ``obsm`` is to hold."""
    return {
        keys.embedding: np.nan_to_num(found.embedding, nan=0.0),
        keys.codes: found.codes,
    }


def storable(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the story as an AnnData file takes it: no ``None``, and tables by columns."""
    joined = facts["joined"]
    columns = {name: np.array([step[name] for step in joined]) for name in (joined or [{}])[0]}
    rare = facts.get("rare", [])
    types = {name: np.array([kind[name] for kind in rare]) for name in (rare or [{}])[0]}
    kept = {name: value for name, value in facts.items() if name != "bucket_stability"}
    kept = {name: value for name, value in kept.items() if value is not None}
    options = {name: value for name, value in facts["settings"].items() if value is not None}
    return kept | {"joined": columns, "rare": types, "settings": options}


def cluster_rows(found: Clusters, stability: list[float]) -> list[dict[str, Any]]:
    """Return cells, share, stability and median membership of each cluster, as plain JSON."""
    rows = []
    for number, of_cluster in enumerate(stability):
        members = found.labels == number
        rows.append(
            {
                "cluster": str(number),
                "cells": int(members.sum()),
                "share": float(members.mean()),
                "stability": of_cluster,
                "median_membership": float(np.median(found.membership[members]))
                if members.any()
                else None,
            }
        )
    return rows
