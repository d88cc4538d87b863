"""Rare types planted in simulated cells, and how well one cluster holds each of them.

Profiles, dispersions and depths are fitted to pbmc_cross without batches, and 20,000 cells are
drawn. Two types of .1 % and .5 % of the cells are planted: each takes the profile of another type
(parents are drawn by the seed among types of at least 5 % of the cells) but for 50 marker genes,
drawn by the seed among those that hold between 1 and 10 of 100,000 counts of the parent. These
hold 3, 10 or 25 % of the rare cells' counts, in the proportions that they have in the parent.
Nothing else sets the rare cells apart. In pbmc_cross itself the 50 genes that are most of a
type's own hold 7 (CD8 T) to 26 % (platelets) more of its counts than of all others'.

The figure is the F1 of the cluster that matches a planted type best. The ceiling is that of a
judge who knows both profiles, the dispersions and the shares, and tells the rare cells from their
parent's by likelihood.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from statistics import fmean
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.stats import nbinom

from atlash.data.simulate import CountModel, fit
from benchmarks.cluster_sets import ClusterSet, Found, cached
from benchmarks.clustering import recipe
from benchmarks.machine import write_result
from benchmarks.peers import scanpy_clusters
from benchmarks.product_clustering import OURS, clusters, source
from benchmarks.tasks import LABELS, load

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_CELLS = 20_000
SHARES = {"rare .1 %": 0.001, "rare .5 %": 0.005}
LEAST_PARENT = 0.05
N_MARKERS = 50
STRENGTHS = (0.03, 0.1, 0.25)
"""Share of a rare cell's counts on its markers."""
LEVELS = (1e-5, 1e-4)
"""Least and greatest share of the parent's counts on a gene that may be a marker."""
PEER = "scanpy at 1"
Row = dict[str, Any]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks clustering-rare", description=__doc__
    )
    parser.add_argument("--seeds", type=int, default=3, help="sets, drawn with seeds 0, 1, ...")
    options = parser.parse_args(arguments)
    fitted = fit(load("pbmc_cross"), labels_key=LABELS)
    rows: list[Row] = []
    for strength in STRENGTHS:
        for seed in range(options.seeds):
            rows += _scored(fitted, strength, seed)
    means = [
        {
            "strength": strength,
            "type": name,
            **_mean([r for r in rows if (r["strength"], r["type"]) == (strength, name)]),
        }
        for strength in STRENGTHS
        for name in SHARES
    ]
    print(*means, sep="\n")
    result = {"source": source(), "n_cells": N_CELLS, "runs": rows, "means": means}
    print(write_result("clustering_rare", result))


def _scored(fitted: CountModel, strength: float, seed: int) -> list[Row]:
    """Plant both types in one set, cluster it, and look for them."""
    model, parents = planted(fitted, strength, seed)
    of = _drawn(model, f"rare_{strength:g}_{seed}", seed)
    rows: list[Row] = []
    for method, found in _methods(of):
        labels = next(iter(found.labels.values()))
        for name, parent in parents.items():
            rows.append(
                {
                    "strength": strength,
                    "seed": seed,
                    "method": method,
                    "type": name,
                    "parent": parent,
                    "n_cells": int((of.truth == name).sum()),
                    "ceiling": _ceiling(of, model, name, parent),
                    "n_clusters": len(np.unique(labels)),
                    "seconds": found.seconds,
                    **best_match(of.truth == name, labels),
                }
            )
            print(rows[-1], flush=True)
    return rows


def _mean(rows: list[Row]) -> dict[str, float]:
    """Mean F1 of each method, and of the judge."""
    methods = dict.fromkeys(row["method"] for row in rows)
    means = {m: fmean(row["f1"] for row in rows if row["method"] == m) for m in methods}
    return means | {"ceiling": fmean(row["ceiling"] for row in rows)}


def planted(model: CountModel, strength: float, seed: int) -> tuple[CountModel, dict[str, str]]:
    """Return a model with the rare types added, and the parent of each."""
    rng = np.random.default_rng(seed)
    common = np.flatnonzero(model.weights >= LEAST_PARENT)
    chosen = rng.choice(common, len(SHARES), replace=False)
    profiles = []
    for parent in chosen:
        profile = model.proportions[parent].copy()
        may = np.flatnonzero((profile >= LEVELS[0]) & (profile <= LEVELS[1]))
        marks = np.isin(np.arange(len(profile)), rng.choice(may, N_MARKERS, replace=False))
        profile[marks] *= strength / profile[marks].sum()
        profile[~marks] *= (1 - strength) / profile[~marks].sum()
        profiles.append(profile)
    shares = np.array(list(SHARES.values()))
    kinds = pd.concat([model.groups, pd.DataFrame({LABELS: list(SHARES)})], ignore_index=True)
    grown = replace(
        model,
        groups=kinds.astype("category"),
        weights=np.concatenate([model.weights * (1 - shares.sum()), shares]),
        proportions=np.vstack([model.proportions, *profiles]),
        log_depth_mean=_with_parents(model.log_depth_mean, chosen),
        log_depth_deviation=_with_parents(model.log_depth_deviation, chosen),
    )
    names = model.groups[LABELS].astype(str).to_numpy()
    return grown, dict(zip(SHARES, names[chosen].tolist(), strict=True))


def _with_parents(values: NDArray[np.float64], chosen: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.concatenate([values, values[chosen]])


def _drawn(model: CountModel, name: str, seed: int) -> ClusterSet:
    parts = list(model.draw(N_CELLS, random_state=seed))
    counts = sp.csr_matrix(sp.vstack([counts for counts, _ in parts], format="csr"))
    kinds = np.concatenate([np.asarray(obs[LABELS], dtype=str) for _, obs in parts])
    filled = np.asarray(counts.sum(axis=1)).ravel() > 0
    return ClusterSet(name, counts[filled], model.genes, kinds[filled])


def _methods(of: ClusterSet) -> list[tuple[str, Found]]:
    def peer() -> Found:
        start = perf_counter()
        labels = scanpy_clusters.leiden(scanpy_clusters.with_graph(of.cells, 0), 1.0, 0)
        return Found({PEER: labels}, perf_counter() - start)

    return [(OURS, clusters(of, 0)), (PEER, cached(f"scanpy_rare-{recipe()}", of, 0, peer))]


def best_match(rare: NDArray[np.bool_], labels: NDArray[np.int32]) -> dict[str, float]:
    """Return F1, precision and recall of the cluster that matches some cells best."""
    sizes = np.bincount(labels)
    hits = np.bincount(labels[rare], minlength=len(sizes))
    f1 = 2 * hits / (sizes + rare.sum())
    best = int(f1.argmax())
    return {
        "f1": float(f1[best]),
        "precision": float(hits[best] / sizes[best]),
        "recall": float(hits[best] / rare.sum()),
    }


def _ceiling(of: ClusterSet, model: CountModel, name: str, parent: str) -> float:
    """Return the F1 of the judge, among the rare cells and their parent's."""
    names = model.groups[LABELS].astype(str).tolist()
    rows = np.flatnonzero((of.truth == name) | (of.truth == parent))
    counts = of.counts[rows]
    depth = np.asarray(counts.sum(axis=1))
    own, other = (model.proportions[names.index(kind)] for kind in (name, parent))
    told = np.flatnonzero(~np.isclose(own / other, np.median(own / other)))
    seen, size = counts[:, told].toarray(), 1 / model.dispersions[told]
    likelihood = [
        nbinom.logpmf(seen, size, size / (size + depth * shares[told])).sum(axis=1)
        + np.log(model.weights[names.index(kind)])
        for kind, shares in ((name, own), (parent, other))
    ]
    called = (likelihood[0] > likelihood[1]).astype(np.int32)
    return best_match(of.truth[rows] == name, called)["f1"]
