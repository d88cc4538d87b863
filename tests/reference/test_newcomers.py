"""New cells in the columns of a reference: what fits, what is left out, what is refused."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from atlash.data.source import open_sources
from atlash.errors import InputError, KeyNotFoundError
from atlash.reference.columns import cells_table, codes_of
from atlash.reference.ids import DuplicateCellsWarning
from atlash.reference.newcomers import (
    ColumnsLeftOutWarning,
    UnknownTypesWarning,
    fitted,
    newcomers,
)

TYPES = ["B cell", "T cell"]


def table_of(**columns):
    """Return cells with some columns of ``obs``."""
    obs = pd.DataFrame(columns)
    codes = np.arange(2 * len(obs), dtype=np.uint8).reshape(-1, 2)
    return cells_table([f"c{i}" for i in range(len(obs))], codes, ["B cell"] * len(obs), obs=obs)


def source(n, prefix="c", **columns):
    obs = pd.DataFrame(columns, index=[f"{prefix}{i}" for i in range(n)])
    return ad.AnnData(np.ones((n, 3), dtype=np.float32), obs=obs)


def arrived(adatas, labels_key=None, schema=None):
    sources = open_sources(adatas, None)
    n = sum(s.n_cells for s in sources)
    codes = np.arange(2 * n, dtype=np.uint8).reshape(-1, 2)
    schema = table_of(kind=["x"]).schema if schema is None else schema
    return newcomers(sources, codes, labels_key, types=TYPES, schema=schema)


TIMES = pd.to_datetime(["2020-01-01", "2021-02-03"])
GOOD = {
    "same": ([1, 2], [3, 4], [3, 4]),
    "int into text": (["a", "b"], [3, 4], ["3", "4"]),
    "float into text": (["a", "b"], [0.1, np.nan], ["0.1", None]),
    "bool into text": (["a", "b"], [True, False], ["true", "false"]),
    "time into text": (["a", "b"], TIMES, ["2020-01-01", "2021-02-03"]),
    "categories into text": (["a", "b"], pd.Categorical(["c", None]), ["c", None]),
    "text into categories": (pd.Categorical(["a", "b"]), ["c", None], ["c", None]),
    "int into categories": (pd.Categorical(["a", "b"]), [7, 8], ["7", "8"]),
    "digits into int": ([1, 2], ["7", None], [7, None]),
    "whole floats into int": ([1, 2], [7.0, np.nan], [7, None]),
    "int into float": ([0.5, 1.5], [7, 8], [7.0, 8.0]),
    "double into single": (np.float32([1, 2]), [0.1, 0.2], np.float32([0.1, 0.2]).tolist()),
    "0 and 1 into bool": ([True, False], [0, 1], [False, True]),
    "nothing into int": ([1, 2], [None, None], [None, None]),
    "nothing into times": (TIMES, [None, None], [None, None]),
    "nothing into durations": (TIMES - TIMES[0], [None, None], [None, None]),
}


@pytest.mark.parametrize("case", GOOD)
def test_values_are_brought_to_the_type_of_the_reference(case):
    there, given, expected = GOOD[case]
    schema = table_of(age=there).schema
    found = fitted(table_of(age=given), schema)
    wanted = schema.field("age").type
    plain = wanted.value_type if pa.types.is_dictionary(wanted) else wanted
    assert found["age"].type == plain
    values = found["age"].to_pylist()
    assert [
        v if v is None else str(v)[:10] if case == "time into text" else v for v in values
    ] == (expected)


BAD = {
    "words into int": ([1, 2], ["old", "young"], "holds string such as 'old'.*int64"),
    "padded digits": ([1, 2], [None, "007"], "such as '007'"),
    "fractions into int": ([1, 2], [1.5, 2.0], "holds double such as 1.5"),
    "2 into bool": ([True, False], [2, 0], "holds int64 such as 2"),
    "large into small": (np.int8([1, 2]), [300, 1], "int8"),
    "words into times": (TIMES, ["yesterday", None], "such as 'yesterday'"),
    "bytes that are no text": (["a", "b"], [b"\xff", b"a"], "holds binary"),
}


@pytest.mark.parametrize("case", BAD)
def test_values_that_would_be_lost_are_refused(case):
    there, given, message = BAD[case]
    with pytest.raises(InputError, match=f"The column 'age' .*{message}.*leave it out"):
        fitted(table_of(age=given), table_of(age=there).schema)


def test_other_columns_are_left_out_and_named_as_the_user_does():
    given = table_of(**{"percent.mt": [0.1], "age": [3], "kind": ["x"]})
    with pytest.warns(
        ColumnsLeftOutWarning, match=r"no column 'percent_mt' \(here 'percent.mt'\), 'age'; left"
    ):
        found = fitted(given, table_of(kind=["y"], size=[1]).schema)
    assert found.column_names == ["cell_id", "code", "label", "kind"]


def test_cells_keep_ids_codes_and_order():
    found = arrived([source(2, "a", kind=["x", "y"]), source(3, "b", kind=["z", "x", "x"])])
    assert found["cell_id"].to_pylist() == ["a0", "a1", "b0", "b1", "b2"]
    np.testing.assert_array_equal(codes_of(found), np.arange(10).reshape(5, 2))
    assert found["kind"].to_pylist() == ["x", "y", "z", "x", "x"]
    assert found["label"].null_count == 5


def test_columns_that_one_of_several_lacks_are_missing_there():
    schema = table_of(kind=["x"], age=[1], ill=[True]).schema
    first = source(2, "a", kind=pd.Categorical(["x", None]), age=[1, 2], ill=[True, False])
    found = arrived([first, source(1, "b", kind=["z"])], schema=schema)
    assert found["kind"].to_pylist() == ["x", None, "z"]
    assert found["age"].to_pylist() == [1, 2, None]
    assert found["ill"].to_pylist() == [True, False, None]


def test_a_column_that_is_empty_in_one_of_several():
    schema = table_of(age=[1]).schema
    parts = [source(2, "a", age=[1, 2]), source(2, "b", age=[np.nan, np.nan])]
    assert arrived(parts, schema=schema)["age"].to_pylist() == [1, 2, None, None]


def test_labels_known_missing_and_unknown():
    kinds = pd.Categorical(["T cell", None, "B cell", "Mast cell", "Mast cell"])
    with pytest.warns(UnknownTypesWarning, match="not learned 'Mast cell': .*register_type"):
        found = arrived([source(5, kind=kinds)], "kind")
    assert found["label"].to_pylist() == ["T cell", None, "B cell", "Mast cell", "Mast cell"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        known = arrived([source(3, kind=["T cell", "B cell", None])], "kind")
    assert known["label"].to_pylist() == ["T cell", "B cell", None]


def test_a_column_of_labels_that_is_not_there():
    with pytest.raises(KeyNotFoundError, match=r"no column 'type' with labels; .*\['kind'\]"):
        arrived([source(1, kind=["x"])], "type")


def test_names_that_repeat_are_made_unique():
    with pytest.warns(DuplicateCellsWarning, match="2 of 4 cells"):
        found = arrived([source(2, kind=["x", "x"]), source(2, kind=["x", "x"])])
    assert found["cell_id"].to_pylist() == ["c0", "c1", "c0-1", "c1-1"]


def test_blanks_around_a_label_are_none_of_it():
    """As when a reference is built: blanks make no new type, and nothing else is no label."""
    kinds = [" B cell", "T cell\t", "", "  ", None]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnknownTypesWarning)
        table = arrived([source(5, kind=kinds)], "kind")
    assert table["label"].to_pylist() == ["B cell", "T cell", None, None, None]
