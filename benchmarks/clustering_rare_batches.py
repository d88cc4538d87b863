"""Rare types planted among batches, and how well one cluster holds each of them.

As ``clustering-rare``, but profiles and depths are fitted to each type in each batch of kang (8
donors) and pbmc_cross (2 studies), and a rare type is in all batches of its parent, in proportion.
Cells are clustered with ``batch_key``; the control joins the rare types that were found with the
clusters they were found in, which is what clustering does without looking for them.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from atlash.data.simulate import CountModel, fit
from benchmarks.clustering_rare import (
    LEAST_PARENT,
    LEVELS,
    N_CELLS,
    N_MARKERS,
    SHARES,
    best_match,
)
from benchmarks.machine import write_result
from benchmarks.product_clustering import clustered_with_batches, source
from benchmarks.tasks import BATCH, LABELS, load

if TYPE_CHECKING:
    from numpy.typing import NDArray

STRENGTHS = (0.03, 0.1)
DATASETS = ("kang", "pbmc_cross")
Row = dict[str, Any]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks clustering-rare-batches", description=__doc__
    )
    parser.add_argument("--seeds", type=int, default=2, help="sets, drawn with seeds 0, 1, ...")
    options = parser.parse_args(arguments)
    rows: list[Row] = []
    for dataset in DATASETS:
        fitted = fit(load(dataset), labels_key=LABELS, batch_key=BATCH)
        for strength in STRENGTHS:
            for seed in range(options.seeds):
                for row in _scored(fitted, strength, seed):
                    rows.append({"dataset": dataset, "strength": strength, "seed": seed, **row})
                    print(rows[-1], flush=True)
    means = [
        {"dataset": dataset, "strength": strength, "type": name}
        | _mean(rows, (dataset, strength, name))
        for dataset in DATASETS
        for name in SHARES
        for strength in STRENGTHS
    ]
    result = {"source": source(), "n_cells": N_CELLS, "runs": rows, "means": means}
    print(write_result("clustering_rare_batches", result))


def _mean(rows: list[Row], which: tuple[str, float, str]) -> dict[str, float]:
    own = [row for row in rows if (row["dataset"], row["strength"], row["type"]) == which]
    return {key: fmean(row[key] for row in own) for key in ("f1", "f1_without")}


def _scored(fitted: CountModel, strength: float, seed: int) -> list[Row]:
    """Plant both types in one set, cluster it, and look for them."""
    cells = _drawn(planted(fitted, strength, seed), seed)
    labels, rare = clustered_with_batches(cells, BATCH)
    without = labels.copy()
    for kind in rare:
        without[labels == kind["cluster"]] = kind["parent"]
    truth = cells.obs[LABELS].to_numpy(dtype=str)
    mostly_planted = [
        np.isin(truth[labels == kind["cluster"]], list(SHARES)).mean() > 0.5 for kind in rare
    ]
    return [
        {
            "type": name,
            "n_cells": int((truth == name).sum()),
            "f1": best_match(truth == name, labels)["f1"],
            "f1_without": best_match(truth == name, without)["f1"],
            "others_called_rare": int(len(rare) - sum(mostly_planted)),
        }
        for name in SHARES
    ]


def planted(model: CountModel, strength: float, seed: int) -> CountModel:
    """Return a model with the rare types added, each in every batch that holds its parent."""
    rng = np.random.default_rng(seed)
    kinds = model.groups[LABELS].astype(str).to_numpy()
    share_of = pd.Series(model.weights).groupby(kinds).sum()
    parents = rng.choice(share_of.index[share_of >= LEAST_PARENT], len(SHARES), replace=False)
    chosen, profiles, groups, weights = [], [], [], []
    for (name, share), parent in zip(SHARES.items(), parents, strict=True):
        rows = np.flatnonzero(kinds == parent)
        markers = _markers(model.proportions[rows].mean(axis=0), strength, rng)
        marked = markers > 0
        for profile in model.proportions[rows]:
            rest = np.where(marked, 0, profile)
            profiles.append(markers + rest * (1 - strength) / rest.sum())
        groups.append(model.groups.iloc[rows].astype(str).assign(**{LABELS: name}))
        weights.append(share * model.weights[rows] / model.weights[rows].sum())
        chosen.append(rows)
    added = np.concatenate(chosen)
    old = model.groups.astype(str), model.weights * (1 - sum(SHARES.values()))
    return replace(
        model,
        groups=pd.concat([old[0], *groups], ignore_index=True).astype("category"),
        weights=np.concatenate([old[1], *weights]),
        proportions=np.vstack([model.proportions, *profiles]),
        log_depth_mean=np.append(model.log_depth_mean, model.log_depth_mean[added]),
        log_depth_deviation=np.append(model.log_depth_deviation, model.log_depth_deviation[added]),
    )


def _markers(
    parent: NDArray[np.float64], strength: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the share of counts on each gene that marks a rare type; 0 on the others."""
    may = np.flatnonzero((parent >= LEVELS[0]) & (parent <= LEVELS[1]))
    marks = rng.choice(may, N_MARKERS, replace=False)
    markers = np.zeros_like(parent)
    markers[marks] = strength * parent[marks] / parent[marks].sum()
    return markers


def _drawn(model: CountModel, seed: int) -> ad.AnnData:
    parts = list(model.draw(N_CELLS, random_state=seed))
    counts = sp.csr_matrix(sp.vstack([counts for counts, _ in parts], format="csr"))
    obs = pd.concat([obs for _, obs in parts], ignore_index=True)
    obs.index = obs.index.astype(str)
    return ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=model.genes.astype(str)))
