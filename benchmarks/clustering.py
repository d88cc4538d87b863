"""Clusters of eight annotated sets, found without labels and compared with the types.

Every method runs at one setting for all sets, with seeds 0, 1, ...; the seed of scanpy is that of
its components, neighbours and Leiden. Figures of a method are means over its seeds. scanpy is
shown at its default resolution, at .3, and at the resolution of seven, and of ten, that suits each
set best: the last two choose with the labels, and are upper bounds.
"""

from __future__ import annotations

import argparse
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import TYPE_CHECKING, Any

from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from benchmarks.cluster_sets import REAL, Found, cached, digest_of, real_set
from benchmarks.machine import version_of, write_result
from benchmarks.peers import scanpy_clusters
from benchmarks.product_clustering import OURS, clusters, source

if TYPE_CHECKING:
    import anndata as ad
    import numpy as np
    from numpy.typing import NDArray

    from benchmarks.cluster_sets import ClusterSet

SEVEN = (0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0)
TEN = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0)
DEFAULT = "scanpy at 1"
FIXED = "scanpy at 0.3"
BUCKET_RESOLUTIONS = (0.3, 1.0)
TARGETS = {"mean_ari": 0.58, "mean_nmi": 0.69, "least_margin": -0.03, "least_stability": 0.95}
Figures = dict[str, Any]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks clustering", description=__doc__)
    parser.add_argument("--sets", nargs="+", choices=list(REAL), default=list(REAL))
    parser.add_argument("--seeds", type=int, default=10, help="runs of each, seeds 0, 1, ...")
    options = parser.parse_args(arguments)
    sets: dict[str, dict[str, Figures]] = {}
    for name in options.sets:
        of = real_set(name)
        runs = [_run(of, seed) for seed in range(options.seeds)]
        sets[name] = {method: figures(of.truth, [r[method] for r in runs]) for method in runs[0]}
        sets[name] |= _chosen_with_labels(sets[name])
        print(_line(name, sets[name]), flush=True)
    summary = summarise(sets)
    for method, means in summary["means"].items():
        print(f"{method:28} {means['ari']:.3f} {means['nmi']:.3f} {means['stability']:.3f}")
    print({name: round(value, 4) for name, value in summary["reached"].items()}, TARGETS)
    result = {
        "source": source(),
        "n_seeds": options.seeds,
        "targets": TARGETS,
        "sets": sets,
        "summary": summary,
    }
    whole = options.sets == list(REAL)
    print(write_result("clustering", result, half=None if whole else "some"))


def _run(of: ClusterSet, seed: int) -> dict[str, Found]:
    """Return one clustering of each method."""
    ours = clusters(of, seed)
    peer = scanpy_found(of, seed)
    n_clusters = len(set(ours.labels[OURS].tolist()))
    found = {OURS: ours}
    for variant, labels in peer.labels.items():
        found[variant] = Found({variant: labels}, peer.seconds)
    found["k-means"] = cached(
        f"k_means_{n_clusters}-{recipe()}", of, seed, lambda: _k_means(of, seed, n_clusters)
    )
    return found


def scanpy_found(of: ClusterSet, seed: int) -> Found:
    """Return scanpy's clusters at every resolution, and those of buckets on its graph."""
    return cached(f"scanpy-{recipe()}", of, seed, lambda: _scanpy(of, seed))


@lru_cache(maxsize=1)
def recipe() -> str:
    """Digest of what scanpy's answers depend on."""
    packages = ("scanpy", "scipy", "scikit-learn", "pynndescent", "umap-learn", "igraph")
    return digest_of(
        TEN, Path(scanpy_clusters.__file__), [(name, version_of(name)) for name in packages]
    )


def _scanpy(of: ClusterSet, seed: int) -> Found:
    """Cluster scanpy's graph at every resolution, and buckets on it.

    Seconds are those up to the first clustering.
    """
    start = perf_counter()
    graph = _graph(of.name, seed)
    first = scanpy_clusters.leiden(graph, TEN[0], seed)
    seconds = perf_counter() - start
    labels = {f"scanpy at {TEN[0]:g}": first}
    for resolution in TEN[1:]:
        labels[f"scanpy at {resolution:g}"] = scanpy_clusters.leiden(graph, resolution, seed)
    for resolution in BUCKET_RESOLUTIONS:
        found = scanpy_clusters.bucket_leiden(graph, resolution, seed)
        labels[f"k-means buckets at {resolution:g}"] = found
    return Found(labels, seconds)


def _k_means(of: ClusterSet, seed: int, n_clusters: int) -> Found:
    start = perf_counter()
    labels = scanpy_clusters.k_means(_graph(of.name, seed), n_clusters, seed)
    return Found({"k-means": labels}, perf_counter() - start)


@lru_cache(maxsize=1)
def _graph(name: str, seed: int) -> ad.AnnData:
    """Return scanpy's graph of a set; the last is kept, since methods share it."""
    return scanpy_clusters.with_graph(real_set(name).cells, seed)


def figures(truth: NDArray[np.str_], runs: list[Found]) -> Figures:
    """Score one method's runs: means over seeds, and how far seeds agree."""
    labels = [next(iter(run.labels.values())) for run in runs]
    ari = [float(adjusted_rand_score(truth, column)) for column in labels]
    agree = [float(adjusted_rand_score(a, b)) for a, b in combinations(labels, 2)] or [1.0]
    return {
        "ari": fmean(ari),
        "ari_of_seeds": ari,
        "nmi": fmean(normalized_mutual_info_score(truth, column) for column in labels),
        "n_clusters": [len(set(column.tolist())) for column in labels],
        "n_types": len(set(truth.tolist())),
        "stability": fmean(agree),
        "least_stability": min(agree),
        "seconds": sorted(run.seconds for run in runs)[len(runs) // 2],
    }


def _chosen_with_labels(methods: dict[str, Figures]) -> dict[str, Figures]:
    """Return scanpy at the resolution that the labels like best, of seven and of ten."""
    chosen = {}
    for name, resolutions in (("seven", SEVEN), ("ten", TEN)):
        best = max(resolutions, key=lambda r: methods[f"scanpy at {r:g}"]["ari"])
        own = methods[f"scanpy at {best:g}"] | {"resolution": best}
        own["nmi"] = max(methods[f"scanpy at {r:g}"]["nmi"] for r in resolutions)
        chosen[f"scanpy, best of {name}"] = own
    return chosen


def summarise(sets: dict[str, dict[str, Figures]]) -> dict[str, Any]:
    """Means over the sets, and what the targets are about."""
    methods = list(next(iter(sets.values())))
    columns = ("ari", "nmi", "stability", "least_stability")
    means = {m: {c: fmean(own[m][c] for own in sets.values()) for c in columns} for m in methods}
    margins = {name: own[OURS]["ari"] - own[DEFAULT]["ari"] for name, own in sets.items()}
    return {
        "means": means,
        "margins_to_default": margins,
        "scanpy_left_out": _left_out(sets),
        "reached": {
            "mean_ari": means[OURS]["ari"],
            "mean_nmi": means[OURS]["nmi"],
            "least_margin": min(margins.values()),
            "least_stability": min(own[OURS]["stability"] for own in sets.values()),
        },
    }


def _left_out(sets: dict[str, dict[str, Figures]]) -> float | None:
    """Mean ARI of scanpy with the resolution of ten that is best on the other sets."""
    if len(sets) < 2:
        return None
    found = []
    for name, own in sets.items():
        others = [other for key, other in sets.items() if key != name]
        methods = [f"scanpy at {resolution:g}" for resolution in TEN]
        best = max(methods, key=lambda m: fmean(other[m]["ari"] for other in others))
        found.append(own[best]["ari"])
    return fmean(found)


def _line(name: str, methods: dict[str, Figures]) -> str:
    shown = (OURS, DEFAULT, FIXED, "scanpy, best of seven", "scanpy, best of ten", "k-means")
    parts = [f"{m} {methods[m]['ari']:.3f}/{methods[m]['nmi']:.3f}" for m in shown]
    own = methods[OURS]
    stable = f"stability {own['stability']:.3f} ({own['least_stability']:.3f})"
    return f"{name:12} {', '.join(parts)}; k {own['n_clusters']}; {stable}; {own['seconds']:.1f} s"
