"""Clusters of cells of uneven depth, which nothing but sequencing tells apart.

Development sets are drawn again: as they are, with half of the cells at .4 of their depth, as two
runs give it, and with depth that varies twice as much. The runs are drawn without regard to type.
atlash takes off places what depth does to them (``even_depth``), and is shown without that, too.
The eight real sets tell what it costs where no unevenness is known of.
"""

from __future__ import annotations

import argparse
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import adjusted_rand_score

import atlash
from atlash.config import ClusterConfig
from benchmarks.cluster_sets import REAL, real_set
from benchmarks.cluster_simulated import DEPTH_SPREAD, SIMULATED, simulated_set
from benchmarks.clustering import recipe
from benchmarks.machine import write_result
from benchmarks.peers.scanpy_clusters import leiden, with_graph
from benchmarks.product_clustering import Variant, clustered, source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from benchmarks.cluster_sets import ClusterSet

SETS = ("d0", "d2", "p0")
SHALLOW = 0.4
"""Depth of the second run, over that of the first."""
RUN = "run"
AS_IT_IS = "real sets"
Row = dict[str, Any]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks clustering-depth", description=__doc__
    )
    parser.add_argument("--sets", nargs="+", choices=SIMULATED, default=list(SETS))
    parser.add_argument("--real", nargs="*", choices=REAL, default=list(REAL))
    options = parser.parse_args(arguments)
    rows: list[Row] = []
    for name in options.sets:
        for depth, of in _drawn(name).items():
            rows += (_row(of, depth, *found) for found in _clusters(of, depth))
    for name in options.real:
        of = real_set(name)
        rows += (_row(of, AS_IT_IS, *found) for found in _ours(of))
    result = {"source": source(), "peer": recipe(), "runs": rows, "means": means(rows)}
    print(write_result("clustering_depth", result))


def _row(of: ClusterSet, depth: str, method: str, labels: NDArray[np.int32]) -> Row:
    row = {
        "set": of.name,
        "depth": depth,
        "method": method,
        "ari": float(adjusted_rand_score(of.truth, labels)),
        "n_clusters": len(np.unique(labels)),
        "n_types": len(np.unique(of.truth)),
    }
    print(row, flush=True)
    return row


def means(rows: list[Row]) -> list[Row]:
    """Return the mean ARI over sets of each method at each kind of depth."""
    cases = dict.fromkeys((row["method"], row["depth"]) for row in rows)
    return [
        {
            "method": method,
            "depth": depth,
            "ari": fmean(r["ari"] for r in rows if (r["method"], r["depth"]) == (method, depth)),
        }
        for method, depth in cases
    ]


def runs_of(n_cells: int) -> NDArray[np.int64]:
    """Return which of two runs each cell is from ``(n_cells,)``."""
    return np.random.default_rng(1).integers(0, 2, n_cells)


def _drawn(name: str) -> dict[str, ClusterSet]:
    def two_runs(n_cells: int) -> NDArray[np.float64]:
        return np.where(runs_of(n_cells) == 1, SHALLOW, 1.0)

    def broad(n_cells: int) -> NDArray[np.float64]:
        # with the spread that is there: twice as much in all
        more = np.random.default_rng(2).normal(0, np.sqrt(3) * DEPTH_SPREAD, n_cells)
        return np.exp(more)

    return {
        "even": simulated_set(name),
        "two runs": simulated_set(name, factors=two_runs),
        "twice as broad": simulated_set(name, factors=broad),
    }


def _clusters(of: ClusterSet, depth: str) -> Iterator[tuple[str, NDArray[np.int32]]]:
    """Yield the clusters of each method."""
    yield from _ours(of)
    if depth == "two runs":
        cells = of.cells
        cells.obs[RUN] = runs_of(cells.n_obs).astype(str)
        config = ClusterConfig(n_threads=1, progress=False)
        atlash.tl.cluster(cells, batch_key=RUN, config=config)
        codes = cells.obs["atlash_cluster"].cat.codes
        yield "atlash, runs as batches", np.asarray(codes, dtype=np.int32)
    graph = with_graph(of.cells, 0)
    for resolution in (1.0, 0.3):
        yield f"scanpy at {resolution:g}", leiden(graph, resolution, 0)


def _ours(of: ClusterSet) -> Iterator[tuple[str, NDArray[np.int32]]]:
    yield "atlash", clustered(of.cells, 0)
    yield (
        "atlash, depth as it is",
        clustered(of.cells, 0, Variant(ClusterConfig(even_depth=False))),
    )
