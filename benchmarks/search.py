"""Search end to end: 10 million cells on disk, filters, memory, adding, and where time goes.

The kernel alone is measured by ``search-kernel``, the quality of codes by ``search-quality``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np

from benchmarks.machine import write_result
from benchmarks.places import cache_folder
from benchmarks.product import (
    add,
    build,
    codes_in,
    load_reference,
    many_cells,
    query_codes,
    save,
    search,
)
from benchmarks.simulated import simulated_query
from benchmarks.tasks import BATCH, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

N_CELLS = 10_000_000
N_FEW = 1_000_000
N_QUERIES = 1000
N_ADDED = 10_000
FILTER = "tissue = 'tissue07'"  # 2 % of the cells
K = 50
N_CHECKED = 20


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks search", description=__doc__)
    parser.add_argument("--cells", type=int, default=N_CELLS)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--searcher", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.searcher is not None:
        _search_and_report(options.searcher)
        return
    paths = {n: cache_folder("search") / f"{n}.atlash" for n in (N_FEW, options.cells)}
    own = build(load("pbmc_cross"), BATCH)
    for n, path in paths.items():
        save(many_cells(own, n, seed=0), path)
    large = paths[options.cells]
    result = {
        "n_cells": options.cells,
        "on_disk": _on_disk(large, options.cells, options.runs),
        "filter": _filter(large, options.runs),
        "in_a_process_of_its_own": _alone(large),
        "add": {str(n): _add(path, options.runs) for n, path in paths.items()},
        "end_to_end": _end_to_end(paths[N_FEW], options.runs),
    }
    for name, figures in result.items():
        print(name, figures)
    print(write_result("search", result))
    for path in paths.values():
        shutil.rmtree(path)


def _on_disk(path: Path, n_cells: int, runs: int) -> dict[str, Any]:
    size, ids = _bytes_in(path), _bytes_in(path / "ids")
    parts = {
        "open_verified": _seconds(lambda: load_reference(path, verify=True), runs),
        "open": _seconds(lambda: load_reference(path, verify=False), runs),
    }
    first = perf_counter()
    load_reference(path, verify=False).index.planes.sum()
    made = perf_counter() - first
    parts["planes_cached"] = _seconds(
        lambda: load_reference(path, verify=False).index.planes.shape, runs
    )
    return {
        "bytes_a_cell": (size - ids) / n_cells,
        "planes_bytes_a_cell": _bytes_in(path / "planes") / n_cells,
        "ids_bytes_a_cell": ids / n_cells,
        "planes_made_seconds": made,
        **parts,
    }


def _bytes_in(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _queries(n: int) -> ad.AnnData:
    cells = ad.read_h5ad(simulated_query(50_000), backed="r")[:n].to_memory()
    cells.obs = cells.obs[[]]
    return cells


def _filter(path: Path, runs: int) -> dict[str, Any]:
    """Time of the first query under a filter, and of each further one in its batch."""
    reference = load_reference(path, verify=False)
    reference.index.planes.sum()  # read before the clock starts
    one, many = _queries(1), _queries(N_QUERIES)
    search(one, reference, K, where=FILTER)  # compiles what is not in the cache
    firsts, batches = [], []
    for _ in range(runs):
        firsts.append(_search_seconds(lambda: search(one, reference, K, where=FILTER)))
        batches.append(_search_seconds(lambda: search(many, reference, K, where=FILTER)))
    few = many[:N_CHECKED].copy()
    hits = search(few, reference, K, where=FILTER, ranking="code")
    return {
        "where": FILTER,
        "n_candidates": hits.info["n_candidates"],
        "first_query_seconds": firsts,
        "batch_seconds": batches,
        "further_query_seconds": (median(batches) - median(firsts)) / (N_QUERIES - 1),
        "recall": _recall(hits, query_codes(few, reference), reference),
    }


def _search_seconds(action: Callable[[], Any]) -> float:
    """Seconds of the search, the predicate included, encoding not."""
    return float(action().info["seconds"]["search"])


def _recall(hits: Any, codes: NDArray[np.uint8], reference: Any) -> float:  # noqa: ANN401
    """Share of the true nearest distances that were found, by comparing all bits."""
    candidates = codes_in(reference, hits.background)
    right = []
    for query, code in enumerate(codes):
        found = np.sort(hits.distances[slice(*hits.bounds[query : query + 2])])
        true = np.sort(np.bitwise_count(candidates ^ code).sum(axis=1))[:K]
        right.append(np.mean(found == true))
    return float(np.mean(right))


def _alone(path: Path) -> dict[str, Any]:
    """Peak memory of a process that opens the reference and searches it."""
    command = [sys.executable, "-m", "benchmarks", "search", "--searcher", str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _search_and_report(path: Path) -> None:
    query = _queries(10)
    before = _peak_mb()
    start = perf_counter()
    reference = load_reference(path, verify=False)
    search(query, reference, K)
    first = perf_counter() - start
    figures = {
        "peak_mb": _peak_mb(),
        "peak_mb_before": before,
        "open_and_first_search_seconds": first,
    }
    print(json.dumps(figures))


def _peak_mb() -> float:
    """Greatest resident memory of this process since it started, mapped files included."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def _add(path: Path, runs: int) -> dict[str, Any]:
    """Seconds to add 10,000 cells, counts to committed version, each time with other ids."""
    seconds = []
    reference = load_reference(path, verify=False)
    for run in range(runs + 1):
        cells = _queries(N_ADDED)
        cells.obs_names = [f"added{run}_{row}" for row in range(N_ADDED)]
        start = perf_counter()
        add(reference, cells)
        seconds.append(perf_counter() - start)
    return {
        "first_seconds": seconds[0],
        "seconds": seconds[1:],
        "cells_per_second": N_ADDED / median(seconds[1:]),
    }


def _end_to_end(path: Path, runs: int) -> dict[str, Any]:
    """Query counts to a table of hits, with the share of each step."""
    reference = load_reference(path, verify=False)
    query = _queries(N_ADDED)
    search(query[:100].copy(), reference, K)
    rows = []
    for _ in range(runs):
        start = perf_counter()
        hits = search(query, reference, K)
        searched = perf_counter()
        hits.to_arrow(["cell_id", "label", "tissue", "donor"])
        parts = {**hits.info["seconds"], "metadata": perf_counter() - searched}
        rows.append({**parts, "total": perf_counter() - start})
    return {"n_queries": N_ADDED, "k": K, "runs": rows} | {
        f"median_{part}": median(row[part] for row in rows) for part in rows[0]
    }


def _seconds(action: Callable[[], object], runs: int) -> list[float]:
    timings = []
    for _ in range(runs):
        start = perf_counter()
        action()
        timings.append(perf_counter() - start)
    return timings
