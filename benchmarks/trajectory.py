"""Pseudotime of blood progenitors against the order of erythroid stages.

atlash clusters paul15 and walks on its own graph; scanpy's ``dpt`` walks on scanpy's. The root is
a cell of 7MEP, the stage before, which a user is assumed to know; the stages themselves are for
scoring. Which of its cells is the root is decided without a label in the same way for both: the
one nearest to their median place in the method's own diffusion space. Beside it, every cell of
7MEP is the root in turn, for the first seed.
"""

from __future__ import annotations

import argparse
import warnings
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
import scanpy as sc
from scipy.stats import spearmanr

from benchmarks import product_clustering
from benchmarks.cluster_sets import real_set
from benchmarks.machine import write_result
from benchmarks.peers import scanpy_clusters

if TYPE_CHECKING:
    from collections.abc import Callable

    import anndata as ad
    from numpy.typing import NDArray

    from benchmarks.cluster_sets import ClusterSet

    Times = NDArray[np.float64]
    Walk = Callable[[ad.AnnData, str | None], tuple[Times, str]]

STAGES = ("7MEP", "6Ery", "5Ery", "4Ery", "3Ery", "2Ery", "1Ery")
KIND = "stage"


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks trajectory", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="runs of each, seeds 0, 1, ...")
    options = parser.parse_args(arguments)
    of = real_set("paul15")
    runs = []
    for seed in range(options.seeds):
        for method, cells, walk in _walks(of, seed):
            runs.append({"method": method, "seed": seed, **_scored(of, cells, walk)})
            if seed == 0:
                runs[-1] |= _from_every_root(of, cells, walk)
            print(_line(runs[-1]), flush=True)
    means = {}
    for method in dict.fromkeys(row["method"] for row in runs):
        own = [row for row in runs if row["method"] == method]
        figures = {name: value for name, value in own[0].items() if isinstance(value, float)}
        means[method] = figures | {"spearman": fmean(row["spearman"] for row in own)}
    first = STAGES[0]
    counts = {
        "source": product_clustering.source(),
        "n_cells": int(np.isin(of.truth, STAGES).sum()),
        "n_roots": int((of.truth == first).sum()),
    }
    print(write_result("trajectory", {**counts, "runs": runs, "means": means}))


def _walks(of: ClusterSet, seed: int) -> list[tuple[str, ad.AnnData, Walk]]:
    """Return each method, the cells with its graph, and its pseudotime from a root."""
    ours = _with_stages(of, of.cells)
    product_clustering.clustered(ours, seed)
    theirs = _with_stages(of, scanpy_clusters.with_graph(of.cells, seed))
    sc.tl.diffmap(theirs)
    return [
        ("atlash", ours, _our_walk(product_clustering.OWN_GRAPH)),
        ("scanpy dpt", theirs, _dpt),
        ("atlash's walk on scanpy's graph", theirs, _our_walk("neighbors")),
    ]


def _with_stages(of: ClusterSet, cells: ad.AnnData) -> ad.AnnData:
    """Tell which cells may be the root, and nothing else."""
    cells.obs[KIND] = np.where(of.truth == STAGES[0], STAGES[0], "other")
    cells.obs[KIND] = cells.obs[KIND].astype("category")
    return cells


def _our_walk(graph: str) -> Walk:
    def walk(cells: ad.AnnData, root: str | None) -> tuple[Times, str]:
        start = (KIND, STAGES[0]) if root is None else root
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cells out of reach are counted
            time = product_clustering.pseudotime(cells, start, graph)
        return time, product_clustering.root_chosen(cells)

    return walk


def _dpt(cells: ad.AnnData, root: str | None) -> tuple[Times, str]:
    """Return scanpy's pseudotime, from the middle of the first stage where no root is given."""
    if root is None:
        candidates = np.flatnonzero(cells.obs[KIND] == STAGES[0])
        places = cells.obsm["X_diffmap"][candidates, 1:10]
        apart = np.square(places - np.median(places, axis=0)).sum(axis=1)
        position = int(candidates[apart.argmin()])
    else:
        position = int(cells.obs_names.get_loc(root))
    cells.uns["iroot"] = position
    sc.tl.dpt(cells, n_dcs=10)
    return np.asarray(cells.obs["dpt_pseudotime"], dtype=np.float64), cells.obs_names[position]


def _scored(of: ClusterSet, cells: ad.AnnData, walk: Walk) -> dict[str, Any]:
    """Correlate pseudotime from the chosen root with the order of stages."""
    time, root = walk(cells, None)
    return {
        "root": root,
        "spearman": _correlation(of, time),
        "n_unreached": int(np.isinf(time).sum()),
    }


def _from_every_root(of: ClusterSet, cells: ad.AnnData, walk: Walk) -> dict[str, float]:
    """Correlate pseudotime from each possible root with the order of stages."""
    roots = cells.obs_names[cells.obs[KIND] == STAGES[0]]
    of_roots = np.array([_correlation(of, walk(cells, str(name))[0]) for name in roots])
    return {
        "spearman_median_root": float(np.median(of_roots)),
        "spearman_tenth_of_roots": float(np.quantile(of_roots, 0.1)),
        "spearman_worst_root": float(of_roots.min()),
        "spearman_best_root": float(of_roots.max()),
    }


def _correlation(of: ClusterSet, time: Times) -> float:
    """Spearman's correlation with the order of stages, over the cells of all stages.

    A cell out of reach counts as later than all others.
    """
    stage = np.array([STAGES.index(name) if name in STAGES else -1 for name in of.truth])
    inside = stage >= 0
    return float(spearmanr(stage[inside], time[inside]).statistic)


def _line(row: dict[str, Any]) -> str:
    figures = " ".join(
        f"{name.removeprefix('spearman_')} {value:.4f}"
        for name, value in row.items()
        if isinstance(value, float)
    )
    return f"{row['method']:34} seed {row['seed']} {figures}; {row['n_unreached']} unreached"
