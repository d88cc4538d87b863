"""Siblings are nearer than strangers, every bit says something, and all can be decoded."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlash.codes.anchors import measure_anchors
from atlash.codes.hierarchical_anchors import (
    choose_hierarchical_n_bits,
    make_hierarchical_anchors,
    measure_family,
)

families = st.lists(st.integers(1, 8), min_size=2, max_size=12)


def numbered(sizes):
    return np.repeat(np.arange(len(sizes)), sizes)


def slow_distances(anchors, parents):
    """Distances within and between families, pair by pair."""
    within, between = [0], []
    for i in range(len(anchors)):
        for j in range(i):
            distance = sum(a != b for a, b in zip(anchors[i], anchors[j], strict=True))
            (within if parents[i] == parents[j] else between).append(distance)
    return within, between


@settings(max_examples=30)
@given(families, st.sampled_from([24, 40, 64, 128]), st.sampled_from([0.1, 0.25, 0.5, 0.9]))
def test_siblings_are_nearer_than_strangers(sizes, n_bits, share):
    parents = numbered(sizes)
    if len(sizes) > (n_bits - 8) / 2:
        return
    anchors, report = make_hierarchical_anchors(parents, n_bits, share=share)
    found = measure_family(anchors, parents)
    assert found.max_sibling_distance < found.min_stranger_distance
    assert found.n_parent_bits >= 8
    assert report.n_dead == 0
    assert report == measure_anchors(anchors, construction="hierarchical")
    if max(sizes) > 1:
        # the stated distance: half of what follows the parent's bits, and no less
        assert report.min_distance == found.max_sibling_distance
        assert 2 * report.min_distance % 8 == 0
        assert n_bits - 2 * report.min_distance <= found.n_parent_bits


@settings(max_examples=10)
@given(families, st.randoms(use_true_random=False))
def test_the_order_of_types_does_not_matter(sizes, random):
    parents = list(numbered(sizes))
    random.shuffle(parents)
    parents = np.array(parents)
    anchors, report = make_hierarchical_anchors(parents, 64)
    within, between = slow_distances(anchors, parents)
    assert max(within) < min(between)
    assert min(within[1:] + between) == report.min_distance


def test_measures_agree_with_the_obvious_ones():
    rng = np.random.default_rng(0)
    anchors = rng.choice(np.array([-1, 1], dtype=np.int8), size=(9, 32))
    parents = np.array([2, 0, 1, 1, 0, 2, 2, 0, 1])
    within, between = slow_distances(anchors, parents)
    found = measure_family(anchors, parents)
    assert (found.max_sibling_distance, found.min_stranger_distance) == (max(within), min(between))
    assert (found.n_parents, found.n_parent_bits) == (3, 0)


@pytest.mark.parametrize("sizes", [(4, 7, 4), (4, 3, 1)])
def test_the_sets_of_the_benchmark_keep_most_of_the_distance(sizes):
    parents = numbered(sizes)
    anchors, report = make_hierarchical_anchors(parents, 64)
    assert report.min_distance == 24
    assert report.max_imbalance <= 0.375  # one child of eight
    assert measure_family(anchors, parents).n_parent_bits >= 16


def test_bits_that_flip_do_not_change_the_nearest_anchor():
    """Up to half the least distance, less one."""
    parents = numbered((4, 7, 4))
    anchors, report = make_hierarchical_anchors(parents, 64)
    rng = np.random.default_rng(0)
    for kind, anchor in enumerate(anchors):
        noisy = anchor.copy()
        noisy[rng.permutation(64)[: (report.min_distance - 1) // 2]] *= -1
        assert (anchors.astype(int) @ noisy).argmax() == kind


def test_the_same_seed_gives_the_same_anchors():
    parents = numbered((3, 5, 2))
    first, second, other = (
        make_hierarchical_anchors(parents, 64, random_state=seed)[0] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_many_types_share_rows():
    """900 types in 256 bits: more than there are rows, so parents take the longer part."""
    parents = np.repeat(np.arange(30), 30)
    anchors, report = make_hierarchical_anchors(parents, 256)
    found = measure_family(anchors, parents)
    assert found.max_sibling_distance < found.min_stranger_distance
    assert report.min_distance >= 48
    assert report.n_dead == 0


@pytest.mark.parametrize(
    ("n_types", "share", "n_bits"),
    [(48, 0.25, 64), (49, 0.25, 128), (32, 0.5, 64), (97, 0.25, 256), (5000, 0.25, 256)],
)
def test_the_length_follows_the_types(n_types, share, n_bits):
    assert choose_hierarchical_n_bits(np.zeros(n_types, dtype=np.int64), share) == n_bits


@pytest.mark.parametrize(
    ("parents", "n_bits", "message"),
    [
        ([0, 0, 0], 64, "at least 2 are needed; found 1"),
        ([0, 2, 2], 64, "without gaps"),
        ([1, 2, 2], 64, "without gaps"),
        ([0, 1], 8, "Codes of 8 bits cannot hold parents"),
        ([0, 1], 60, "Codes of 60 bits cannot hold parents"),
        ([0, 1], 0, "Codes of 0 bits cannot hold parents"),
        ([0] + [1] * 300, 64, "64 bits do not hold 301 types of 2 parents, of which one has 300"),
        (list(range(3000)), 16, "Give more bits"),
    ],
)
def test_what_cannot_be_is_refused(parents, n_bits, message):
    with pytest.raises(ValueError, match=message):
        make_hierarchical_anchors(np.array(parents), n_bits)
