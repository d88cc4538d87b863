"""Reach: the share of cells of known types that are called out of reach at the default mark.

Each query is taken as it is, with genes left out, and with its counts thinned: a reference sets
its mark on its own cells, so what it loses elsewhere has to be measured.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from benchmarks.machine import write_result
from benchmarks.product import build, label
from benchmarks.tasks import annotation_tasks

if TYPE_CHECKING:
    from collections.abc import Callable

    import anndata as ad

SPLITS = (
    "zheng_to_pbmc3k",
    "pbmc3k_to_zheng",
    "kang/101",
    "sc_mixology/sc_dropseq",
    "haber/fold0",
)


def _as_it_is(query: ad.AnnData) -> ad.AnnData:
    return query


def _fewer_genes(query: ad.AnnData) -> ad.AnnData:
    kept = np.random.default_rng(0).random(query.n_vars) < 0.7
    return query[:, kept].copy()


def _shallower(query: ad.AnnData) -> ad.AnnData:
    rng = np.random.default_rng(0)
    thinned = query.copy()
    counts = sp.csr_matrix(query.X)
    counts.data = rng.binomial(np.rint(counts.data).astype(np.int64), 0.4).astype(np.float32)
    thinned.X = counts
    return thinned


QUERIES: dict[str, Callable[[ad.AnnData], ad.AnnData]] = {
    "as it is": _as_it_is,
    "70 % of the genes": _fewer_genes,
    "40 % of the counts": _shallower,
}


def main(arguments: list[str]) -> None:
    argparse.ArgumentParser(prog="python -m benchmarks reach", description=__doc__).parse_args(
        arguments
    )
    rows: list[dict[str, Any]] = []
    for task in annotation_tasks():
        if task.name not in SPLITS:
            continue
        reference = build(task.train, task.batch_key)
        for name, change in QUERIES.items():
            query = change(task.test)
            label(query, reference)
            reason = np.asarray(query.obs["atlash_reason"], dtype=str)[task.known]
            nearest = np.asarray(query.obs["atlash_nearest"], dtype=str)[task.known]
            rows.append(
                {
                    "task": task.name,
                    "query": name,
                    "n_cells": int(task.known.sum()),
                    "out_of_reach": float((reason == "out of reach").mean()),
                    "between_types": float((reason == "between types").mean()),
                    "accuracy_of_nearest": float((nearest == task.truth[task.known]).mean()),
                }
            )
            print(rows[-1], flush=True)
    print(write_result("reach", {"runs": rows}))
