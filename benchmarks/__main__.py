"""Run one benchmark: ``python -m benchmarks <name> [options]``."""

from __future__ import annotations

import os
import sys
from importlib import import_module

BENCHMARKS = {
    "annotation": "benchmarks.annotation",
    "calibration": "benchmarks.calibration",
    "unknown-types": "benchmarks.unknown_types",
    "new-types": "benchmarks.new_types",
    "reach": "benchmarks.reach",
    "speed": "benchmarks.speed",
    "memory": "benchmarks.memory",
    "startup": "benchmarks.startup",
    "ablations": "benchmarks.ablations",
    "development": "benchmarks.development",
    "development-loss": "benchmarks.development_loss",
    "development-tail-loss": "benchmarks.development_tail_loss",
    "development-augmentation": "benchmarks.development_augmentation",
    "hierarchy": "benchmarks.hierarchy",
    "hierarchy-development": "benchmarks.hierarchy_development",
    "search-quality": "benchmarks.search_quality",
    "search": "benchmarks.search",
    "search-kernel": "benchmarks.search_kernel",
    "clustering": "benchmarks.clustering",
    "clustering-ablation": "benchmarks.clustering_ablation",
    "clustering-scale": "benchmarks.clustering_scale",
    "clustering-rare": "benchmarks.clustering_rare",
    "clustering-rare-batches": "benchmarks.clustering_rare_batches",
    "clustering-buckets": "benchmarks.clustering_buckets",
    "clustering-depth": "benchmarks.clustering_depth",
    "clustering-development": "benchmarks.clustering_development",
    "trajectory": "benchmarks.trajectory",
    "clustering-batches": "benchmarks.clustering_batches",
    "integration": "benchmarks.integration",
    "long-tail": "benchmarks.long_tail",
    "long-tail-development": "benchmarks.long_tail_development",
    "few-labels": "benchmarks.few_labels",
    "pretraining": "benchmarks.pretraining",
    "cost": "benchmarks.cost",
    "report": "benchmarks.report",
    "celltypist-env": "benchmarks.peers.celltypist",
}
TWO_CORES = {
    "clustering-scale",
    "cost",
    "pretraining",
    "search",
    "speed",
    "memory",
    "search-kernel",
}
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


def main() -> None:
    """Set the threads before any numeric library is imported, then run the benchmark named."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] not in BENCHMARKS:
        msg = f"usage: python -m benchmarks {{{','.join(BENCHMARKS)}}} [options]"
        raise SystemExit(msg)
    for variable in THREAD_VARIABLES:
        os.environ.setdefault(variable, "2" if arguments[0] in TWO_CORES else "1")
    import_module(BENCHMARKS[arguments[0]]).main(arguments[1:])


if __name__ == "__main__":
    main()
