"""Small cells that the tests of this room share."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from atlash.clustering.learned import LearningCells

N_TYPES, N_DIMS, N_GENES = 4, 6, 30


@pytest.fixture(scope="session")
def types():
    """Type of each of 240 cells."""
    return np.arange(240) % N_TYPES


@pytest.fixture(scope="session")
def sketch(types):
    """Cells of four types, two halves of them, and counts that follow the place."""
    rng = np.random.default_rng(0)
    signal = 4 * rng.normal(size=(N_TYPES, N_DIMS))[types] + rng.normal(size=(len(types), N_DIMS))
    one, two = (signal + 1.5 * rng.normal(size=signal.shape) for _ in range(2))
    loadings = 0.15 * rng.normal(size=(N_DIMS, N_GENES))
    counts = sp.csr_array(rng.poisson(2 * np.exp(signal @ loadings)).astype(np.float32))
    places = ((one + two) / 2, one, two)
    return LearningCells(
        *(z.astype(np.float32) for z in places),
        counts=counts,
        library=np.asarray(counts.sum(axis=1), dtype=np.float64) + 20,
        weight=np.ones(len(types)),
    )
