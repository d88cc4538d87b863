"""Large queries, simulated from the parameters of pbmc_cross and kept in the cache."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from atlash.data.simulate import fit, write_h5ad
from benchmarks.places import cache_folder
from benchmarks.tasks import BATCH, LABELS, load

if TYPE_CHECKING:
    from pathlib import Path

SEED = 0
DEPTH_FACTOR = 1.15  # brings the density of 13,356 genes from 5.3 to 6 %


def simulated_query(n_cells: int) -> Path:
    """Path of an ``.h5ad`` with so many simulated cells, written where missing."""
    path = cache_folder("simulated") / f"pbmc_cross_{n_cells}_seed{SEED}.h5ad"
    if not path.exists():
        model = fit(load("pbmc_cross"), labels_key=LABELS, batch_key=BATCH)
        deeper = replace(model, log_depth_mean=model.log_depth_mean + np.log(DEPTH_FACTOR))
        write_h5ad(path, deeper, n_cells, random_state=SEED)
    return path
