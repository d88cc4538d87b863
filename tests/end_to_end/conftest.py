"""Real cells: those inside scanpy's wheel, and the shared ones beside the checkout."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pytest

from atlash.config import AnnotateConfig, BuildConfig, TrainConfig

SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def quick():
    """Options under which learning takes seconds; the defaults are the benchmarks' matter."""
    return BuildConfig(train=TrainConfig(n_steps=100, n_folds=2), progress=False)


@pytest.fixture(scope="session")
def quiet():
    return AnnotateConfig(progress=False)


@pytest.fixture(scope="session")
def shared():
    """Open a shared file without loading its matrix, or skip."""

    def read(name):
        if not (SHARED / name).is_file():
            pytest.skip(f"{name} of the shared real data is not beside the checkout")
        return ad.read_h5ad(SHARED / name, backed="r")

    return read


@pytest.fixture(scope="session")
def some():
    """Draw at most ``n`` cells of each type and load them."""

    def draw(cells, keep, n, seed=0):
        rng = np.random.default_rng(seed)
        rows = np.flatnonzero(keep)
        labels = cells.obs["cell_type"].to_numpy()[rows]
        chosen = [rng.permutation(rows[labels == kind])[:n] for kind in np.unique(labels)]
        return cells[np.sort(np.concatenate(chosen))].to_memory()

    return draw
