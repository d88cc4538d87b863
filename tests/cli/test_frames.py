"""Tables as files: what is read back is what was written, and bad places are refused."""

import datetime as dt
import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from atlash.cli.frames import check_apart, check_output, write_table
from atlash.errors import OutputError

BIG = 2**60 + 1
DAY = dt.datetime(2020, 1, 2, 3, 4, 5)
TABLE = pa.table(
    {
        "id": pa.array(["a", 'b, "c"', "é\n"]),
        "label": pa.array(["B", None, "B"]).dictionary_encode(),
        "count": pa.array([1, None, BIG]),
        "share": pa.array([0.1, None, 1 / 3]),
        "score": pa.array([0.1, 1.5, 77.123456], pa.float32()),
        "small": pa.array([1e-12, 1e300, -2.5]),
        "flag": pa.array([True, None, False]),
        "day": pa.array([DAY, None, DAY], pa.timestamp("us")),
        "code": pa.array([b"\x00\xff", b"ab", b'\n"'], pa.binary(2)),
    }
)
DIGITS = ["00ff", "6162", "0a22"]


def test_parquet_keeps_all(tmp_path):
    write_table(TABLE, tmp_path / "t.parquet")
    assert pyarrow.parquet.read_table(tmp_path / "t.parquet").to_pylist() == TABLE.to_pylist()


def test_csv_keeps_values(tmp_path):
    write_table(TABLE, tmp_path / "t.csv")
    options = pyarrow.csv.ConvertOptions(
        column_types=TABLE.schema.set(1, pa.field("label", pa.string()))
        .set(8, pa.field("code", pa.string())),
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )  # fmt: skip
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
    found = pyarrow.csv.read_csv(
        tmp_path / "t.csv", convert_options=options, parse_options=parse
    ).to_pydict()
    assert found == TABLE.to_pydict() | {"code": DIGITS}


def test_json_keeps_values(tmp_path):
    write_table(TABLE, tmp_path / "t.json")
    rows = json.loads((tmp_path / "t.json").read_text())
    found = {name: [row[name] for row in rows] for name in TABLE.column_names}
    expected = TABLE.to_pydict()
    for name in ("id", "label", "count", "flag"):
        assert found[name] == expected[name]
    assert (found["share"][1], found["share"][0]) == (None, 0.1)
    for name, digits in (("share", 1e-14), ("score", 1e-7), ("small", 1e-3)):
        for value, wanted in zip(found[name], expected[name], strict=True):
            assert value == wanted or value == pytest.approx(wanted, rel=digits)
    assert found["code"] == DIGITS
    assert pd.to_datetime(found["day"]).tolist()[::2] == [DAY, DAY]


def test_a_table_without_rows(tmp_path):
    for name in ("t.csv", "t.json", "t.parquet"):
        write_table(TABLE[:0], tmp_path / name)
    assert json.loads((tmp_path / "t.json").read_text()) == []
    assert pd.read_csv(tmp_path / "t.csv").columns.tolist() == TABLE.column_names


@pytest.mark.parametrize("name", ["t.csv", "t.json"])
def test_a_failed_write_leaves_the_old_file(tmp_path, name):
    (tmp_path / name).write_text("old")
    lists = pa.table({"a": pa.array([[1]], pa.list_(pa.int64()))})  # CSV has none
    twice = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])  # nor has JSON
    with pytest.raises((pa.ArrowException, ValueError)):
        write_table(lists if name == "t.csv" else twice, tmp_path / name)
    assert (tmp_path / name).read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("rows.txt", "must end in one of .csv, .parquet, .json"),
        ("rows", "must end in one of"),
        ("no/rows.csv", "there is no folder"),
        ("folder.csv", "is a folder"),
        ("r.atlash/rows.csv", "lies within a saved reference"),
        ("r.atlash/versions/rows.csv", "lies within a saved reference"),
        ("link/rows.csv", "lies within a saved reference"),
    ],
)
def test_an_output_that_cannot_be(files, tmp_path, output, told):
    shutil.copytree(files / "small.atlash", tmp_path / "r.atlash")
    (tmp_path / "r.atlash" / "versions").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "r.atlash")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(OutputError, match=told):
        check_output(tmp_path / output)


def test_permission_is_looked_at_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda folder, mode: Path(folder) != tmp_path)
    with pytest.raises(OutputError, match="no permission to write in"):
        check_output(tmp_path / "rows.csv")


@pytest.mark.parametrize(
    ("one", "other"), [("a", "a"), ("a/b", "a"), ("a", "a/b/c"), ("x/../a", "a"), ("link", "a")]
)
def test_two_outputs_that_are_one(tmp_path, one, other):
    (tmp_path / "x").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with pytest.raises(OutputError, match=r"and the output '.*' are one or lie one in the other"):
        check_apart(tmp_path / one, {"input": tmp_path / "y", "output": tmp_path / other})
    check_apart(tmp_path / one, {"output": tmp_path / "ab"})


def test_outputs_that_can_be(tmp_path):
    (tmp_path / "manifest.json").write_text('{"name": "of another program"}')
    (tmp_path / "old.csv").write_text("old")
    for name in ("old.csv", "new.parquet", "with space.json"):
        check_output(tmp_path / name)
