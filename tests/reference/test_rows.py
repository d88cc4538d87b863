"""Positions and addresses against a list of all rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlash.errors import InputError
from atlash.reference.rows import RowMap, checked_positions

FRAGMENTS = st.lists(st.lists(st.booleans(), max_size=12), max_size=6)


def make(fragments, numbers):
    """Return the map and, row by row, the addresses that are left."""
    live = [
        (number << 32) | offset
        for number, gone in zip(numbers, fragments, strict=True)
        for offset, is_gone in enumerate(gone)
        if not is_gone
    ]
    sizes = [gone.count(False) for gone in fragments]
    rows = RowMap(
        np.array(numbers, dtype=np.int64),
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        {place: np.flatnonzero(gone) for place, gone in enumerate(fragments) if any(gone)},
    )
    return rows, np.array(live, dtype=np.uint64)


@given(fragments=FRAGMENTS, data=st.data())
def test_both_ways_agree_with_a_list_of_rows(fragments, data):
    numbers = data.draw(st.permutations(range(3, 3 + len(fragments))))
    rows, live = make(fragments, numbers)
    everywhere = np.arange(len(live))
    np.testing.assert_array_equal(rows.addresses(everywhere), live)
    np.testing.assert_array_equal(rows.positions(live), everywhere)
    back = np.sort(everywhere)[::-1]
    np.testing.assert_array_equal(rows.addresses(back), live[::-1])


@pytest.mark.parametrize(
    ("positions", "finding"),
    [
        ([3], "no cell at position 3: there are 3, counted from 0"),
        ([0, -1], "no cell at position -1"),
        ([0.5], "whole numbers in one row; found float64"),
        ([True, False], "found bool"),
        ([[0]], r"shape \(1, 1\)"),
        (["a"], "whole numbers"),
    ],
)
def test_what_is_no_position(positions, finding):
    with pytest.raises(InputError, match=finding):
        checked_positions(positions, 3)


def test_no_positions_are_positions():
    for nothing in ([], np.empty(0), np.empty((0, 3))):
        assert checked_positions(nothing, 0).dtype == np.int64
