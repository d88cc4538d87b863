"""Clustering of many cells: seconds and memory against scanpy, from a file of 2,000 genes.

Cells are simulated from the parameters of pbmc4k. Each run is a process of its own with two
threads. atlash's seconds are all that it does, from opening the file to the clusters; scanpy's are
PCA, neighbours and Leiden alone, without reading, normalising and scaling. scanpy is run with its
default solver for PCA and with a quicker one. For a million cells z-scores are made block by block
there: made as scanpy makes them, they have no room in 24 GB.
Memory is the peak of the process and those that it starts.

Seconds mean little on a machine that is not idle: the load before each run stands beside them.
Rows of earlier runs stay in the file as long as what they measured is the same, so that sizes can
be run one by one.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

from atlash.data.simulate import fit, write_h5ad
from benchmarks import clustering_worker
from benchmarks.cluster_sets import digest_of, real_set
from benchmarks.clustering import recipe
from benchmarks.machine import merge_rows, write_result
from benchmarks.memory import peak_memory
from benchmarks.places import cache_folder
from benchmarks.product_clustering import OURS, source
from benchmarks.tasks import LABELS

SIZES = (10_000, 100_000, 1_000_000)
METHODS = (OURS, "scanpy", "scanpy-eigh")
SOURCE, SEED = "pbmc4k", 1
TARGETS = {"ratio": 0.25, "seconds_of_million": 240, "gb_of_million": 4}
NAME = "clustering_scale"


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks clustering-scale")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    options = parser.parse_args(arguments)
    for n_cells in options.sizes:
        path = simulated(n_cells)
        for method in options.methods:
            row = {"method": method, "n_cells": n_cells, **_run(method, path)}
            print(row, flush=True)
            _keep(row)


def _keep(row: dict[str, Any]) -> None:
    """Put a row into the result, among the rows that still hold."""
    sources = {method: source_of(method) for method in METHODS}
    rows = merge_rows(
        NAME,
        [row | {"source": sources[row["method"]]}],
        keys=("method", "n_cells"),
        sources=set(sources.values()),
    )
    rows.sort(key=lambda row: (row["n_cells"], METHODS.index(row["method"])))
    print(write_result(NAME, {"data": SOURCE, "targets": TARGETS, "runs": rows}))


def source_of(method: str) -> str:
    """Digest of what the figures of a method depend on."""
    worker = Path(clustering_worker.__file__)
    return digest_of(worker, source() if method == OURS else recipe())


def simulated(n_cells: int) -> Path:
    """Path of an ``.h5ad`` with so many simulated cells, written where missing."""
    path = cache_folder("simulated") / f"{SOURCE}_{n_cells}_seed{SEED}.h5ad"
    if not path.exists():
        start = perf_counter()
        of = real_set(SOURCE)
        cells = of.cells
        cells.obs[LABELS] = of.truth
        write_h5ad(path, fit(cells, labels_key=LABELS), n_cells, random_state=SEED)
        print(f"wrote {path.name} in {perf_counter() - start:.1f} s", flush=True)
    return path


def _run(method: str, path: Path) -> dict[str, Any]:
    """Cluster a file in a process of its own."""
    answer = cache_folder("clustering_scale") / f"{method}_{path.stem}.json"
    command = [sys.executable, "-m", "benchmarks.clustering_worker", method, str(path)]
    load = os.getloadavg()[0]
    figures = peak_memory([*command, str(answer)])
    found = json.loads(answer.read_text())
    peak = max(figures["peak_bytes_of_tree"], figures["peak_bytes_of_process"])
    return {
        **found,
        "process_seconds": figures["seconds"],
        "peak_gb": peak / 1e9,
        "load_before": load,
    }
