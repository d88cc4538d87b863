"""Looking through codes, against slow and obvious versions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from atlash.codes.census import code_keys, count_ones, nearest_anchors
from atlash.codes.hamming import hamming
from atlash.codes.pack import as_words, unpack


def drawn(seed, n, n_bytes):
    return np.random.default_rng(seed).integers(0, 256, (n, n_bytes), dtype=np.uint8)


@pytest.mark.parametrize("n_bytes", [1, 8, 12, 16])
@pytest.mark.parametrize("n_types", [0, 1, 2, 9])
def test_the_two_nearest_anchors(n_bytes, n_types):
    codes, anchors = drawn(0, 200, n_bytes), drawn(1, n_types, n_bytes)
    own = np.random.default_rng(2).integers(-1, n_types + 2, 200).astype(np.int32)
    found = nearest_anchors(as_words(codes), as_words(anchors), own)
    distances = hamming(codes, anchors)
    for row in range(200):
        order = sorted(range(n_types), key=lambda kind: (distances[row, kind], kind))
        first, second, *_ = [*order, -1, -1]
        assert (found.first[row], found.second[row]) == (first, second)
        for place, told in ((first, found.to_first), (second, found.to_second)):
            assert told[row] == (distances[row, place] if place >= 0 else -1)
        known = 0 <= own[row] < n_types
        assert found.to_own[row] == (distances[row, own[row]] if known else -1)


@given(hnp.arrays(np.uint64, st.tuples(st.integers(0, 30), st.integers(1, 3))))
def test_keys_are_the_same_for_the_same_code_alone(words):
    keys = code_keys(words)
    assert keys.dtype == np.uint64
    np.testing.assert_array_equal(
        keys[:, None] == keys, (words[:, None] == words).all(axis=2).reshape(len(keys), len(keys))
    )


def test_keys_depend_on_the_order_of_words():
    assert len(np.unique(code_keys(np.array([[1, 2], [2, 1], [0, 0]], dtype=np.uint64)))) == 3


@pytest.mark.parametrize("n_bytes", [8, 9, 24])
def test_ones_are_counted_by_group(n_bytes):
    codes = drawn(0, 300, n_bytes)
    groups = np.random.default_rng(1).integers(0, 4, 300).astype(np.int32)
    words = as_words(codes)
    ones = np.full((5, 64 * words.shape[1]), 7, dtype=np.int64)
    count_ones(words, groups, ones)
    bits = unpack(codes)
    for group in range(5):
        wanted = bits[groups == group].sum(axis=0)
        np.testing.assert_array_equal(ones[group, : 8 * n_bytes] - 7, wanted)
    assert (ones[:, 8 * n_bytes :] == 7).all()
