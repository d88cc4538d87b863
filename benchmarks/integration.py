"""Integration: batches brought together by atlash, by Harmony, and not at all.

All three start from the same places and go through the same clustering; what differs is how
places are moved. The halves of a cell's counts, by which clusters are compared, move with the
cell. Labels are used for scores alone. Mixing within types is scored beside mixing of all cells,
because types that one batch alone holds cannot mix, and over-mixing raises the latter.
"""

from __future__ import annotations

import argparse
from statistics import fmean
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from benchmarks.machine import version_of, write_result
from benchmarks.tasks import BATCH, LABELS, load

if TYPE_CHECKING:
    import anndata as ad
    from numpy.typing import NDArray

    from atlash.clustering.mixing import Mixing
    from atlash.clustering.places import Places
    from atlash.clustering.sketch import Sketch
    from atlash.config import ClusterConfig

DATASETS = ("sc_mixology", "pbmc_cross", "kang")
METHODS = ("none", "harmonypy", "atlash")
N_SEEDS = 10
N_NEAR = 50
"""Nearest cells in which batches are counted."""
LEAST_OF_TYPE = 50
"""Cells of a type in each of two batches, from which its mixing is scored."""
MAX_OF_CLUSTER = 2000
Row = dict[str, Any]


class Cells(NamedTuple):
    """The cells of one data set, on axes, in the order of what they hold."""

    sketch: Sketch
    on_axes: Places
    measured: NDArray[np.float32]
    """Places as the counts give them."""
    places: NDArray[np.float32]
    """Places at one depth, from which all methods start."""
    batches: NDArray[np.int32]
    types: NDArray[np.str_]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks integration", description=__doc__)
    parser.add_argument("--datasets", nargs="+", choices=DATASETS, default=list(DATASETS))
    parser.add_argument("--seeds", type=int, default=N_SEEDS, help="runs of each method")
    options = parser.parse_args(arguments)
    rows = []
    for dataset in options.datasets:
        cells = read(load(dataset))
        for method in METHODS:
            row = {"dataset": dataset, "method": method, **score(cells, method, options.seeds)}
            rows.append(row)
            print({name: _short(value) for name, value in row.items()}, flush=True)
    result = {"n_seeds": options.seeds, "harmonypy": version_of("harmonypy"), "rows": rows}
    print(write_result("integration", result | {"claims": claims(rows)}))


def read(adata: ad.AnnData) -> Cells:
    """Place the cells as clustering does."""
    from atlash.clustering.axes import learn_axes
    from atlash.clustering.depth import at_one_depth, depth_effect, depth_of
    from atlash.clustering.genes import survey
    from atlash.clustering.places import places_on
    from atlash.clustering.sketch import join, keep, keys_of
    from atlash.config import InputConfig
    from atlash.data.source import open_source

    config = _config()
    batches = np.asarray(adata.obs[BATCH].astype("category").cat.codes, dtype=np.int32)
    found = survey(open_source(adata, None), batches, inputs=InputConfig(), config=config)
    axes, few = learn_axes(found, config)
    filled = np.flatnonzero(found.library > 0)
    parts = []
    for start in range(0, len(filled), config.chunk_size):
        part = found.bound.rows(filled[start : start + config.chunk_size])
        parts.append(
            keep(found.bound, part, key=keys_of(part.X), chosen=np.ones(part.X.shape[0], bool))
        )
    sketch = join(parts)
    on_axes = places_on(axes.matrix, found.genes)
    types = np.asarray(adata.obs[LABELS], dtype=str)[sketch.rows]
    measured = on_axes.of(sketch.logged)
    depth = depth_of(found.library, found.bound)[sketch.rows]
    places = at_one_depth(measured, depth, depth_effect(few, on_axes))
    return Cells(sketch, on_axes, measured, places, batches[sketch.rows], types)


def score(cells: Cells, method: str, n_seeds: int) -> Row:
    """Return the means over seeds of all figures of one method."""
    runs = []
    for seed in range(n_seeds):
        start = perf_counter()
        places = _moved(cells, method, seed)
        seconds = perf_counter() - start
        clusters = _cluster(cells, places, seed)
        runs.append(
            {
                "ari": float(adjusted_rand_score(cells.types, clusters)),
                "nmi": float(normalized_mutual_info_score(cells.types, clusters)),
                "n_clusters": len(np.unique(clusters)),
                **_mixing(cells, places),
                "seconds": seconds,
            }
        )
    return {name: fmean(run[name] for run in runs) for name in runs[0]}


def claims(rows: list[Row]) -> list[Row]:
    """Tell for each data set what was to be reached, and by how much it was."""
    found = []
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        of = {row["method"]: row for row in rows if row["dataset"] == dataset}
        ours, harmony = of["atlash"], of["harmonypy"]
        found.append(
            {
                "dataset": dataset,
                "ari_over_better_peer": ours["ari"] - max(of["none"]["ari"], harmony["ari"]),
                "ilisi_over_harmonypy": ours["ilisi"] - harmony["ilisi"],
            }
        )
    return found


def _config() -> ClusterConfig:
    from atlash.config import ClusterConfig

    return ClusterConfig(progress=False, n_threads=1)


def _moved(cells: Cells, method: str, seed: int) -> NDArray[np.float32]:
    from atlash.clustering.batches import correct
    from benchmarks.peers.harmony import harmony

    if method == "none":
        return cells.places
    if method == "harmonypy":
        return harmony(cells.places, cells.batches, seed)
    return correct(cells.places, cells.batches, n_threads=1).places


def _cluster(cells: Cells, places: NDArray[np.float32], seed: int) -> NDArray[np.int32]:
    """Cluster as :func:`atlash.clustering.fitting.fit` does, from moved places."""
    from atlash.clustering.distinct import Evidence, join_clusters, shared_variance
    from atlash.clustering.division import RESOLUTION
    from atlash.clustering.partition import divide, into_buckets, join_cells

    config = _config()
    buckets = into_buckets(places, config)
    graph = join_cells(places, buckets, config)
    found = divide(graph, buckets, config, resolution=RESOLUTION, random_state=seed)
    labels = found.labels[buckets.of_cell]
    shift = places.astype(np.float64) - cells.measured
    halves = []
    for split in range(config.n_splits):
        first, second = cells.sketch.halves(cells.on_axes, split)
        halves.append((first + shift, second + shift))
    few = _some_of_each(labels)
    evidence = Evidence(
        rows=cells.sketch.rows[few],
        places=places[few].astype(np.float64),
        halves=[(first[few], second[few]) for first, second in halves],
        variance=fmean(shared_variance(*pair) for pair in halves),
    )
    joined, _ = join_clusters(
        evidence,
        labels[few],
        least_agreement=config.least_agreement,
        least_distance=config.least_distance,
    )
    return joined[labels]


def _some_of_each(labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return rows of at most 2,000 cells of each cluster, evenly spaced."""
    picked = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        n = min(MAX_OF_CLUSTER, len(members))
        picked.append(members[np.arange(n) * len(members) // n])
    return np.concatenate(picked)


def _mixing(cells: Cells, places: NDArray[np.float32]) -> dict[str, float]:
    from atlash.clustering.mixing import kept_neighbours

    whole = mixing_of(places, cells.batches)
    within = []
    for name in np.unique(cells.types):
        rows = np.flatnonzero(cells.types == name)
        sizes = np.bincount(cells.batches[rows])
        if (sizes >= LEAST_OF_TYPE).sum() > 1:
            within.append(mixing_of(places[rows], cells.batches[rows]).entropy)
    return {
        "ilisi": whole.ilisi,
        "entropy": whole.entropy,
        "accepted": whole.kbet,
        "entropy_within_types": fmean(within),
        "kept_neighbours": kept_neighbours(cells.places, places, cells.batches, n_threads=1),
    }


def mixing_of(places: NDArray[np.float32], batches: NDArray[np.int32]) -> Mixing:
    """Return how batches mix among the 50 nearest of each cell."""
    from atlash.clustering.mixing import mixing
    from atlash.graph.neighbours import nearest

    return mixing(nearest(places, n_neighbors=N_NEAR, n_threads=1).rows, batches)


def _short(value: object) -> object:
    return round(value, 3) if isinstance(value, float) else value
