"""Sums of products: exact, whatever the tiles."""

import numpy as np
import scipy.sparse as sp

from atlash.clustering._rows import fill_tile
from atlash.clustering.genes import LOG_STEPS
from atlash.clustering.gram import products_of


def test_a_tile_against_slow_loops():
    rng = np.random.default_rng(0)
    X = sp.random_array((20, 9), density=0.5, format="csr", rng=rng, dtype=np.float32)
    X.data *= 6
    most = rng.integers(1, 40, 9).astype(np.float32)
    found = np.full((20, 9), 7, dtype=np.float32)
    fill_tile(X.indptr.astype(np.int64), X.indices, X.data, LOG_STEPS, most, found)
    np.testing.assert_array_equal(found, np.minimum(np.rint(LOG_STEPS * X.toarray()), most))


def test_sums_over_many_tiles_are_exact():
    """Beyond 2**24, where float32 alone would round."""
    steps = np.random.default_rng(0).integers(120, 128, (5000, 4))
    logged = sp.csr_array((steps / LOG_STEPS).astype(np.float32))
    found = products_of(logged, np.full(4, 127, dtype=np.float32))
    expected = steps.T @ steps
    assert expected.min() > 2**24
    np.testing.assert_array_equal(found.products, expected)
    np.testing.assert_array_equal(found.sums, steps.sum(axis=0))
    assert found.n == 5000
