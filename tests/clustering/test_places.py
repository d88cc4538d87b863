"""Places: standardised expression times axes, each cell by itself."""

import numpy as np
import pytest
import scipy.sparse as sp

from atlash.clustering.genes import UPPER
from atlash.clustering.places import places_on


@pytest.fixture(scope="module")
def matrix():
    return np.random.default_rng(0).normal(size=(120, 7)).astype(np.float32)


@pytest.fixture(scope="module")
def chunk(surveyed):
    return next(surveyed.bound.chunks(360)).X


def check(found, dense, genes, matrix, measured=True):
    """Compare with float64; axes are read as numbers of 16 bits, whose rounding is bounded."""
    z = np.minimum((dense - genes.mean) * genes.inverse_scale, UPPER) * measured
    base = np.abs(genes.mean * genes.inverse_scale) * measured
    bound = 2.0**-8 * ((np.abs(z) + base) @ np.abs(matrix))
    assert (np.abs(found - z @ matrix) <= bound).all()
    assert np.abs(found - z @ matrix).mean() < 0.01 * np.abs(found).mean()


def test_against_dense_numpy(surveyed, dense, matrix, chunk):
    found = places_on(matrix, surveyed.genes).of(chunk)
    assert found.dtype == np.float32
    check(found, dense, surveyed.genes, matrix)


def test_genes_not_measured_lie_at_their_means(surveyed, dense, matrix, chunk):
    measured = np.arange(120) % 3 > 0
    there = sp.csr_array(chunk.toarray() * measured.astype(np.float32))
    found = places_on(matrix, surveyed.genes).of(there, measured)
    check(found, dense, surveyed.genes, matrix, measured)


def test_each_cell_by_itself(surveyed, matrix, chunk):
    on_axes = places_on(matrix, surveyed.genes)
    together = on_axes.of(chunk)
    for rows in ([0], [5, 3, 3], list(range(359, -1, -1))):
        np.testing.assert_array_equal(on_axes.of(chunk[rows]), together[rows])
