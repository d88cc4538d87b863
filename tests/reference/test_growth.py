"""Commits: what comes, leaves and is replaced, and what is refused."""

import json
import runpy
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from atlash.errors import InputError, KeyNotFoundError, OutputError, ReferenceFileError
from atlash.reference.growth import Change, ConflictError, commit
from atlash.reference.store import read, write
from atlash.reference.versions import versions

made = runpy.run_path(str(Path(__file__).with_name("grower.py")))
start, cells = made["start"], made["cells"]
GOLDEN = Path(__file__).parents[1] / "golden" / "v1" / "tiny.atlash"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "pbmc.atlash"
    start(path)
    return path


@pytest.fixture
def path(saved, tmp_path):
    """A reference of one's own, with 50 cells."""
    return Path(shutil.copytree(saved, tmp_path / "pbmc.atlash"))


def listing(folder):
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def ids(stored):
    return stored.cells.to_table(["cell_id"])["cell_id"].to_pylist()


@pytest.mark.parametrize("kind", ["table", "stream", "saved"])
def test_cells_come_after_those_that_are_there(path, tmp_path, kind):
    added = cells(2, 30)
    if kind == "stream":
        added = pa.RecordBatchReader.from_batches(added.schema, added.to_batches(max_chunksize=7))
    if kind == "saved":
        start(tmp_path / "other.atlash", 30)
        commit(tmp_path / "other.atlash", Change(append=added, delete="which = 1"), base=1)
        added = read(tmp_path / "other.atlash").cells
    grown = commit(path, Change(append=added), base=1)
    assert (grown.version, grown.cells.n_rows) == (2, 80)
    wanted = pa.concat_tables([cells(1), cells(2, 30)]).combine_chunks().unify_dictionaries()
    assert grown.cells.to_table().equals(wanted)
    assert read(path).cells.to_table().equals(wanted)
    assert versions(path)[-1].note == "added 30 cells"


@pytest.mark.parametrize(
    ("which", "gone"),
    [
        ("place < 10 AND half = 'odd'", range(1, 10, 2)),
        ("half IS NULL OR place >= 40", range(40, 50)),
        (np.array([49, 0, 7, 7]), [0, 7, 49]),
        (np.arange(50), range(50)),
        ("1 = 1", range(50)),
    ],
)
def test_cells_leave(path, which, gone):
    shrunk = commit(path, Change(delete=which), base=1)
    left = [f"1-{i}" for i in range(50) if i not in set(gone)]
    assert ids(shrunk) == ids(read(path)) == left
    assert shrunk.cells.n_rows == len(left)
    assert versions(path)[-1].note.startswith(f"removed {50 - len(left)} cells")
    grown = commit(path, Change(append=cells(3, 2)), base=2)
    assert ids(grown) == [*left, "3-0", "3-1"]


def test_positions_are_those_of_the_base(path):
    commit(path, Change(delete=np.arange(0, 50, 2)), base=1)
    commit(path, Change(append=cells(3, 10)), base=2)
    shrunk = commit(path, Change(delete=np.array([0, 24, 25, 34])), base=3)
    odd = [f"1-{i}" for i in range(3, 49, 2)]
    assert ids(shrunk) == odd + [f"3-{i}" for i in range(1, 9)]


def test_replacing_is_one_commit(path):
    again = cells(2, 5).set_column(0, "cell_id", pa.array(["1-3", "1-4", "new", "1-40", "x"]))
    found = read(path).cells.find(again["cell_id"].to_pylist())
    np.testing.assert_array_equal(found, [3, 4, -1, 40, -1])
    replaced = commit(path, Change(delete=found[found >= 0], append=again), base=1)
    left = [f"1-{i}" for i in range(50) if i not in {3, 4, 40}]
    assert ids(replaced) == [*left, "1-3", "1-4", "new", "1-40", "x"]
    assert versions(path)[-1].note == "removed 3 cells, added 5 cells"
    assert replaced.version == 2


def test_parts_are_replaced_and_the_cells_are_not_written(path):
    before = listing(path)
    anchors = pd.DataFrame({"label": ["B", "T"], "which": 2})
    change = Change(
        meta={"n": 50, "types": 2},
        arrays={"weight": np.ones(3)},
        anchors=anchors,
        note="registered type T",
    )
    stored = commit(path, change, base=1)
    assert stored.meta == {"n": 50, "types": 2}
    np.testing.assert_array_equal(stored.arrays["weight"], np.ones(3))
    pd.testing.assert_frame_equal(stored.anchors, anchors)
    assert versions(path)[-1].note == "registered type T"
    new = [file.name.split(".")[0] for file in listing(path).keys() - before.keys()]
    assert sorted(new) == ["anchors", "encoder", "manifest"]
    old = read(path, version=1)
    assert (old.meta, set(old.arrays)) == ({"n": 50}, {"weight", "which"})
    assert list(old.anchors["label"]) == ["B"]


def test_no_file_is_changed_but_the_manifest(path):
    before = listing(path)
    change = Change(append=cells(2), delete="place = 3", meta={"n": 99})
    commit(path, change, base=1)
    after = listing(path)
    manifest = path / "manifest.json"
    assert after[path / "versions" / "manifest.1.json"] == before.pop(manifest)
    assert all(after[file] == content for file, content in before.items())


def test_the_size_of_the_manifest_does_not_follow_the_number_of_commits(path):
    for base in range(1, 20):
        commit(path, Change(meta={"n": base}), base=base)
    raw = (path / "manifest.json").read_bytes()
    assert len(raw) < 1.1 * len((path / "versions" / "manifest.1.json").read_bytes())
    assert len(versions(path)) == 20


@pytest.mark.parametrize(
    "change", [Change(), Change(delete="place > 50"), Change(append=cells(1, 0))]
)
def test_what_changes_nothing_makes_no_version(path, change):
    before = listing(path)
    stored = commit(path, change, base=1)
    assert (stored.version, stored.cells.n_rows) == (1, 50)
    assert listing(path) == before


def test_a_stale_base_is_refused(path):
    before = read(path)
    commit(path, Change(append=cells(2, 5), note="added by another"), base=1)
    files = listing(path)
    with pytest.raises(
        ConflictError, match=r"version 2 .added by another.*Load the reference again"
    ):
        commit(path, Change(append=cells(3, 5)), base=before.version)
    with pytest.raises(InputError, match="has no version 7"):
        commit(path, Change(append=cells(3, 5)), base=7)
    assert listing(path) == files


def test_numbers_are_not_given_again_after_an_overwrite(path):
    for base in (1, 2):
        commit(path, Change(append=cells(base + 1, 5)), base=base)
    start(path.parent / "new.atlash", 10)
    stored = read(path.parent / "new.atlash")
    parts = {name: getattr(stored, name) for name in ("meta", "arrays", "genes", "anchors")}
    write(path, cells=stored.cells, overwrite=True, **parts)
    assert [(v.number, v.n_cells, v.note) for v in versions(path)] == [(4, 10, "saved")]
    assert not (path / "versions").exists()
    with pytest.raises(ConflictError):
        commit(path, Change(append=cells(2, 5)), base=3)
    with pytest.raises(KeyNotFoundError, match="has no version 3; it has version 4 alone"):
        read(path, version=3)
    assert commit(path, Change(append=cells(2, 5)), base=4).version == 5


def test_columns_that_are_missing_are_null_and_the_order_does_not_matter(path):
    added = cells(2, 4).select(["half", "code", "cell_id", "label"])
    grown = commit(path, Change(append=added), base=1)
    table = grown.cells.to_table()
    assert table.schema.equals(cells(1).schema)
    assert table["which"].to_pylist()[-5:] == [1, None, None, None, None]
    assert table["half"].to_pylist()[-4:] == ["even", "odd", "even", "odd"]


def test_values_are_brought_to_the_type_of_the_column(path):
    added = cells(2, 2)
    place = added.schema.get_field_index("place")
    added = added.set_column(place, "place", added["place"].cast(pa.int8()))
    half = added.schema.get_field_index("half")
    added = added.set_column(half, "half", added["half"].cast(pa.large_string()))
    grown = commit(path, Change(append=added), base=1)
    assert grown.cells.to_table().schema.equals(cells(1).schema)
    assert grown.cells.to_table()["half"].to_pylist()[-2:] == ["even", "odd"]


def broken(error):
    def batches():
        yield from cells(2, 30).to_batches(max_chunksize=10)[:2]
        raise error

    return pa.RecordBatchReader.from_batches(cells(2).schema, batches())


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"append": cells(2).append_column("age", pa.array(range(50)))}, InputError, "'age'"),
        (
            {"append": pa.table({"cell_id": ["a"], "place": ["first"]})},
            InputError,
            "Column 'place' of the new cells holds string, which does not fit the int64",
        ),
        (
            {"append": lambda: broken(KeyNotFoundError("the caller's"))},
            KeyNotFoundError,
            "the caller's",
        ),
        ({"append": lambda: broken(KeyError("mine"))}, KeyError, "mine"),
        ({"delete": "plce = 1"}, KeyNotFoundError, "Did you mean 'place'"),
        ({"delete": "place = 1; DROP TABLE t"}, InputError, "';' does not belong"),
        ({"delete": "place / 0 = 1"}, InputError, "Divide by zero"),
        ({"delete": np.array([50])}, InputError, "no cell at position 50"),
        ({"delete": np.array([True])}, InputError, "whole numbers"),
        ({"meta": {"a": (1,)}}, OutputError, "lists instead of tuples"),
        ({"arrays": {"a": np.array(["x"])}}, TypeError, "'a' has dtype <U1"),
        ({"genes": pd.DataFrame({"a": [1, "x"]})}, OutputError, "table of genes"),
    ],
)
@pytest.mark.parametrize("also", [{}, {"anchors": pd.DataFrame({"label": ["X"]})}])
def test_what_is_refused_leaves_nothing(path, change, error, message, also):
    change = {name: part() if callable(part) else part for name, part in change.items()}
    before = listing(path)
    with pytest.raises(error, match=message):
        commit(path, Change(**also | change), base=1)
    assert listing(path) == before
    assert not (path / ".growing").exists()


def test_what_is_no_reference(tmp_path):
    (tmp_path / "empty").mkdir()
    for name, finding in (("absent", "no such folder"), ("empty", "has no manifest.json")):
        with pytest.raises(ReferenceFileError, match=finding):
            commit(tmp_path / name, Change(append=cells(2)), base=1)
    assert [p.name for p in tmp_path.iterdir()] == ["empty"]


def test_damaged_cells_are_not_grown(path):
    for file in path.rglob("_versions/*.manifest"):
        file.write_bytes(b"damaged")
    with pytest.raises(ReferenceFileError, match="cannot be read"):
        commit(path, Change(append=cells(2)), base=1)


def test_files_of_the_user_stay(path):
    (path / "README.md").write_text("mine")
    (path / "versions").mkdir()
    (path / "versions" / "notes.txt").write_text("mine too")
    (path / ".growing").mkdir()  # as a killed writer leaves it: all is looked through
    commit(path, Change(append=cells(2)), base=1)
    assert (path / "README.md").read_text() == "mine"
    assert (path / "versions" / "notes.txt").read_text() == "mine too"


def test_references_of_the_first_format_grow(tmp_path):
    path = Path(shutil.copytree(GOLDEN, tmp_path / "old.atlash"))
    before = read(path)
    assert before.version == 1
    table = before.cells.to_table()
    grown = commit(path, Change(append=table[:5], delete="label = 'B cell'"), base=1)
    n_b = table["label"].to_pylist().count("B cell")
    assert grown.cells.n_rows == 90 - n_b + 5
    assert next(v.note for v in versions(path)) == "saved"
    assert read(path, version=1).cells.to_table().equals(table)


def test_cells_that_cannot_grow_say_so(path):
    (folder,) = path.glob("cells.*.lance")
    (file,) = folder.glob("_versions/*.manifest")
    file.rename(file.with_name("1.manifest"))
    manifest = json.loads((path / "manifest.json").read_text())
    assert manifest["cells"]["version"] == 1
    with pytest.raises(OutputError, match="Load the reference and save it with `overwrite=True`"):
        commit(path, Change(append=cells(2)), base=1)
