"""Estimates of the law of counts, against sums and means written out."""

import numpy as np
import pytest
import scipy.sparse as sp

from atlash.data.count_estimates import (
    estimated_dispersions,
    estimated_log_depth,
    estimated_proportions,
    group_sums,
)

GROUP = np.array([0, 2, 1, 2, 0, 1, 2])


@pytest.fixture(scope="module")
def counts():
    return np.random.default_rng(0).poisson(2.0, (len(GROUP), 5)).astype(float)


def test_sums_of_groups(counts):
    found = group_sums(sp.csr_array(counts), GROUP, 4)
    wanted = [counts[group == GROUP].sum(axis=0) for group in range(4)]
    np.testing.assert_array_equal(found, wanted)


def test_groups_with_many_counts_keep_their_shares_and_empty_ones_borrow():
    totals = np.array([[3e9, 1e9], [1e9, 3e9], [0.0, 0.0]])
    found = estimated_proportions(totals, np.array([0, 1, 1]))
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_allclose(found, [[0.75, 0.25], [0.25, 0.75], [0.25, 0.75]], atol=1e-4)


def test_dispersions_of_a_law_that_is_known():
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1], 4000)
    mean = np.where(group[:, None] == 0, [5.0, 20.0, 1.0], [10.0, 5.0, 11.0])
    known = np.array([0.1, 0.5, 1.0])
    X = sp.csr_array(rng.poisson(mean * rng.gamma(1 / known, known, mean.shape)).astype(float))
    totals = group_sums(X, group, 2)
    # cells of one expected depth, so that depth itself carries no dispersion
    depth = totals.sum(axis=1)[group] / 4000
    np.testing.assert_allclose(
        estimated_dispersions(X, depth, group, totals=totals), known, rtol=0.1
    )


def test_dispersions_are_positive_where_nothing_varies():
    X, group = sp.csr_array(np.full((4, 3), 2.0)), np.zeros(4, int)
    found = estimated_dispersions(X, np.full(4, 6.0), group, totals=group_sums(X, group, 1))
    assert (found > 0).all()


def test_log_depth_of_each_batch():
    depth, batch = np.array([1.0, np.e**2, 5.0]), np.array([0, 0, 1])
    mean, deviation = estimated_log_depth(depth, batch)
    np.testing.assert_allclose(mean, [1.0, np.log(5)])
    np.testing.assert_allclose(deviation, [1.0, 0.0])
