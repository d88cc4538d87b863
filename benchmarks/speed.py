"""Speed: cells annotated a second against CellTypist on the same AnnData, and time to build.

Cells are in memory and models loaded before the clock starts. Both methods start from raw counts:
CellTypist's time without the normalisation that it asks of its users is given as well. Run it on
two otherwise idle cores.
"""

from __future__ import annotations

import argparse
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np

from benchmarks.machine import write_result
from benchmarks.peers.celltypist import environment_versions, run_worker
from benchmarks.places import cache_folder
from benchmarks.product import build, label
from benchmarks.simulated import simulated_query
from benchmarks.tasks import BATCH, LABELS, load

if TYPE_CHECKING:
    from collections.abc import Callable

N_CELLS = 50_000
RUNS = 5


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks speed", description=__doc__)
    parser.add_argument("--cells", type=int, default=N_CELLS)
    parser.add_argument("--runs", type=int, default=RUNS)
    options = parser.parse_args(arguments)
    result = {
        "annotate": _annotate(options.cells, options.runs),
        "build_kang": _build_kang(options.runs),
    }
    for name, figures in result.items():
        print(name, figures)
    print(write_result("speed", result))


def _annotate(n_cells: int, runs: int) -> dict[str, Any]:
    path = simulated_query(n_cells)
    query = ad.read_h5ad(path)
    reference = build(load("pbmc_cross"), BATCH)
    bare = query.obs[[]]

    def once() -> None:
        query.obs = bare.copy()
        label(query, reference)

    ours = _seconds(once, runs, warm_up=True)
    theirs, theirs_alone = _celltypist(str(path), runs)
    return {
        "celltypist_environment": environment_versions(),
        "n_cells": n_cells,
        "n_genes": query.n_vars,
        "density": query.X.nnz / (query.n_obs * query.n_vars),
        "atlash_seconds": ours,
        "atlash_cells_per_second": n_cells / median(ours),
        "celltypist_seconds": theirs,
        "celltypist_cells_per_second": n_cells / median(theirs),
        "celltypist_seconds_normalised_before": theirs_alone,
        "ratio": median(theirs) / median(ours),
        "ratio_normalised_before": median(theirs_alone) / median(ours),
    }


def _celltypist(query: str, runs: int) -> tuple[list[float], list[float]]:
    """Seconds of normalising and annotating, and of annotating alone, run by run."""
    folder = cache_folder("speed")
    train, answer = folder / "train.h5ad", folder / "answer.npz"
    cells = load("pbmc_cross").copy()
    cells.obs = cells.obs[[LABELS]]
    cells.write_h5ad(train)
    run_worker("time", str(train), query, str(answer), str(runs))
    with np.load(answer, allow_pickle=False) as stored:
        parts = stored["seconds"][1:].reshape(runs, 2)
    return parts.sum(axis=1).tolist(), parts[:, 1].tolist()


def _build_kang(runs: int) -> dict[str, Any]:
    cells = load("kang")
    seconds = _seconds(lambda: build(cells, BATCH), min(runs, 3), warm_up=False)
    return {"n_cells": cells.n_obs, "seconds": seconds, "median_seconds": median(seconds)}


def _seconds(action: Callable[[], object], runs: int, *, warm_up: bool) -> list[float]:
    """Time an action; a first run, which compiles kernels, is not counted when asked."""
    if warm_up:
        action()
    timings = []
    for _ in range(runs):
        start = perf_counter()
        action()
        timings.append(perf_counter() - start)
    return timings
