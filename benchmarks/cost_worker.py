"""One step of learning or annotating: ``python -m benchmarks.cost_worker``.

Arguments are the step, an encoder, the folder that steps share, and where to write the answer as
JSON. Compiled code is there before the clock starts. Seconds are the processor's: with one thread
those that pass, also where other work runs beside.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING

import anndata as ad

import atlash
from benchmarks.places import data_root
from benchmarks.product import label, load_reference, save, threads
from benchmarks.simulated import simulated_query
from benchmarks.tasks import BATCH, FILES, LABELS, load

if TYPE_CHECKING:
    from collections.abc import Callable

DATASET = "pbmc_cross"
TOKENS = {"Transformer, 128 tokens": 128, "Transformer, 512 tokens": 512}
HASH_ENCODER = "hash encoder"
N_STEPS = 12
"""Optimiser steps of pre-training that are timed."""
N_QUERY = {HASH_ENCODER: 50_000}
N_QUERY_TRANSFORMER = 1000
N_WARM = 64
Figures = dict[str, float]


def main() -> None:
    step, encoder, folder, answer = sys.argv[1:]
    figures = STEPS[step](encoder, Path(folder))
    Path(answer).write_text(json.dumps(figures))


def pre_train(encoder: str, folder: Path) -> Figures:
    """Time some steps, less what a run of one step takes; leave an encoder of one step there."""
    seconds = []
    for n_steps in (1 + N_STEPS, 1 + N_STEPS, 1):  # the first also compiles
        place = _place(encoder, folder, "encoder")
        shutil.rmtree(place, ignore_errors=True)
        config = atlash.PretrainConfig(
            model=atlash.TransformerConfig(n_tokens=TOKENS[encoder]),
            n_genes=4000,
            n_steps=n_steps,
            n_threads=threads(),
            progress=False,
        )
        start = process_time()
        cells = data_root() / FILES[DATASET]
        atlash.PretrainedEncoder.pretrain(cells, place, config=config)
        seconds.append(process_time() - start)
    spent = seconds[1] - seconds[2]
    return {"seconds": spent, "cells_a_second": N_STEPS * config.batch_size / spent}


def build(encoder: str, folder: Path) -> Figures:
    """Time the building of a reference, by the defaults, and save it."""
    config = atlash.BuildConfig(n_threads=threads(), progress=False)
    if encoder in TOKENS:
        config = replace(config, encoder=str(_place(encoder, folder, "encoder")))
    cells = load(DATASET)
    start = process_time()
    reference = atlash.Reference.build(cells, LABELS, BATCH, config=config)
    spent = process_time() - start
    save(reference, _place(encoder, folder, "reference"))
    return {"seconds": spent, "cells_a_second": cells.n_obs / spent}


def annotate(encoder: str, folder: Path) -> Figures:
    """Time the annotation of simulated cells that are in memory."""
    reference = load_reference(_place(encoder, folder, "reference"), verify=False)
    n_cells = N_QUERY.get(encoder, N_QUERY_TRANSFORMER)
    query = ad.read_h5ad(simulated_query(N_QUERY[HASH_ENCODER]))[:n_cells].copy()
    label(query[:N_WARM].copy(), reference)
    start = process_time()
    label(query, reference)
    spent = process_time() - start
    return {"seconds": spent, "cells_a_second": n_cells / spent}


def _place(encoder: str, folder: Path, kind: str) -> Path:
    return folder / f"{kind}, {encoder}"


STEPS: dict[str, Callable[[str, Path], Figures]] = {
    "pre-train": pre_train,
    "build": build,
    "annotate": annotate,
}

if __name__ == "__main__":
    main()
