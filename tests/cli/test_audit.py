"""``atlash audit``: the report of Python, for people, for machines and as a file."""

import json
import shutil
from dataclasses import replace

import pandas as pd
import pyarrow as pa
import pytest

from atlash.cli.audit_tables import print_audit
from atlash.reference import Reference
from atlash.reference.audit import audit

READERS = {
    "rows.csv": pd.read_csv,
    "rows.parquet": pd.read_parquet,
    "rows.json": lambda path: pd.DataFrame(json.loads(path.read_text())),
}


@pytest.fixture(scope="module")
def place(files, tmp_path_factory):
    """A folder with a reference where some labels are of another type; not to be changed."""
    folder = tmp_path_factory.mktemp("audited")
    loaded = Reference.load(files / "small.atlash")
    cells = loaded.cells.to_table()
    labels = cells["label"].to_pylist()
    labels[:6] = [next(t for t in loaded.types if t != label) for label in labels[:6]]
    wrong = pa.array(labels).dictionary_encode()
    cells = cells.set_column(cells.column_names.index("label"), "label", wrong)
    replace(loaded, cells=cells).save(folder / "odd.atlash")
    return folder


@pytest.fixture(scope="module")
def report(place):
    return audit(Reference.load(place / "odd.atlash"))


def test_json_is_what_python_says(atlash, place, report):
    found = atlash("audit", place / "odd.atlash", "--json", "--quiet")
    assert (found.code, found.err) == (0, "")
    assert found.json == report.summary
    assert found.json["mislabelled"]["cells"] >= 5


def test_tables_for_people(atlash, place, report):
    found = atlash("audit", place / "odd.atlash", "-q")
    assert (found.code, found.err) == (0, "")
    assert "360 of 2 batches in 'batch'" in found.out
    for title in ("Same code", "Same name", "Midway", "Other label", "Dead bits", "Batch bits"):
        assert title in found.out
    pair = report.summary["mislabelled"]["pairs"][0]
    told = [line.split() for line in found.out.splitlines()]
    share = f"{pair['share_of_label']:.1%}"
    assert [*pair["label"].split(), *pair["nearest"].split(), str(pair["cells"]), share] in told


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet", "rows.json"])
def test_all_rows_in_a_file(atlash, place, report, tmp_path, name):
    (tmp_path / name).write_text("old")
    found = atlash("audit", place / "odd.atlash", "-q", "-o", tmp_path / name)
    assert found.code == 0, found.err
    assert f"Written: {tmp_path / name}" in found.out
    expected = report.to_frame()
    rows = READERS[name](tmp_path / name)
    assert len(rows) == len(expected) > 5
    for column in ("finding", "cell_id", "nearest", "margin"):
        wanted = expected[column].astype(object).where(expected[column].notna(), None)
        given = rows[column].astype(object).where(rows[column].notna(), None)
        assert given.tolist() == wanted.tolist()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_file_with_few_findings_or_none(atlash, files, tmp_path):
    for suffix in (".csv", ".parquet", ".json"):
        output = tmp_path / f"rows{suffix}"
        found = atlash("audit", files / "small.atlash", "-q", "--json", "--most", 0, "-o", output)
        assert found.code == 0, found.err
        assert found.json["output"] == str(output)
        assert output.stat().st_size > 0


def test_options_reach_the_audit(atlash, place, tmp_path):
    found = atlash(
        "audit", place / "odd.atlash", "--batch-key", "cell_type", "--most", "2", "--json", "-q",
        "-o", tmp_path / "rows.csv",
    )  # fmt: skip
    assert (found.json["batch_column"], found.json["batches"]) == ("cell_type", 3)
    listed = pd.read_csv(tmp_path / "rows.csv")["finding"].value_counts()
    assert listed["mislabelled"] == 2


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("rows.txt", "must end in one of .csv, .parquet, .json"),
        ("odd.atlash", "must end in one of"),
        ("no/rows.csv", "there is no folder"),
        ("folder.csv", "is a folder"),
        ("odd.atlash/manifest.json", "lies within a saved reference"),
        ("odd.atlash/versions.csv", "lies within a saved reference"),
    ],
)
def test_an_output_that_cannot_be(atlash, place, tmp_path, output, told):
    shutil.copytree(place / "odd.atlash", tmp_path / "odd.atlash")
    (tmp_path / "folder.csv").mkdir()
    before = sorted(tmp_path.rglob("*"))
    found = atlash("audit", tmp_path / "odd.atlash", "-o", tmp_path / output)
    assert (found.code, found.out) == (1, "")
    assert told in found.told
    assert sorted(tmp_path.rglob("*")) == before
    Reference.load(tmp_path / "odd.atlash")


def test_a_full_disk_leaves_no_file(atlash, place, tmp_path):
    found = atlash("audit", place / "odd.atlash", "-q", "-o", tmp_path / "r.json", limit=1024)
    assert found.code == 1
    assert "cannot be written" in found.told
    assert not list(tmp_path.iterdir())


def test_a_column_that_is_missing(atlash, place):
    found = atlash("audit", place / "odd.atlash", "--batch-key", "bach")
    assert (found.code, found.out) == (1, "")
    assert "Did you mean 'batch'?" in found.told


def test_no_reference(atlash, tmp_path):
    found = atlash("audit", tmp_path / "none.atlash")
    assert found.code == 1
    assert found.told.startswith("Error: ")


@pytest.mark.parametrize("arguments", [[], ["r.atlash", "--most", "-1"]])
def test_a_wrong_command_line_is_2(atlash, arguments):
    found = atlash("audit", *arguments)
    assert found.code == 2
    assert "Usage" in found.err


def test_help_explains_the_options(atlash):
    found = atlash("audit", "--help")
    for option in ("--batch-key", "--most", "--output", "--json", "--quiet"):
        assert option in found.out


def test_names_in_brackets_are_no_markup(report, capsys):
    pair = {"label": "T [naive]", "nearest": "B [/x]", "cells": 3, "share_of_label": 0.5}
    summary = report.summary | {
        "batch_column": "[bold]",
        "mislabelled": report.summary["mislabelled"] | {"pairs": [pair]},
    }
    print_audit(replace(report, summary=summary), "a [red].atlash", "out [red].csv")
    shown = " ".join(capsys.readouterr().out.split())
    for text in ("T [naive] B [/x] 3 50.0%", "a [red].atlash", "in '[bold]'", "out [red].csv"):
        assert text in shown
