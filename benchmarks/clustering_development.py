"""The thresholds by which clusters are joined: where they come from, and what choosing them cost.

A grid of ``least_agreement``, ``least_distance`` and ``n_neighbors`` on simulated sets with known
types, and the same grid on the real sets. Because one threshold was set with the real sets in
view, pairs are also chosen with each real set left out: the pair with the greatest mean ARI on the
other seven is applied to the one left out.

The grid of a set is stored once scored, so that a run can be broken off and taken up.
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from benchmarks.cluster_sets import REAL, digest_of, real_set
from benchmarks.cluster_simulated import SIMULATED, simulated_set
from benchmarks.machine import write_result
from benchmarks.places import cache_folder
from benchmarks.product_clustering import defaults, joined_at, source

if TYPE_CHECKING:
    from benchmarks.cluster_sets import ClusterSet

NEIGHBORS = (15, 25, 40)
AGREEMENTS = (0.8, 0.85, 0.9, 0.95)
DISTANCES = (0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.7)
PAIRS = tuple(product(AGREEMENTS, DISTANCES))
Grid = dict[str, dict[str, float]]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks clustering-development", description=__doc__
    )
    parser.add_argument("--sets", nargs="+", choices=[*SIMULATED, *REAL])
    options = parser.parse_args(arguments)
    wanted = options.sets or [*SIMULATED, *REAL]
    grids: dict[str, Grid] = {}
    for name in wanted:
        grids[name] = _grid(real_set(name) if name in REAL else simulated_set(name))
        best = max(grids[name].values(), key=lambda row: row["ari"])
        print(f"{name:12} default {grids[name][name_of(*defaults())]} best {best}", flush=True)
    if options.sets:
        return
    simulated = {name: grid for name, grid in grids.items() if name in SIMULATED}
    real = {name: grid for name, grid in grids.items() if name in REAL}
    result = {
        "source": source(),
        "default": name_of(*defaults()),
        "simulated": _summary(simulated),
        "real": _summary(real),
        "left_out": left_out(real),
        "sets": grids,
    }
    print(json.dumps({name: result[name] for name in ("default", "left_out")}, indent=1))
    print(write_result("clustering_development", result))


def name_of(n_neighbors: int, agreement: float, distance: float) -> str:
    """Name a point of the grid."""
    return f"{n_neighbors} neighbours, {agreement:g}, {distance:g}"


def _grid(of: ClusterSet) -> Grid:
    """Score every point of the grid on a set; stored by source, cells and grid."""
    digest = digest_of(source(), of.fingerprint, NEIGHBORS, PAIRS)
    path = cache_folder("clustering_grid") / f"{of.name}-{digest}.json"
    if path.exists():
        stored: Grid = json.loads(path.read_text())
        return stored
    grid = {}
    for n_neighbors, pair, labels in joined_at(of, NEIGHBORS, PAIRS):
        grid[name_of(n_neighbors, *pair)] = {
            "ari": float(adjusted_rand_score(of.truth, labels)),
            "nmi": float(normalized_mutual_info_score(of.truth, labels)),
            "n_clusters": len(np.unique(labels)),
        }
    scratch = path.with_suffix(".part")
    scratch.write_text(json.dumps(grid))
    scratch.replace(path)
    return grid


def _summary(grids: dict[str, Grid]) -> dict[str, Any]:
    """Means over the sets at each point, and the best of them."""
    points = list(next(iter(grids.values())))
    means = {
        point: {
            figure: fmean(grid[point][figure] for grid in grids.values())
            for figure in ("ari", "nmi")
        }
        for point in points
    }
    best = max(points, key=lambda point: means[point]["ari"])
    return {"means": means, "best": best, "best_ari": means[best]["ari"]}


def left_out(grids: dict[str, Grid]) -> dict[str, Any]:
    """Choose the pair on all sets but one, and apply it to that one, for each in turn.

    The number of neighbours is that of the default, which simulated sets chose.
    """
    n_neighbors = defaults()[0]
    points = [name_of(n_neighbors, *pair) for pair in PAIRS]
    rows = []
    for name, grid in grids.items():
        others = [other for key, other in grids.items() if key != name]
        best = max(points, key=lambda point: fmean(other[point]["ari"] for other in others))
        rows.append({"set": name, "chosen": best, **grid[best]})
    figures = {f"mean_{figure}": fmean(row[figure] for row in rows) for figure in ("ari", "nmi")}
    return {**figures, "rows": rows}
