"""Saving and loading: what comes back, what is refused, and which file is blamed."""

import runpy
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from atlash.errors import KeyNotFoundError, OutputError, ReferenceFileError
from atlash.reference.store import read, write

content = runpy.run_path(str(Path(__file__).with_name("saver.py")))["content"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Two references that differ in every part."""
    folder = tmp_path_factory.mktemp("saved")
    for which in (0, 1):
        write(folder / f"{which}.atlash", **content(which))
    return folder


@pytest.fixture
def path(saved, tmp_path):
    """A reference of one's own."""
    return Path(shutil.copytree(saved / "0.atlash", tmp_path / "pbmc.atlash"))


def listing(folder):
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def assert_same(stored, which):
    expected = content(which)
    assert stored.meta == expected["meta"]
    assert stored.arrays.keys() == expected["arrays"].keys()
    for name, array in expected["arrays"].items():
        np.testing.assert_array_equal(stored.arrays[name], array)
        assert stored.arrays[name].dtype == array.dtype
    pd.testing.assert_frame_equal(stored.genes, expected["genes"])
    pd.testing.assert_frame_equal(stored.anchors, expected["anchors"])
    assert stored.cells.to_table().equals(expected["cells"])
    assert stored.cells.n_rows == len(expected["cells"])


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("kind", [Path, str])
def test_everything_comes_back(saved, verify, kind):
    for which in (0, 1):
        assert_same(read(kind(saved / f"{which}.atlash"), verify=verify), which)


def test_reading_writes_nothing(path):
    before = listing(path)
    stored = read(path)
    stored.cells.to_table()
    list(stored.cells.batches(size=7))
    assert listing(path) == before


def test_a_renamed_and_copied_reference_is_whole(path, tmp_path):
    path.rename(tmp_path / "other name.atlash")
    shutil.copytree(tmp_path / "other name.atlash", tmp_path / "ü [1]" / "copy")
    assert_same(read(tmp_path / "ü [1]" / "copy"), 0)


def test_relative_paths_and_links(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("link.atlash").symlink_to("pbmc.atlash")
    assert_same(read("link.atlash"), 0)
    cells = write("link.atlash", **content(1), overwrite=True)
    assert cells.to_table().equals(content(1)["cells"])
    assert Path("link.atlash").is_symlink()
    assert_same(read("pbmc.atlash"), 1)


def test_overwriting_removes_what_is_old_and_leaves_what_is_not_ours(path):
    (path / "README.md").write_text("mine")
    (path / "planes").mkdir()
    (path / "genes.parquet").write_text("mine too")
    old = {file.name for file in path.iterdir()} - {"manifest.json"}
    write(path, **content(1), overwrite=True)
    assert_same(read(path), 1)
    kept = {file.name for file in path.iterdir()} & old
    assert kept == {"README.md", "planes", "genes.parquet"}
    assert len(list(path.iterdir())) == 8


def test_saving_the_same_again_works(path):
    for _ in range(3):
        write(path, **content(0), overwrite=True)
        assert_same(read(path), 0)
        assert len(list(path.iterdir())) == 5


def test_a_loaded_reference_can_be_saved_over_itself(path):
    stored = read(path)
    parts = {name: getattr(stored, name) for name in ("arrays", "genes", "anchors", "cells")}
    cells = write(path, meta=stored.meta, **parts, overwrite=True)
    assert cells.to_table().equals(content(0)["cells"])
    assert_same(read(path), 0)
    with pytest.raises(ReferenceFileError, match="load it again"):
        stored.cells.to_table()


@pytest.mark.parametrize("n_batches", [0, 1, 7])
def test_cells_can_be_streamed(tmp_path, n_batches):
    table = content(0, 700)["cells"]
    batches = table.to_batches(max_chunksize=100)[:n_batches]
    stream = pa.RecordBatchReader.from_batches(table.schema, iter(batches))
    cells = write(tmp_path / "a", **content(0) | {"cells": stream})
    assert cells.n_rows == 100 * n_batches
    assert cells.to_table().equals(table[: 100 * n_batches])


@pytest.mark.parametrize("share", [True, False])
def test_dictionaries_of_a_stream_are_joined(tmp_path, share):
    values = ["B", None, "T"] * 300
    if share:
        batches = pa.table({"x": pa.array(values).dictionary_encode()}).to_batches(
            max_chunksize=100
        )
    else:
        slices = [values[start : start + 100] for start in range(0, 900, 100)]
        batches = [pa.record_batch({"x": pa.array(each).dictionary_encode()}) for each in slices]
    stream = pa.RecordBatchReader.from_batches(batches[0].schema, iter(batches))
    cells = write(tmp_path / "a", **content(0) | {"cells": stream})
    again = write(tmp_path / "b", **content(0) | {"cells": cells})
    for each in (cells, again):
        assert each.schema == batches[0].schema
        frame = each.to_table().to_pandas()
        assert frame["x"].dtype == pd.CategoricalDtype(["B", "T"])
        assert frame["x"].astype(object).where(frame["x"].notna(), None).tolist() == values
        for batch in each.batches(size=77):
            assert set(batch.to_pandas()["x"].cat.categories) == {"B", "T"}
        assert each.dataset.to_table(filter="x = 'B'").num_rows == 300


def test_an_error_of_the_stream_is_raised_as_it_is(path, tmp_path):
    table = content(0)["cells"]

    def batches():
        yield from table.to_batches()
        msg = "no more"
        raise LookupError(msg)

    for target in (path, tmp_path / "new.atlash"):
        stream = pa.RecordBatchReader.from_batches(table.schema, batches())
        with pytest.raises(LookupError, match="no more"):
            write(target, **content(1) | {"cells": stream}, overwrite=True)
    assert [home.name for home in tmp_path.iterdir()] == ["pbmc.atlash"]
    assert len(list(path.iterdir())) == 5
    assert_same(read(path), 0)


def test_batches_cover_the_cells_in_order(saved):
    cells = read(saved / "0.atlash").cells
    batches = list(cells.batches(["noise", "cell_id"], size=7))
    assert max(batch.num_rows for batch in batches) <= 7
    table = pa.Table.from_batches(batches)
    assert table.equals(content(0)["cells"].select(["noise", "cell_id"]))
    assert cells.schema.equals(content(0)["cells"].schema, check_metadata=True)


def test_unknown_columns_are_named(saved):
    cells = read(saved / "0.atlash").cells
    for ask in (cells.to_table, lambda names: list(cells.batches(names))):
        with pytest.raises(KeyNotFoundError, match=r"no column 'age'.* They have \['cell_id'"):
            ask(["cell_id", "age"])


def test_empty_reference(tmp_path):
    parts = content(0, 0) | {
        "meta": {},
        "arrays": {},
        "genes": pd.DataFrame(),
        "anchors": pd.DataFrame(),
    }
    write(tmp_path / "a", **parts)
    stored = read(tmp_path / "a")
    assert (stored.meta, stored.arrays, stored.cells.n_rows) == ({}, {}, 0)
    assert stored.cells.to_table().equals(parts["cells"])
    assert stored.genes.empty


def test_tables_keep_their_index_and_dtypes(tmp_path):
    genes = pd.DataFrame(
        {
            "kind": pd.Categorical(["a", None]),
            "n": pd.array([1, None], dtype="Int64"),
            "f": [0.5, 1],
        },
        index=pd.Index(["CD3E", "MS4A1"], name="gene"),
    ).astype({"f": "float32"})
    write(tmp_path / "a", **content(0) | {"genes": genes})
    pd.testing.assert_frame_equal(read(tmp_path / "a").genes, genes)


def test_overwriting_must_be_asked_for(path):
    before = listing(path)
    with pytest.raises(OutputError, match=r"exists.*`overwrite=True`"):
        write(path, **content(1))
    assert listing(path) == before


@pytest.mark.parametrize("overwrite", [True, False])
def test_what_is_not_ours_is_never_touched(path, tmp_path, overwrite):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "manifest.json").write_text('{"name": "a web page"}')
    (tmp_path / "dangling").symlink_to("nowhere")
    (path / "manifest.json").write_bytes((path / "manifest.json").read_bytes()[:-3])
    before = listing(tmp_path)
    for name in ("file", "empty", "folder", "dangling", "pbmc.atlash"):
        with pytest.raises(OutputError, match="not a reference that this atlash can replace"):
            write(tmp_path / name, **content(1), overwrite=overwrite)
    assert listing(tmp_path) == before


def test_a_damaged_reference_can_be_overwritten(path):
    for file in path.rglob("*.*"):
        if file.is_file() and file.name != "manifest.json":
            file.write_bytes(b"damaged")
    write(path, **content(1), overwrite=True)
    assert_same(read(path), 1)


def test_missing_parent(tmp_path):
    (tmp_path / "file").write_text("")
    for parent in ("absent", "file"):
        with pytest.raises(OutputError, match="is no folder; make it first"):
            write(tmp_path / parent / "a.atlash", **content(0))


@pytest.mark.parametrize(
    ("part", "error", "message"),
    [
        ({"meta": {"a": (1,)}}, OutputError, "lists instead of tuples"),
        ({"arrays": {"a": np.array(["x"])}}, TypeError, "'a' has dtype <U1"),
        ({"genes": pd.DataFrame({"a": [1, "x"]})}, OutputError, "table of genes cannot be stored"),
        ({"anchors": pd.DataFrame([[1, 2]], columns=["a", "a"])}, OutputError, "table of anchors"),
        ({"cells": pa.table({"a.b": [1]})}, OutputError, "a.b cannot contain"),
    ],
)
def test_parts_that_cannot_be_stored_leave_nothing(path, tmp_path, part, error, message):
    before = listing(path)
    for target in (path, tmp_path / "new.atlash"):
        with pytest.raises(error, match=message):
            write(target, **content(1) | part, overwrite=True)
    assert listing(tmp_path) == before
    assert [home.name for home in tmp_path.iterdir()] == ["pbmc.atlash"]


@pytest.mark.parametrize("which", [0, 1, None])
def test_mined_cells_of_what_was_replaced_are_removed(tmp_path, which):
    path = tmp_path / "pbmc.atlash"
    tables = [pd.DataFrame({"cell_id": [f"c{which}"], "status": ["hard"]}) for which in (0, 1)]
    write(path, **content(0), mined=tables[0])
    mined = None if which is None else tables[which]
    write(path, **content(1), mined=mined, overwrite=True)
    found = read(path).mined
    assert found is None if mined is None else found.equals(mined)
    assert len(list(path.glob("mined.*"))) == (mined is not None)
