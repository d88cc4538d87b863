"""Clustering of many cells: seconds and memory against scanpy, from a file of 2,000 genes.

Cells are simulated from the parameters of pbmc4k. Each run is a process of its own with two
threads. atlash's seconds are all that it does, from opening the file to the clusters; scanpy's are
PCA, neighbours and Leiden alone, without reading and normalising.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from atlash.data.simulate import fit, write_h5ad
from benchmarks.machine import write_result
from benchmarks.memory import peak_memory
from benchmarks.places import cache_folder
from benchmarks.tasks import LABELS, load

if TYPE_CHECKING:
    from pathlib import Path

SIZES = (10_000, 100_000, 1_000_000)
METHODS = ("atlash", "scanpy")
SOURCE, SEED = "pbmc4k", 1


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks clustering-scale")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    options = parser.parse_args(arguments)
    rows = []
    for n_cells in options.sizes:
        path = _simulated(n_cells)
        for method in options.methods:
            row = {"method": method, "n_cells": n_cells, **_run(method, path)}
            rows.append(row)
            print({k: v for k, v in row.items() if k != "steps"}, flush=True)
    half = None if len(options.methods) == len(METHODS) else "_".join(options.methods)
    print(write_result("clustering_scale", {"source": SOURCE, "runs": rows}, half=half))


def _simulated(n_cells: int) -> Path:
    """Path of an ``.h5ad`` with so many simulated cells, written where missing."""
    path = cache_folder("simulated") / f"{SOURCE}_{n_cells}_seed{SEED}.h5ad"
    if not path.exists():
        model = fit(load(SOURCE), labels_key=LABELS)
        write_h5ad(path, model, n_cells, random_state=SEED)
    return path


def _run(method: str, path: Path) -> dict[str, Any]:
    """Cluster a file in a process of its own."""
    answer = cache_folder("clustering_scale") / f"{method}_{path.stem}.json"
    command = [sys.executable, "-m", "benchmarks.clustering_worker", method, str(path)]
    figures = peak_memory([*command, str(answer)])
    found = json.loads(answer.read_text())
    return {
        **found,
        "process_seconds": figures["seconds"],
        "peak_gb": figures["peak_bytes_of_tree"] / 1e9,
    }
