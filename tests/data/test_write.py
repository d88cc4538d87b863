import os
import subprocess
import sys
import tracemalloc

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from atlash.data.write import atomic_path, check_copy, write_annotated_copy
from atlash.errors import FileFormatError, OutputError

LABELS = pd.Categorical(["T", "B", "T"] * 20)


@pytest.fixture
def path(adata, tmp_path):
    adata.layers["counts"] = adata.X.copy()
    adata.raw = adata
    adata.obsm["X_pca"] = np.ones((60, 2))
    adata.uns["note"] = "kept"
    adata.write_h5ad(tmp_path / "in.h5ad")
    return tmp_path / "in.h5ad"


def annotate(source, out):
    obs = {"label": LABELS, "margin": np.arange(60.0), "batch": pd.Series(["z"] * 60)}
    write_annotated_copy(
        source, out, obs=obs, obsm={"X_hash": np.eye(60, 3)}, uns={"run": {"n": 3}}
    )


def check(found, adata):
    assert list(found.obs["label"]) == list(LABELS)
    assert found.obs["label"].dtype == "category"
    np.testing.assert_array_equal(found.obs["margin"], np.arange(60.0))
    assert set(found.obs["batch"]) == {"z"}
    np.testing.assert_array_equal(found.obsm["X_hash"], np.eye(60, 3))
    assert found.uns["run"]["n"] == 3
    assert found.uns["note"] == "kept"
    np.testing.assert_array_equal(found.obsm["X_pca"], adata.obsm["X_pca"])
    assert (found.X != adata.X).nnz == 0
    assert (found.layers["counts"] != adata.X).nnz == 0
    assert list(found.obs_names) == list(adata.obs_names)
    assert found.raw.shape == adata.shape


def test_a_copy_has_everything_and_more(adata, path, tmp_path):
    before = path.read_bytes()
    annotate(path, tmp_path / "out.h5ad")
    check(ad.read_h5ad(tmp_path / "out.h5ad"), adata)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.h5ad", "out.h5ad"]


@pytest.mark.parametrize("version", [2, 3])
def test_zarr(adata, path, tmp_path, write_zarr, version):
    store = write_zarr(adata, tmp_path / "in.zarr", version)
    annotate(store, tmp_path / "out.zarr")
    annotate(store, tmp_path / "out.zarr")  # an older copy is replaced
    check(ad.read_zarr(tmp_path / "out.zarr"), adata)
    assert "label" not in ad.read_zarr(store).obs


def test_what_is_not_annotated_stays_the_same_bytes(path, tmp_path):
    annotate(path, tmp_path / "out.h5ad")
    with h5py.File(path) as old, h5py.File(tmp_path / "out.h5ad") as new:
        for key in ("X/data", "X/indices", "layers/counts/data", "var/_index", "obsm/X_pca"):
            np.testing.assert_array_equal(old[key], new[key])
            assert old[key].id.get_offset() == new[key].id.get_offset()


def test_the_matrix_is_never_loaded(tmp_path):
    X = sp.random_array((5000, 2000), density=0.2, format="csr", dtype=np.float32, rng=0)
    ad.AnnData(X).write_h5ad(tmp_path / "in.h5ad")
    tracemalloc.start()
    obs = {"n": np.zeros(5000)}
    write_annotated_copy(tmp_path / "in.h5ad", tmp_path / "out.h5ad", obs=obs, obsm={}, uns={})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6  # the matrix has 16 MB


def test_an_existing_copy_is_replaced(adata, path, tmp_path):
    (tmp_path / "out.h5ad").write_text("old")
    annotate(path, tmp_path / "out.h5ad")
    check(ad.read_h5ad(tmp_path / "out.h5ad"), adata)


def test_never_onto_the_input(path, tmp_path):
    link = tmp_path / "link.h5ad"
    link.symlink_to(path)
    hard = tmp_path / "hard.h5ad"
    os.link(path, hard)
    before = path.read_bytes()
    for out in (path, link, hard, tmp_path / "." / "in.h5ad"):
        with pytest.raises(OutputError, match="is the input"):
            annotate(path, out)
    assert path.read_bytes() == before


def test_other_formats_are_refused(path, tmp_path):
    for name in ("out.csv", "out.zarr", "out"):
        with pytest.raises(OutputError, match=r"must end in '\.h5ad'"):
            annotate(path, tmp_path / name)


def test_a_missing_folder(path, tmp_path):
    with pytest.raises(OutputError, match="no folder"):
        annotate(path, tmp_path / "nowhere" / "out.h5ad")


def test_the_output_is_checked_before_the_work(path, tmp_path):
    check_copy(path, tmp_path / "out.h5ad")
    for out in (path, tmp_path / "out.csv", tmp_path / "nowhere" / "out.h5ad"):
        with pytest.raises(OutputError):
            check_copy(path, out)
    assert [p.name for p in tmp_path.iterdir()] == ["in.h5ad"]


def test_a_folder_without_permission(path, tmp_path, monkeypatch):
    monkeypatch.setattr("atlash.data.write.os.access", lambda *_: False)  # root may write anywhere
    with pytest.raises(OutputError, match="no permission to write"):
        annotate(path, tmp_path / "out.h5ad")


def test_a_missing_input(tmp_path):
    with pytest.raises(FileFormatError, match="no file"):
        annotate(tmp_path / "in.h5ad", tmp_path / "out.h5ad")


def test_a_full_disk_leaves_nothing_behind(path, tmp_path, monkeypatch):
    (tmp_path / "out.h5ad").write_text("old")

    def full(source, target):
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("atlash.data.write.shutil.copyfile", full)
    with pytest.raises(OutputError, match="No space left on device"):
        annotate(path, tmp_path / "out.h5ad")
    assert (tmp_path / "out.h5ad").read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.h5ad", "out.h5ad"]


def test_a_wrong_length_leaves_nothing_behind(path, tmp_path):
    with pytest.raises(ValueError, match="3 values for 60 cells"):
        write_annotated_copy(path, tmp_path / "out.h5ad", obs={"n": np.zeros(3)}, obsm={}, uns={})
    assert [p.name for p in tmp_path.iterdir()] == ["in.h5ad"]


def fail_halfway(path):
    with atomic_path(path) as temporary:
        temporary.write_text("half")
        msg = "boom"
        raise RuntimeError(msg)


def test_atomic_path_keeps_the_old_file_when_the_writer_fails(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(RuntimeError, match="boom"):
        fail_halfway(tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_atomic_path_for_folders(tmp_path):
    for content in ("old", "new"):
        with atomic_path(tmp_path / "a.ref") as temporary:
            temporary.mkdir()
            (temporary / "x").write_text(content)
    assert (tmp_path / "a.ref" / "x").read_text() == "new"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "values",
    [
        pd.Series(["a", None] * 30, dtype="category"),
        pd.Series(["a", "b"] * 30, dtype="string"),
        np.array(["a", "b"] * 30),
        pd.Series([True, False] * 30),
        np.arange(60, dtype=np.uint64),
        pd.array([1, None] * 30, dtype="Int32"),
    ],
    ids=lambda values: str(values.dtype),
)
def test_every_kind_of_column(path, tmp_path, values):
    write_annotated_copy(path, tmp_path / "out.h5ad", obs={"new": values}, obsm={}, uns={})
    found = ad.read_h5ad(tmp_path / "out.h5ad").obs
    assert list(found.columns) == ["batch", "new"]
    pd.testing.assert_series_equal(
        pd.Series(np.asarray(found["new"])), pd.Series(np.asarray(values)), check_dtype=False
    )


def test_the_first_column_of_a_table_without_any(tmp_path):
    ad.AnnData(np.ones((3, 2), dtype=np.float32)).write_h5ad(tmp_path / "in.h5ad")
    write_annotated_copy(
        tmp_path / "in.h5ad", tmp_path / "out.h5ad", obs={"n": np.arange(3)}, obsm={}, uns={}
    )
    assert list(ad.read_h5ad(tmp_path / "out.h5ad").obs["n"]) == [0, 1, 2]


def test_a_disk_that_fills_while_results_are_written(path, tmp_path):
    resource = pytest.importorskip("resource", reason="file size limits need POSIX")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10_000, limits[1]))
    try:
        with pytest.raises(OutputError, match="cannot be written"):
            write_annotated_copy(
                path, tmp_path / "out.h5ad", obs={}, obsm={"X_hash": np.ones((60, 1000))}, uns={}
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [p.name for p in tmp_path.iterdir()] == ["in.h5ad"]


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_graphs_of_cells(adata, path, tmp_path, write_zarr, kind):
    """Into a file that has none, and beside or instead of others."""
    graph = sp.random_array((60, 60), density=0.1, format="csr", rng=0, dtype=np.float32)
    if kind == "zarr":
        path = write_zarr(adata, tmp_path / "in.zarr")
    read = ad.read_h5ad if kind == "h5ad" else ad.read_zarr
    copies = [tmp_path / f"{name}.{kind}" for name in ("first", "second")]
    nothing = {"obs": {}, "obsm": {}, "uns": {}}
    write_annotated_copy(path, copies[0], **nothing, obsp={"a": sp.csr_matrix(graph)})
    found = read(copies[0])
    assert (found.obsp["a"] != graph).nnz == 0
    assert found.obsp["a"].dtype == np.float32
    replaced = {"a": sp.csr_matrix(2 * graph), "b": sp.csr_matrix(graph.T)}
    write_annotated_copy(copies[0], copies[1], **nothing, obsp=replaced)
    found = read(copies[1])
    assert sorted(found.obsp) == ["a", "b"]
    for key, expected in replaced.items():
        assert (found.obsp[key] != expected).nnz == 0


def test_without_graphs_there_are_none(path, tmp_path):
    annotate(path, tmp_path / "out.h5ad")
    assert len(ad.read_h5ad(tmp_path / "out.h5ad").obsp) == 0


KILLED = """
import os, sys
from pathlib import Path
from atlash.data.write import atomic_path

left = int(sys.argv[2])

def count(event, _):
    global left
    if event in {"os.rename", "os.remove", "os.rmdir", "shutil.rmtree"}:
        left -= 1
        if left < 0:
            os._exit(9)

with atomic_path(Path(sys.argv[1]) / "results") as folder:
    folder.mkdir()
    for name in "abc":
        (folder / name).write_text("new")
    sys.addaudithook(count)
"""


def test_a_folder_replaced_by_a_killed_process_is_whole(tmp_path):
    """Whenever it is killed, there is the old content or the new one, and not half of either."""
    codes = set()
    for step in range(12):
        home = tmp_path / str(step)
        (home / "results").mkdir(parents=True)
        for name in "abc":
            (home / "results" / name).write_text("old")
        command = [sys.executable, "-c", KILLED, home, str(step)]
        codes.add(subprocess.run(command, check=False).returncode)
        found = [
            [(folder / name).read_text() for name in "abc" if (folder / name).exists()]
            for folder in home.iterdir()
        ]
        assert ["old"] * 3 in found or ["new"] * 3 in found
        if (home / "results").exists():
            content = [path.read_text() for path in (home / "results").iterdir()]
            assert content in (["old"] * 3, ["new"] * 3)
    assert codes == {0, 9}


def test_columns_can_be_removed(adata, path, tmp_path, write_zarr):
    for source, read in (
        (path, ad.read_h5ad),
        (write_zarr(adata, tmp_path / "in.zarr"), ad.read_zarr),
    ):
        out = tmp_path / f"less{source.suffix}"
        write_annotated_copy(
            source, out, obs={"batch": None, "nowhere": None, "new": LABELS}, obsm={}, uns={}
        )
        found = read(out)
        assert set(found.obs) == (set(adata.obs) - {"batch"}) | {"new"}
        assert list(found.obs["new"]) == list(LABELS)


def test_a_folder_that_is_no_store_is_left_as_it_is(adata, tmp_path, write_zarr):
    store = write_zarr(adata, tmp_path / "in.zarr")
    out = tmp_path / "mine.zarr"
    out.mkdir()
    (out / "thesis.txt").write_text("years")
    with pytest.raises(OutputError, match="is a folder that is no zarr store, and is left"):
        annotate(store, out)
    assert (out / "thesis.txt").read_text() == "years"


def test_a_file_in_the_place_of_a_folder_is_told_before_the_work(
    adata, path, tmp_path, write_zarr
):
    (tmp_path / "out.h5ad").mkdir()
    (tmp_path / "out.zarr").write_text("mine")
    store = write_zarr(adata, tmp_path / "in.zarr")
    with pytest.raises(OutputError, match="is a folder and would be a file; it is left"):
        check_copy(path, tmp_path / "out.h5ad")
    with pytest.raises(OutputError, match="is a file and would be a folder; it is left"):
        check_copy(store, tmp_path / "out.zarr")


@pytest.mark.parametrize("version", [2, 3])
def test_an_existing_store_is_replaced(adata, tmp_path, write_zarr, version):
    store = write_zarr(adata, tmp_path / "in.zarr", version)
    out = write_zarr(adata[:3].copy(), tmp_path / "out.zarr", version)
    annotate(store, out)
    assert ad.read_zarr(out).n_obs == 60


def test_an_empty_folder_is_replaced(adata, tmp_path, write_zarr):
    store = write_zarr(adata, tmp_path / "in.zarr")
    (tmp_path / "out.zarr").mkdir()
    annotate(store, tmp_path / "out.zarr")
    assert ad.read_zarr(tmp_path / "out.zarr").n_obs == 60


def test_neither_in_the_other(adata, tmp_path, write_zarr):
    (tmp_path / "outer.zarr").mkdir()
    store = write_zarr(adata, tmp_path / "outer.zarr" / "in.zarr")
    for out in (tmp_path / "outer.zarr", store / "obs" / "out.zarr"):
        with pytest.raises(OutputError, match="lie one in the other"):
            annotate(store, out)
    assert ad.read_zarr(store).n_obs == 60
    assert not (store / "obs" / "out.zarr").exists()


def test_a_result_never_takes_the_place_of_the_index(adata, tmp_path):
    adata.obs.index.name = "label"
    adata.write_h5ad(tmp_path / "in.h5ad")
    with pytest.raises(OutputError, match="'label' would take the place of the names"):
        annotate(tmp_path / "in.h5ad", tmp_path / "out.h5ad")
    assert [path.name for path in tmp_path.iterdir()] == ["in.h5ad"]
