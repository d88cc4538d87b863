"""What annotating found, for people and machines to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atlash.keys import PARENT_ONLY, REASONS, UNASSIGNED

if TYPE_CHECKING:
    import pandas as pd

    from atlash.data.normalize import BoundSource
    from atlash.tl.annotate import Request


def summarise(
    obs: pd.DataFrame, bound: BoundSource, request: Request, *, seconds: float
) -> dict[str, Any]:
    """Return what annotating found, as plain JSON: labels, reasons, genes, speed."""
    keys, force = request.keys, request.force
    confidence, levels = obs[keys.confidence], {}
    if keys.parent in obs:
        backed_off = obs[keys.status] == PARENT_ONLY
        parents = _found(obs[keys.parent], obs[keys.parent_confidence])
        levels = {"parents": parents, "parent_only": int(backed_off.sum())}
        if not force:
            confidence = confidence.mask(backed_off, obs[keys.parent_confidence])
    reason = obs.loc[obs[keys.status] == UNASSIGNED, keys.reason].value_counts()
    return {
        "cells": len(obs),
        "labels": _found(obs[keys.label], confidence),
        **levels,
        "unassigned": {name: int(reason.get(name, 0)) for name in REASONS[1:]},
        "genes": {
            "shared": bound.match.n_shared,
            "reference": len(bound.recipe.genes),
            "weight_shared": bound.match.weight_shared,
        },
        "scale": bound.scale.name,
        "seconds": seconds,
        "cells_per_second": len(obs) / max(seconds, 1e-9),
    }


def _found(label: pd.Series[Any], confidence: pd.Series[Any]) -> list[dict[str, Any]]:
    """Return the cells of each label, the most frequent label first."""
    groups = confidence.groupby(label, observed=True)
    found = groups.agg(["size", "median"]).sort_values("size", ascending=False, kind="stable")
    return [
        {
            "label": str(name),
            "cells": int(size),
            "share": size / len(label),
            "median_confidence": round(float(median), 4),
        }
        for name, size, median in found.itertuples()
    ]
