"""Sums of whole numbers that outgrow 64 bits."""

import numpy as np
import pytest
import scipy.sparse as sp

from atlash.clustering.moments import LINEAR_STEPS, LOG_STEPS, Moments


def cells(n, largest):
    rng = np.random.default_rng(0)
    values = rng.uniform(0.5, 1, (n, 3)) * [largest, largest / 1e3, 1]
    return sp.csr_array(np.log1p(values).astype(np.float32)), rng.integers(0, 2, n, np.int32)


def slow(X, group):
    """Return the sums in Python's whole numbers."""
    sums = np.zeros((5, 2, X.shape[1]), dtype=object)
    for row, gene, value in zip(*X.tocoo().coords, X.data, strict=True):
        log = int(np.rint(LOG_STEPS * value))
        linear = int(np.rint(LINEAR_STEPS * np.expm1(np.float64(value))))
        sums[:, group[row], gene] += [1, log, log**2, linear, linear**2]
    return sums


@pytest.mark.parametrize("size", [1, 7, 400])
@pytest.mark.parametrize("largest", [1e3, 1e6, 1e7])
def test_any_counts_in_any_chunks(largest, size):
    X, group = cells(400, largest)
    moments = Moments(2, 3)
    for start in range(0, 400, size):
        moments.add(X[start : start + size], group[start : start + size])
    expected = slow(X, group)
    assert (expected.max() > 2**63) == (largest == 1e7)
    found = moments.totals()
    assert found.dtype == (np.int64 if largest < 1e7 else np.float64)
    np.testing.assert_array_equal(found, expected.astype(np.float64))


def test_no_cells_and_no_counts():
    moments = Moments(1, 3)
    moments.add(sp.csr_array((0, 3), dtype=np.float32), np.empty(0, dtype=np.int32))
    moments.add(sp.csr_array((2, 3), dtype=np.float32), np.zeros(2, dtype=np.int32))
    assert not moments.totals().any()
