import gzip
import io
import os
import tracemalloc

import anndata as ad
import h5py
import numpy as np
import pytest
import scipy.sparse as sp

from atlash.data.source import open_source
from atlash.data.spill import SpilledRows
from atlash.errors import FileFormatError, OutputError

N_CELLS, N_GENES = 10_000, 500


@pytest.fixture(scope="module")
def large():
    """A million values, 8 MB in memory."""
    return sp.random_array((N_CELLS, N_GENES), density=0.2, format="csr", dtype=np.float32, rng=0)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr("atlash.data.spill._BLOCK", 1 << 14)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("kind", ["csr", "csc", "dense"])
@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_memory_is_that_of_a_chunk(large, kind, suffix, tmp_path, write_zarr):
    X = large.toarray() if kind == "dense" else large.asformat(kind)
    path = tmp_path / f"cells{suffix}"
    if suffix == ".zarr":
        write_zarr(ad.AnnData(X), path, chunks=(500, 500) if kind == "dense" else None)
    else:
        ad.AnnData(X).write_h5ad(path)
    source = open_source(path)
    tracemalloc.start()
    total = sum(float(chunk.sum()) for _, chunk in source.chunks(500))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == pytest.approx(float(large.sum()), rel=1e-4)
    assert peak < 6e6  # a chunk is .4 MB sparse, 1 MB dense; all cells 8 or 20 MB


def test_reading_from_csr_touches_each_value_once(adata, tmp_path, monkeypatch):
    adata.write_h5ad(tmp_path / "a.h5ad")
    source = open_source(tmp_path / "a.h5ad")
    reads = []
    whole = h5py.Dataset.__getitem__

    def counted(dataset, key, *args, **kwargs):
        found = whole(dataset, key, *args, **kwargs)
        reads.append((dataset.name, np.size(found)))
        return found

    monkeypatch.setattr(h5py.Dataset, "__getitem__", counted)
    assert len(list(source.chunks(20))) == 3
    assert len(reads) == 6
    assert sum(size for name, size in reads if name == "/X/data") == adata.X.nnz


@pytest.mark.parametrize("block", [1, 7, 100, 10**6])
def test_spilled_rows_equal_csr(counts, block, monkeypatch):
    monkeypatch.setattr("atlash.data.spill._BLOCK", block)
    csc = sp.csc_array(counts)
    rows = SpilledRows(csc.data, csc.indices, csc.indptr, shape=csc.shape)
    for start, stop in ((0, 60), (0, 1), (59, 60), (13, 47), (5, 5)):
        np.testing.assert_array_equal(rows.block(start, stop).toarray(), counts[start:stop])
    index = np.array([0, 3, 40, 59])
    np.testing.assert_array_equal(rows.take(index).toarray(), counts[index])


def test_spilling_an_all_zero_matrix():
    csc = sp.csc_array((4, 3))
    rows = SpilledRows(csc.data, csc.indices, csc.indptr, shape=csc.shape)
    assert rows.block(0, 4).nnz == 0


def test_spilling_to_a_full_disk_says_so(counts, monkeypatch):
    class Full:
        def seek(self, *_):
            pass

        def write(self, *_):
            raise OSError(28, "No space left on device")

        def close(self):
            pass

    monkeypatch.setattr("atlash.data.spill.tempfile.TemporaryFile", Full)
    csc = sp.csc_array(counts)
    with pytest.raises(OutputError, match=r"temporary disk space.*No space left.*TMPDIR"):
        SpilledRows(csc.data, csc.indices, csc.indptr, shape=csc.shape).block(0, 1)


def test_spilling_leaves_no_file(counts, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    csc = sp.csc_array(counts)
    rows = SpilledRows(csc.data, csc.indices, csc.indptr, shape=csc.shape)
    rows.block(0, 1)
    del rows
    assert not list(tmp_path.iterdir())


def test_missing_file(tmp_path):
    with pytest.raises(FileFormatError, match=r"no file .*nothing\.h5ad"):
        open_source(tmp_path / "nothing.h5ad")


FOREIGN = {
    "empty": (b"", "empty"),
    "csv": (b"cell,CD3E,MS4A1\nc0,1,2\n", "comma-separated text.*read_csv"),
    "tsv": (b"cell\tCD3E\nc0\t1\n", "tab-separated text"),
    "gzip": (gzip.compress(b"x" * 100), "gzip archive.*gunzip"),
    "zip": (b"PK\x03\x04" + bytes(100), "zip archive"),
    "mtx": (b"%%MatrixMarket matrix coordinate\n", "Matrix Market.*read_10x_mtx"),
    "parquet": (b"PAR1" + bytes(100), "parquet"),
    "html": (b"<!DOCTYPE html><html>", "web page.*download"),
    "noise": (bytes(range(200, 250)) * 4, "unknown format"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_files_are_recognised(kind, tmp_path):
    content, message = FOREIGN[kind]
    path = tmp_path / "cells.h5ad"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=message):
        open_source(path)


def test_truncated_file(adata, tmp_path):
    path = tmp_path / "a.h5ad"
    adata.write_h5ad(path)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(FileFormatError, match="truncated or damaged HDF5"):
        open_source(path)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (["row_attrs", "col_attrs", "matrix"], "loom"),
        (["mod", "obs"], "MuData"),
        (["matrix"], "10x HDF5"),
        (["weights"], "holding 'weights'"),
        ([], "holding nothing"),
    ],
)
def test_other_hdf5_files_are_recognised(groups, message, tmp_path):
    with h5py.File(tmp_path / "a.h5ad", "w") as file:
        for group in groups:
            file.create_group(group)
    with pytest.raises(FileFormatError, match=message):
        open_source(tmp_path / "a.h5ad")


def test_a_folder_that_is_no_store(tmp_path):
    (tmp_path / "matrix.mtx").touch()
    with pytest.raises(FileFormatError, match=r"not a zarr store: it holds 'matrix\.mtx'"):
        open_source(tmp_path)


def test_csr_arrays_that_do_not_fit(adata, tmp_path):
    path = tmp_path / "a.h5ad"
    adata.write_h5ad(path)
    with h5py.File(path, "r+") as file:
        short = file["X/indices"][:-3]
        del file["X/indices"]
        file["X/indices"] = short
    with pytest.raises(FileFormatError, match="CSR arrays have lengths"):
        open_source(path)


def test_a_table_that_cannot_be_read(adata, tmp_path):
    path = tmp_path / "a.h5ad"
    adata.write_h5ad(path)
    with h5py.File(path, "r+") as file:
        del file["obs/_index"]
    with pytest.raises(FileFormatError, match=r"`obs` of a\.h5ad"):
        open_source(path)


def test_a_matrix_of_another_kind(adata, tmp_path):
    path = tmp_path / "a.h5ad"
    adata.write_h5ad(path)
    with h5py.File(path, "r+") as file:
        del file["X"]
        file["X"] = np.zeros(60)
    with pytest.raises(FileFormatError, match="matrix of cells x genes"):
        open_source(path)


@pytest.mark.parametrize("index", [40, 10**6, -1])
def test_csr_indices_beyond_the_columns_are_refused(adata, tmp_path, index):
    """Compiled code would read what lies beside an array."""
    path = tmp_path / "a.h5ad"
    adata.write_h5ad(path)
    with h5py.File(path, "r+") as file:
        file["X/indices"][5] = index
    source = open_source(path)
    for read in (lambda: list(source.chunks(20)), lambda: source.rows(np.arange(3))):
        with pytest.raises(FileFormatError, match=rf"X is damaged: .*hold {index:,}.*below 40"):
            read()


def test_csr_indices_in_memory_beyond_the_columns_are_refused(adata):
    adata.X.indices[5] = 40
    source = open_source(adata)
    for read in (lambda: list(source.chunks(20)), lambda: source.rows(np.arange(3))):
        with pytest.raises(FileFormatError, match="X is damaged"):
            read()


@pytest.mark.parametrize("index", [60, -1])
def test_csc_indices_beyond_the_rows_are_refused(adata, tmp_path, index):
    path = tmp_path / "a.h5ad"
    adata.X = sp.csc_matrix(adata.X)
    adata.write_h5ad(path)
    with h5py.File(path, "r+") as file:
        file["X/indices"][5] = index
    with pytest.raises(FileFormatError, match=rf"hold {index}, .*below 60"):
        list(open_source(path).chunks(20))


@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.csc_matrix])
@pytest.mark.parametrize(("place", "bound"), [(5, 0), (0, 1), (5, 10**6)])
def test_bounds_that_do_not_ascend(adata, tmp_path, kind, place, bound):
    """Entries of one cell would be added to another's."""
    path = tmp_path / "a.h5ad"
    adata.X = kind(adata.X)
    adata.write_h5ad(path)
    with h5py.File(path, "r+") as file:
        file["X/indptr"][place] = bound
    with pytest.raises(FileFormatError, match="`indptr` does not begin at 0 and ascend"):
        open_source(path)


@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.csc_matrix, np.asarray])
def test_values_that_cannot_be_decompressed(adata, counts, tmp_path, kind):
    path = tmp_path / "a.h5ad"
    adata.X = kind(counts.astype(np.float32))
    adata.write_h5ad(path, compression="gzip")
    with h5py.File(path) as file:
        found = file["X"] if kind is np.asarray else file["X/data"]
        chunk = found.id.get_chunk_info(0)
    raw = bytearray(path.read_bytes())
    middle = slice(chunk.byte_offset + 5, chunk.byte_offset + chunk.size - 2)
    raw[middle] = b"\xff" * (middle.stop - middle.start)
    path.write_bytes(raw)
    with pytest.raises(FileFormatError, match=r"X is damaged: .*cannot be read .*Copy or"):
        list(open_source(path).chunks(20))


def test_a_zarr_chunk_that_cannot_be_decompressed(adata, tmp_path, write_zarr):
    store = write_zarr(adata, tmp_path / "a.zarr")
    chunk = next(path for path in (store / "X" / "data" / "c").rglob("*") if path.is_file())
    chunk.write_bytes(b"\xff" * chunk.stat().st_size)
    with pytest.raises(FileFormatError, match="X is damaged"):
        list(open_source(store).chunks(20))


def test_no_place_for_temporary_files(counts, monkeypatch):
    def nowhere():
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("atlash.data.spill.tempfile.TemporaryFile", nowhere)
    csc = sp.csc_array(counts)
    with pytest.raises(OutputError, match=r"No usable temporary directory.*TMPDIR"):
        SpilledRows(csc.data, csc.indices, csc.indptr, shape=csc.shape).block(0, 1)


def test_a_disk_that_fills_with_the_last_bytes(counts, monkeypatch):
    """Small writes wait in a buffer, and fail after the last one."""

    class Full(io.BytesIO):
        def flush(self):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("atlash.data.spill.tempfile.TemporaryFile", Full)
    csc = sp.csc_array(counts)
    with pytest.raises(OutputError, match=r"No space left.*TMPDIR"):
        SpilledRows(csc.data, csc.indices, csc.indptr, shape=csc.shape).block(0, 1)


@pytest.mark.parametrize(("separator", "name"), [(",", "comma"), ("\t", "tab")])
def test_a_table_of_many_genes_is_known_by_its_first_line(tmp_path, separator, name):
    path = tmp_path / "counts.csv"
    path.write_text(separator.join(f"GENE{k}" for k in range(2000)) + "\n")
    with pytest.raises(FileFormatError, match=f"looks like {name}-separated text"):
        open_source(path)
