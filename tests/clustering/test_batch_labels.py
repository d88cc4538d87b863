"""Batches by name: of the cells learned from, and of new ones."""

import warnings

import numpy as np
import pandas as pd
import pytest

from atlash.clustering.batch_labels import (
    NoBatchesWarning,
    UnknownBatchesWarning,
    batches_of,
    known_batches,
    warn_of_no_batches,
)
from atlash.errors import InputError, KeyNotFoundError


@pytest.mark.parametrize(
    "column",
    [
        ["b", "a", "b"],
        pd.Categorical(["b", "a", "b"], categories=["c", "b", "a"]),
        np.array(["b", "a", "b"]),
    ],
)
def test_names_do_not_depend_on_how_they_are_kept(column):
    found = batches_of(pd.DataFrame({"lab": column}), "lab")
    assert found.names == ("a", "b")
    assert found.of_cell.tolist() == [1, 0, 1]
    assert found.of_cell.dtype == np.int32


def test_numbers_and_their_text_are_one_batch():
    numbers = batches_of(pd.DataFrame({"lab": [10, 2, 2]}), "lab")
    assert numbers.names == batches_of(pd.DataFrame({"lab": ["10", "2", "2"]}), "lab").names
    mixed = batches_of(pd.DataFrame({"lab": np.array([1, "1", 2], dtype=object)}), "lab")
    assert mixed.of_cell.tolist() == [0, 0, 1]


def test_known_ones_get_their_place_and_others_are_told():
    obs = pd.DataFrame({"lab": ["new", "b", "a", "newer", "b"]})
    with pytest.warns(UnknownBatchesWarning, match=r"2 cells are of 2 batches .*'new', 'newer'"):
        found = known_batches(obs, "lab", ["a", "b", "c"])
    assert found.tolist() == [-1, 1, 0, -1, 1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert known_batches(obs[1:3], "lab", ["a", "b"]).tolist() == [1, 0]
        assert known_batches(obs, None, []).tolist() == [-1] * 5


def test_of_many_new_batches_a_few_are_named():
    obs = pd.DataFrame({"lab": [f"n{k}" for k in range(9)]})
    with pytest.warns(UnknownBatchesWarning, match=r"\('n0', 'n1', 'n2', \.\.\.; it knows 'a'\)"):
        assert set(known_batches(obs, "lab", ["a"])) == {-1}


def test_batches_that_are_not_told():
    with pytest.warns(UnknownBatchesWarning, match=r"2 batches together \('a', 'b'\).*batch_key"):
        assert known_batches(pd.DataFrame(index=["x"]), None, ["a", "b"]).tolist() == [-1]


def test_batches_told_to_a_clusterer_without():
    with pytest.raises(InputError, match="knows no batches"):
        known_batches(pd.DataFrame({"lab": ["a"]}), "lab", [])


@pytest.mark.parametrize("known", [["a"], ["a", "b"]])
def test_columns_that_cannot_be_used(known):
    obs = pd.DataFrame({"lab": ["a", None], "lob": ["a", np.nan]})
    with pytest.raises(KeyNotFoundError, match=r"no column 'laab'.*Did you mean 'lab'"):
        known_batches(obs, "laab", known)
    for key in ("lab", "lob"):
        with pytest.raises(InputError, match=r"1 cells have no value in .*, the first in row 1"):
            known_batches(obs, key, known)


@pytest.mark.parametrize("known", [["0", "1"], ["0.0", "1.0"]])
@pytest.mark.parametrize("given", [[1, 0], [1.0, 0.0], ["1", "0"]])
def test_whole_numbers_are_one_batch_with_a_point_or_without(known, given):
    obs = pd.DataFrame({"lab": given})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert known_batches(obs, "lab", known).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("lab", "told"),
    [
        (["one"] * 30, "one value for 30 cells"),
        ([f"cell{place}" for place in range(30)], "30 values for 30 cells"),
        (np.linspace(0, 1, 30), "30 values"),
        ([place // 4 for place in range(30)], "8 values"),
    ],
)
def test_columns_that_are_none_of_batches(lab, told):
    with pytest.warns(NoBatchesWarning, match=f"`batch_key` is 'lab', which has {told}"):
        warn_of_no_batches(batches_of(pd.DataFrame({"lab": lab}), "lab"), "lab")


def test_batches_of_some_cells_each_are_none_to_warn_of():
    obs = pd.DataFrame({"lab": [place // 5 for place in range(30)]})
    with warnings.catch_warnings(record=True) as caught:
        warn_of_no_batches(batches_of(obs, "lab"), "lab")
    assert caught == []


@pytest.mark.parametrize("names", [["0.0", "1.0"], ["0", "1"], [0, 1], [0.0, 1.0]])
@pytest.mark.parametrize("others", [["0.0", "1.0"], ["0", "1"], [0, 1], [0.0, 1.0]])
def test_batches_by_number_are_known_however_they_are_written(names, others):
    known = batches_of(pd.DataFrame({"batch": names * 3}), "batch").names
    found = known_batches(pd.DataFrame({"batch": others * 2}), "batch", known)
    np.testing.assert_array_equal(found, [0, 1, 0, 1])


def test_an_exact_name_comes_before_a_number():
    found = known_batches(pd.DataFrame({"batch": ["1", "1.0"]}), "batch", ("1", "1.0"))
    np.testing.assert_array_equal(found, [0, 1])
