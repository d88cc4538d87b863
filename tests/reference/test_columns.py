"""What becomes of obs columns: names, dtypes and missing entries."""

import datetime as dt
import decimal
import uuid

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlash.reference.cell_writing import write_cells
from atlash.reference.columns import cells_table, codes_of, text_columns, user_names


def table_of(obs, n_bytes=8):
    n = len(obs)
    codes = np.random.default_rng(0).integers(0, 256, (n, n_bytes), dtype=np.uint8)
    return cells_table([f"cell {i}" for i in range(n)], codes, ["B"] * n, obs=obs)


def through_lance(table, folder):
    return write_cells(table, folder / "cells").to_table()


AS_THEY_ARE = {
    "float": [1.5, np.nan, -np.inf],
    "int": [1, -2, 2**62],
    "uint64": np.array([0, 1, 2**64 - 1], dtype=np.uint64),
    "big endian": np.array([1, 2, 3], dtype=">i4"),
    "half": np.array([1, 2, 3], dtype=np.float16),
    "bool": [True, False, True],
    "text": ["a", None, "ü" * 3],
    "text with NaN": ["a", np.nan, ""],
    "text with NA": ["a", pd.NA, "b"],
    "long text": ["x" * 3_000_000, "y", None],
    "text that looks odd": ["a\0b", "\n", "'; drop table"],
    "bool or None": [True, None, False],
    "integers or None": pd.Series([1, None, 3], dtype=object),
    "only missing": [None, None, None],
    "only NaN": [np.nan] * 3,
    "bytes": [b"a\0", None, b""],
    "Int64": pd.array([1, None, 3], dtype="Int64"),
    "UInt8": pd.array([1, None, 255], dtype="UInt8"),
    "boolean": pd.array([True, None, False], dtype="boolean"),
    "Float32": pd.array([1.5, None, 3], dtype="Float32"),
    "string": pd.array(["a", None, "c"], dtype="string"),
    "arrow string": pd.array(["a", None, "c"], dtype="string[pyarrow]"),
    "arrow int": pd.array([1, None, 3], dtype=pd.ArrowDtype(pa.int8())),
    "sparse": pd.arrays.SparseArray([0, 1, 0]),
    "time": pd.to_datetime(["2020-01-01", None, "2021-01-01"]),
    "time with zone": pd.to_datetime(["2020-01-01", None, "2021-01-01"]).tz_localize("UTC"),
    "time span": pd.to_timedelta([1, None, 3], unit="s"),
    "date": [dt.date(2020, 1, 1), None, dt.date(2021, 1, 1)],
    "categories": pd.Categorical(["b", None, "a"]),
    "unused categories": pd.Categorical(["b", None, "a"], categories=["c", "b", "a"]),
    "ordered": pd.Categorical(["b", None, "a"], ordered=True),
    "no category": pd.Categorical([None, None, None]),
    "arrow categories": pd.Series(["b", None, "a"], dtype="string[pyarrow]").astype("category"),
    "integer categories": pd.Categorical([3, None, 1]),
    "float categories": pd.Categorical([0.5, None, 1.5]),
    "boolean categories": pd.Categorical([True, None, False]),
    "time categories": pd.Categorical(pd.to_datetime(["2020-01-01", None, "2021-01-01"])),
}


@pytest.mark.parametrize("kind", AS_THEY_ARE)
def test_dtype_comes_back_from_disk(kind, tmp_path):
    obs = pd.DataFrame({"x": AS_THEY_ARE[kind]})
    table = table_of(obs)
    back = through_lance(table, tmp_path)
    assert text_columns(back.schema) == []
    assert back.schema.equals(table.schema, check_metadata=True)
    for given_value, value in zip(obs["x"], back["x"].to_pandas(), strict=True):
        assert pd.isna(given_value) == pd.isna(value)
        assert pd.isna(value) or given_value == value


TURNED_TO_TEXT = {
    "mixed": ([1, "a", None], ["1", "a", None]),
    "bool and int": (pd.Series([True, 2, np.nan], dtype=object), ["True", "2", None]),
    "too large": ([2**70, 1, None], [str(2**70), "1", None]),
    "lone surrogate": (["\ud800", "a", None], ["\\ud800", "a", None]),
    "lists": ([[1], [2, 3], None], ["[1]", "[2, 3]", None]),
    "dicts": ([{"a": 1}, {}, None], ["{'a': 1}", "{}", None]),
    "arrays": ([np.arange(2), None, np.arange(1)], ["[0 1]", None, "[0]"]),
    "complex": ([1j, 0, 1], ["1j", "0j", "(1+0j)"]),
    "decimals": ([decimal.Decimal("1.50"), None, None], ["1.50", None, None]),
    "uuids": ([uuid.UUID(int=1), None, None], [str(uuid.UUID(int=1)), None, None]),
    "periods": (
        pd.period_range("2020-01", periods=3, freq="M"),
        ["2020-01", "2020-02", "2020-03"],
    ),
    "intervals": (pd.interval_range(0, 3), ["(0, 1]", "(1, 2]", "(2, 3]"]),
    "mixed categories": (pd.Categorical([1, "1", None]), ["1", "1", None]),
    "binned": (pd.cut([1, 2, 3], [0, 2, 4]), ["(0, 2]", "(0, 2]", "(2, 4]"]),
}


@pytest.mark.parametrize("kind", TURNED_TO_TEXT)
def test_odd_dtype_becomes_text_and_says_so(kind, tmp_path):
    values, expected = TURNED_TO_TEXT[kind]
    back = through_lance(table_of(pd.DataFrame({"x": values})), tmp_path)
    assert back["x"].to_pylist() == expected
    assert text_columns(back.schema) == ["x"]


def test_only_text_categories_are_dictionaries():
    obs = pd.DataFrame({"text": pd.Categorical(["a", "b"]), "number": pd.Categorical([1, 2])})
    schema = table_of(obs).schema
    assert schema.field("text").type == pa.dictionary(pa.int32(), pa.string())
    assert schema.field("number").type == pa.int64()


@pytest.mark.parametrize(
    ("given_names", "stored"),
    [
        (["percent.mt", "res.0.8"], ["percent_mt", "res_0_8"]),
        (["cell_id", "code", "label"], ["obs_cell_id", "obs_code", "obs_label"]),
        (["label", "obs_label"], ["obs_label", "obs_label_2"]),
        (["age", "age", "age_2"], ["age", "age_2", "age_2_2"]),
        (["a.b", "a_b", "a`b"], ["a_b", "a_b_2", "a_b_3"]),
        (["Age", "age"], ["Age", "age"]),
        ([0, 1, "0"], ["0", "1", "0_2"]),
        (["", "\0", "\ud800"], ["column", "_", "__2"]),
        (["_rowid", "_rowaddr", "_distance"], ["obs_rowid", "obs_rowaddr", "obs_distance"]),
        (["ü µ", "select", "a b"], ["ü µ", "select", "a b"]),
    ],
)
def test_names_are_stored_and_come_back(given_names, stored, tmp_path):
    obs = pd.DataFrame([range(len(given_names))] * 2)
    obs.columns = pd.Index(given_names, dtype=object)
    back = through_lance(table_of(obs), tmp_path)
    assert back.schema.names == ["cell_id", "code", "label", *stored]
    for position, name in enumerate(stored):
        assert back[name].to_pylist() == [position] * 2
    expected = [str(name).replace("\ud800", "\\ud800") for name in given_names]
    assert user_names(back.schema) == dict(zip(stored, expected, strict=True))


@settings(max_examples=200)
@given(st.lists(st.text(max_size=8), max_size=8))
def test_stored_names_are_distinct_and_fit(names):
    obs = pd.DataFrame(np.zeros((1, len(names))), columns=pd.Index(names, dtype=object))
    stored = table_of(obs).schema.names
    assert len(set(stored)) == len(stored) == len(names) + 3
    assert all(name and not set(name) & set(".`\0") for name in stored)
    assert not any(name.startswith("_row") for name in stored)


@pytest.mark.parametrize("labels", [["B", None, "T"], ["B", np.nan, "T"], ["B", pd.NA, "T"]])
def test_missing_labels_are_null(labels, tmp_path):
    codes = np.zeros((3, 8), dtype=np.uint8)
    for given_labels in (labels, pd.Series(labels), pd.Categorical(labels)):
        table = cells_table(["a", "b", "c"], codes, given_labels, obs=pd.DataFrame(index=range(3)))
        assert table["label"].to_pylist() == ["B", None, "T"]
    back = through_lance(table, tmp_path)
    assert back["label"].to_pandas().isna().tolist() == [False, True, False]


@pytest.mark.parametrize("n_bytes", [1, 8, 16, 20])
@pytest.mark.parametrize("n", [0, 1, 1000])
def test_codes_come_back(n, n_bytes, tmp_path):
    codes = np.random.default_rng(n).integers(0, 256, (n, n_bytes), dtype=np.uint8)
    table = cells_table(
        [str(i) for i in range(n)], codes, [None] * n, obs=pd.DataFrame(index=range(n))
    )
    np.testing.assert_array_equal(codes_of(table), codes)
    np.testing.assert_array_equal(codes_of(table.slice(n // 3)), codes[n // 3 :])
    cells = write_cells(table, tmp_path / "cells")
    np.testing.assert_array_equal(codes_of(cells.to_table(columns=["code"])), codes)
    parts = [codes_of(batch) for batch in cells.batches(["code"], size=300)]
    np.testing.assert_array_equal(np.concatenate([codes[:0], *parts]), codes)


def test_codes_in_fortran_order_are_stored_by_cell():
    codes = np.asfortranarray(np.arange(24, dtype=np.uint8).reshape(3, 8))
    table = cells_table(["a", "b", "c"], codes, ["B"] * 3, obs=pd.DataFrame(index=range(3)))
    assert table["code"][1].as_py() == bytes(range(8, 16))


def test_long_chunked_codes_keep_their_order():
    table = table_of(pd.DataFrame({"x": range(100)}))
    chunked = pa.concat_tables([table.slice(60), table.slice(0, 60)])
    np.testing.assert_array_equal(codes_of(chunked), np.roll(codes_of(table), 40, axis=0))


GOOD = {"ids": ["a"], "codes": np.zeros((1, 8), np.uint8), "labels": ["B"]}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"ids": ["a", "b"]}, r"differ in length: \[2, 1, 1, 1\]"),
        ({"labels": []}, "differ in length"),
        ({"codes": np.zeros((2, 8), np.uint8)}, "differ in length"),
        ({"codes": np.zeros(1, np.uint8)}, "packed"),
        ({"codes": np.zeros((1, 0), np.uint8)}, "packed"),
        ({"codes": np.zeros((1, 8), np.int8)}, "packed"),
        ({"codes": np.zeros((1, 8), bool)}, "packed"),
        ({"ids": [None]}, "Cell 0 has no id"),
        ({"ids": [np.nan]}, "has no id"),
    ],
)
def test_bad_input_is_refused(wrong, message):
    given_parts = GOOD | wrong
    with pytest.raises(ValueError, match=message):
        cells_table(**given_parts, obs=pd.DataFrame(index=range(1)))
