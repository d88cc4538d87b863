"""``atlash add``, ``remove`` and ``merge``: what Python does, on saved references."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from atlash.reference import Reference


@pytest.fixture
def path(files, tmp_path):
    """A saved reference of one's own."""
    return Path(shutil.copytree(files / "small.atlash", tmp_path / "own.atlash"))


@pytest.fixture(scope="module")
def place(files, tmp_path_factory, fresh_counts):
    """A folder with cells to add and another reference; not to be changed."""
    folder = tmp_path_factory.mktemp("growing")
    for name, rows in (("a", range(4)), ("b", range(4, 6))):
        cells = fresh_counts[list(rows)].copy()
        cells.obs_names = [f"new{row}" for row in rows]
        cells.obs["age"] = np.arange(len(rows))
        cells.write_h5ad(folder / f"{name}.h5ad")
    return folder


def rows_of(path):
    return Reference.load(path).cells.to_table().to_pylist()


def listing(folder):
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_add_is_that_of_python(atlash, place, path, tmp_path):
    twin = Path(shutil.copytree(path, tmp_path / "twin.atlash"))
    found = atlash(
        "add", path, place / "a.h5ad", place / "b.h5ad", "--labels-key", "cell_type",
        "--threads", "1", "--json", "-q",
    )  # fmt: skip
    assert found.code == 0
    assert found.told == "Note: The reference has no column 'age'; left out."
    assert found.json["n_cells"] == 366
    assert (found.json["number"], found.json["changed"]) == (2, True)
    loaded = Reference.load(twin)
    with pytest.warns(UserWarning, match="'age'"):
        loaded.add([place / "a.h5ad", place / "b.h5ad"], "cell_type", progress=False)
    assert rows_of(path) == rows_of(twin)
    assert Reference.load(path).meta == loaded.meta


def test_cells_whose_id_is_there(atlash, place, path):
    with pytest.warns(UserWarning, match="'age'"):
        Reference.load(path).add(place / "a.h5ad", progress=False)
    before = listing(path)
    refused = atlash("add", path, place / "a.h5ad", "-q")
    assert (refused.code, refused.out) == (1, "")
    assert "4 of 4 cells have an id that the reference has" in refused.told
    kept = atlash("add", path, place / "a.h5ad", "--on-duplicate", "keep", "-q")
    assert kept.code == 0
    assert "Nothing to change: version 2 stays" in kept.out
    assert listing(path) == before
    new = atlash(
        "add", path, place / "a.h5ad", "--on-duplicate", "replace", "--labels-key", "cell_type",
        "-q",
    )  # fmt: skip
    assert new.code == 0
    assert "Version 3: added 4 cells from a.h5ad, X" in new.out
    assert "Cells: 364" in new.out
    assert all(row["label"] == row["cell_type"] for row in rows_of(path))


def test_remove(atlash, path):
    expected = [row for row in rows_of(path) if row["batch"] != "b1" or row["label"] == "B cell"]
    where = "batch IN ('b1', '[/b]') AND label <> 'B cell'"
    found = atlash("remove", path, "--where", where)
    assert (found.code, found.err) == (0, "")
    assert f"Version 2: removed 120 cells where {where}\nCells: 240" in found.out
    assert rows_of(path) == expected
    assert len(Reference.load(path, version=1).cells.to_table()) == 360
    none = atlash("remove", path, "--where", "batch = '[/b]'", "--json")
    assert (none.code, none.err) == (0, "")
    assert (none.json["number"], none.json["changed"]) == (2, False)


def test_a_condition_that_is_none(atlash, path):
    before = listing(path)
    found = atlash("remove", path, "--where", "batch = 'b1'; DROP TABLE t")
    assert (found.code, found.out) == (1, "")
    assert "';'" in found.told
    assert listing(path) == before


def test_merge(atlash, files, place, path, tmp_path):
    part = Path(shutil.copytree(files / "small.atlash", tmp_path / "part.atlash"))
    loaded = Reference.load(part)
    with pytest.warns(UserWarning, match="'age'"):
        loaded.add(place / "b.h5ad", "cell_type", progress=False)
    found = atlash("merge", path, part, "--on-duplicate", "keep", "--json")
    assert (found.code, found.err, found.json["n_cells"]) == (0, "", 362)
    assert rows_of(path) == rows_of(part)
    assert found.json["note"] == "added 2 cells from part.atlash"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["none.atlash", "a.h5ad"], "none.atlash"),
        (["own.atlash", "own.atlash/manifest.json"], "manifest.json"),
        (
            ["own.atlash", "a.h5ad", "--labels-key", "cell_typ"],
            "they have ['cell_type', 'batch', 'age']. Did you mean 'cell_type'?",
        ),
    ],
)
def test_what_cannot_be_added(atlash, place, path, arguments, told):
    tmp_path = path.parent
    shutil.copy(place / "a.h5ad", tmp_path)
    before = listing(tmp_path)
    paths = [tmp_path / a if "." in a else a for a in arguments]
    found = atlash("add", *paths, "-q")
    assert (found.code, found.out) == (1, "")
    assert found.told.startswith("Error: ")
    assert told in found.told
    assert listing(tmp_path) == before


def test_a_full_disk_leaves_the_reference(atlash, place, path):
    before = listing(path)
    found = atlash("add", path, place / "a.h5ad", "-q", limit=1024)
    assert (found.code, found.out) == (1, "")
    assert "unchanged" in found.told
    assert listing(path) == before
    assert json.loads((path / "manifest.json").read_text())["cells"]["rows"] == 360


@pytest.mark.parametrize(
    "arguments",
    [["add", "r"], ["add", "r", "c", "--on-duplicate", "ask"], ["remove", "r"], ["merge", "r"]],
)
def test_a_wrong_command_line_is_2(atlash, arguments):
    found = atlash(*arguments)
    assert found.code == 2
    assert "Usage" in found.err
