"""How many buckets: clusters of the simulated development sets with fewer buckets and more.

Cells of a bucket are never parted, so that many buckets keep what is fine and few keep noise from
joining what is apart. The number is the best of four here, on the mean over all sets; types are
known, and depth varies as in real cells.
"""

from __future__ import annotations

import argparse
from statistics import fmean
from typing import Any

import numpy as np
from sklearn.metrics import adjusted_rand_score

from atlash.config import ClusterConfig
from benchmarks.cluster_simulated import SIMULATED, simulated_set
from benchmarks.machine import write_result
from benchmarks.product_clustering import OURS, Variant, source, varied

N_BUCKETS = (512, 1024, 2048, 4096)
Row = dict[str, Any]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks clustering-buckets", description=__doc__
    )
    parser.parse_args(arguments)
    rows = [_row(name, n_buckets) for name in SIMULATED for n_buckets in N_BUCKETS]
    means = {
        str(n_buckets): fmean(row["ari"] for row in rows if row["n_buckets"] == n_buckets)
        for n_buckets in N_BUCKETS
    }
    result = {
        "source": source(),
        "default": ClusterConfig().n_buckets,
        "mean_ari": means,
        "runs": rows,
    }
    print(means, write_result("clustering_buckets", result))


def _row(name: str, n_buckets: int) -> Row:
    of = simulated_set(name)
    found = varied(of, 0, Variant(ClusterConfig(n_buckets=n_buckets)))
    labels = found.labels[OURS]
    row = {
        "set": name,
        "n_buckets": n_buckets,
        "n_cells": len(labels),
        "ari": float(adjusted_rand_score(of.truth, labels)),
        "n_clusters": len(np.unique(labels)),
        "seconds": found.seconds,
    }
    print(row, flush=True)
    return row
