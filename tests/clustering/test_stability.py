"""Stability: how often runs put cells where they end up."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from atlash.clustering.stability import bucket_stability, cluster_stability


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 6))
def test_against_slow_loops(seed, n, n_runs):
    rng = np.random.default_rng(seed)
    runs = rng.integers(0, 4, (n_runs, n)).astype(np.int32)
    cluster = np.unique(rng.integers(0, 3, n), return_inverse=True)[1].astype(np.int32)
    sizes = rng.integers(1, 9, n)
    found = bucket_stability(runs, cluster, sizes)
    for bucket in range(n):
        same = 0
        for run in runs:
            cells = [sizes[(run == run[bucket]) & (cluster == k)].sum() for k in range(3)]
            same += cells.index(max(cells)) == cluster[bucket]
        assert found[bucket] == same / n_runs
    of_cluster = cluster_stability(found, cluster, sizes)
    assert len(of_cluster) == cluster.max() + 1
    for k, share in enumerate(of_cluster):
        own = cluster == k
        np.testing.assert_allclose(share, np.average(found[own], weights=sizes[own]))


def test_finer_runs_agree_and_another_cut_does_not():
    cluster = np.array([0, 0, 0, 0, 1, 1], dtype=np.int32)
    finer, other = [0, 0, 1, 1, 2, 3], [0, 0, 0, 1, 1, 1]
    found = bucket_stability(np.array([finer, other], dtype=np.int32), cluster, np.ones(6, int))
    np.testing.assert_array_equal(found, [1, 1, 1, 0.5, 1, 1])
    np.testing.assert_array_equal(cluster_stability(found, cluster, np.ones(6, int)), [0.875, 1])
