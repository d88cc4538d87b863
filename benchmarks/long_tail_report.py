"""Means of the long-tail benchmark, and its tables."""

from __future__ import annotations

from statistics import fmean
from typing import Any

FIGURES = ("tail_f1", "medium_f1", "head_f1", "macro_f1", "accuracy")


def summary_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return means per method over the data on which every method was run, and which these are."""
    methods = list(dict.fromkeys(row["method"] for row in rows))
    done = {
        method: {(r["data"], r["seed"]) for r in rows if r["method"] == method}
        for method in methods
    }
    means = {}
    for method in methods:
        own = [row for row in rows if row["method"] == method]
        data = list(dict.fromkeys(row["data"] for row in own))
        means[method] = {
            figure: fmean(fmean(r[figure] for r in own if r["data"] == name) for name in data)
            for figure in FIGURES
        } | {"data": data, "seeds": sorted({seed for _, seed in done[method]})}
    return {"means": means}
