"""Runs inside CellTypist's own environment: trains, predicts and times, and writes an ``.npz``.

It imports nothing of atlash or of the other benchmarks. Usage::

    celltypist_worker.py predict TRAIN.h5ad TEST.h5ad ANSWER.npz
    celltypist_worker.py time TRAIN.h5ad TEST.h5ad ANSWER.npz RUNS
"""

from __future__ import annotations

import sys
from time import perf_counter
from typing import TYPE_CHECKING

import anndata as ad
import celltypist
import numpy as np
import scanpy as sc

if TYPE_CHECKING:
    from celltypist.models import Model

LABELS = "cell_type"


def main(action: str, train_path: str, test_path: str, answer_path: str, runs: str = "1") -> None:
    """Train on one file, annotate the other as often as asked, write labels and seconds."""
    np.random.seed(0)  # noqa: NPY002 - CellTypist draws from the global generator
    start = perf_counter()
    train = normalised(ad.read_h5ad(train_path))
    model = celltypist.train(train, labels=LABELS, check_expression=False, feature_selection=True)
    fit_seconds = perf_counter() - start
    cells = ad.read_h5ad(test_path)
    timings = [annotate(cells.copy(), model) for _ in range(int(runs))]
    answer = timings[-1][2]
    if action == "predict":
        seconds = [fit_seconds, timings[-1][0] + timings[-1][1]]
    else:
        seconds = [fit_seconds, *(part for timing in timings for part in timing[:2])]
    np.savez(
        answer_path,
        labels=np.asarray(answer.predicted_labels["predicted_labels"], dtype=str),
        confidence=answer.probability_matrix.to_numpy(dtype=float).max(axis=1),
        seconds=np.array(seconds),
        version=np.array(celltypist.__version__),
    )


def annotate(cells: ad.AnnData, model: Model) -> tuple[float, float, object]:
    """Return the seconds of normalising, those of annotating, and the answer."""
    start = perf_counter()
    normalised(cells)
    ready = perf_counter()
    answer = celltypist.annotate(cells, model=model, majority_voting=False)
    return ready - start, perf_counter() - ready, answer


def normalised(cells: ad.AnnData) -> ad.AnnData:
    """Scale every cell to 10,000 counts and take log1p, in place, as CellTypist asks."""
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    return cells


if __name__ == "__main__":
    main(*sys.argv[1:])
