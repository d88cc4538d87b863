"""Stores that lost chunks are told, and whole ones, which lack chunks of zeros, are not."""

import tempfile
import warnings
from pathlib import Path

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
import zarr
from hypothesis import given
from hypothesis import strategies as st

from atlash.data.chunks import MissingChunksWarning, absent_spans
from atlash.data.source import open_source
from atlash.errors import FileFormatError

CHUNK = 10


def rechunk(path, part, chunk=CHUNK, shard=None):
    """Write an array of a store anew, in small chunks; return the folder that holds them."""
    with warnings.catch_warnings():  # about strings and tables of contents of format 3
        warnings.simplefilter("ignore")
        root = zarr.open_group(path, mode="r+", use_consolidated=False)
        old = root[part]
        values, kind, attributes = old[:], old.dtype, dict(old.attrs)
        del root[part]
        new = root.create_array(
            part, shape=values.shape, dtype=str if kind.kind in "OT" else kind, chunks=(chunk,),
            shards=None if shard is None else (shard,),
        )  # fmt: skip
        new[:] = values
        new.attrs.update(attributes)
        zarr.consolidate_metadata(path, zarr_format=root.metadata.zarr_format)
    folder = path / part
    return folder / "c" if (folder / "zarr.json").is_file() else folder


def pieces(folder):
    return sorted(int(file.name) for file in folder.glob("*") if file.name.isdigit())


@pytest.fixture(params=[2, 3], ids=["format 2", "format 3"])
def store(request, adata, tmp_path, write_zarr):
    """Write cells as a store of either format."""

    def write(X=None, name="a.zarr"):
        cells = adata if X is None else ad.AnnData(X)
        return write_zarr(cells, tmp_path / name, version=request.param)

    return write


@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.csc_matrix])
@pytest.mark.parametrize("place", [0, 7, -1])
def test_lost_indices_are_an_error(store, counts, kind, place):
    path = store(kind(counts.astype(np.float32)))
    folder = rechunk(path, "X/indices", chunk=100)
    number = pieces(folder)[place]
    whole = sp.vstack([part for _, part in open_source(path).chunks(20)])
    np.testing.assert_array_equal(whole.toarray(), counts)
    (folder / str(number)).unlink()
    with pytest.raises(
        FileFormatError, match=rf"X is damaged: entries {number * 100:,} to .*`ind"
    ):
        open_source(path)


def test_a_lost_shard_is_an_error(adata, tmp_path, write_zarr):
    path = write_zarr(adata, tmp_path / "a.zarr")
    folder = rechunk(path, "X/indices", chunk=50, shard=200)
    assert absent_spans(zarr.open_group(path)["X/indices"]) == []
    (folder / "1").unlink()
    with pytest.raises(FileFormatError, match="entries 200 to 400 of its `indices`"):
        open_source(path)


@pytest.mark.parametrize("place", [0, 1, -1])
def test_lost_bounds_are_an_error(store, place):
    path = store()
    folder = rechunk(path, "X/indptr")
    (folder / str(pieces(folder)[place])).unlink()
    with pytest.raises(FileFormatError, match="X is damaged: "):
        open_source(path)


def test_lost_values_are_warned_of(store, counts):
    path = store()
    folder = rechunk(path, "X/data", chunk=100)
    (folder / "2").unlink()
    (folder / "4").unlink()
    told = rf"a\.zarr, X: 200 of {np.count_nonzero(counts):,} values are in chunks that the store"
    with pytest.warns(MissingChunksWarning, match=told):
        open_source(path)


@pytest.mark.parametrize("table", ["obs", "var"])
def test_lost_names_are_warned_of(store, table):
    path = store()
    folder = rechunk(path, f"{table}/_index")
    (folder / "1").unlink()
    with pytest.warns(MissingChunksWarning, match=rf"10 of the \d+ names in `{table}`"):
        open_source(path)


def test_a_layer_and_raw_are_looked_at(adata, tmp_path, write_zarr):
    adata.layers["counts"], adata.raw = adata.X.copy(), adata.copy()
    path = write_zarr(adata, tmp_path / "a.zarr")
    for part in ("layers/counts", "raw/X"):
        folder = rechunk(path, f"{part}/indices", chunk=100)
        (folder / "3").unlink()
    open_source(path)
    for layer in ("counts", "raw"):
        with pytest.raises(FileFormatError, match="is damaged: entries 300 to 400"):
            open_source(path, layer)


def test_a_matrix_of_a_store_inside_an_anndata_is_looked_at(adata, tmp_path, write_zarr):
    path = write_zarr(adata, tmp_path / "a.zarr")
    (rechunk(path, "X/indices", chunk=100) / "3").unlink()
    matrix = ad.io.sparse_dataset(zarr.open_group(path)["X"])
    with pytest.raises(FileFormatError, match="entries 300 to 400 of its `indices`"):
        open_source(ad.AnnData(matrix, obs=adata.obs, var=adata.var))


def first_gene_alone():
    X = np.zeros((60, 40), dtype=np.float32)
    X[:, 0] = 1
    return X


def first_cells_empty():
    X = np.zeros((60, 40), dtype=np.float32)
    X[35:, 3:9] = 2
    return X


@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.csc_matrix])
@pytest.mark.parametrize(
    "X",
    [
        np.ones((60, 1), dtype=np.float32),
        np.ones((1, 60), dtype=np.float32),
        first_gene_alone(),
        first_gene_alone().T.copy(),
        first_cells_empty(),
        first_cells_empty().T.copy(),
        np.zeros((60, 40), dtype=np.float32),
    ],
    ids=["a gene", "a cell", "first gene", "first cell", "empty cells", "empty genes", "nothing"],
)
def test_zeros_that_are_left_out_are_no_loss(store, X, kind):
    path = store(kind(X))
    for part in ("data", "indices", "indptr"):
        rechunk(path, f"X/{part}")
    found = sp.vstack([part for _, part in open_source(path).chunks(7)])
    np.testing.assert_array_equal(found.toarray(), X)


def test_chunks_of_zeros_are_left_out(store):
    """What the tests above rest on."""
    path = store(sp.csr_matrix(first_gene_alone()))
    assert pieces(rechunk(path, "X/indices")) == []
    assert absent_spans(zarr.open_group(path)["X/indices"])[-1] == (50, 60)


def test_other_arrays_are_not_looked_at(tmp_path):
    (tmp_path / "a.zip").touch()
    inside = zarr.create_array(zarr.storage.MemoryStore(), shape=(30,), chunks=(10,), dtype="i4")
    for array in (inside, np.zeros(3), None):
        assert absent_spans(array) == []


@given(st.data())
def test_any_whole_store_is_read_without_a_word(data):
    shape = data.draw(st.tuples(st.integers(1, 12), st.integers(1, 6)))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    X = (rng.random(shape) < data.draw(st.sampled_from([0.05, 0.3, 0.9]))).astype(np.float32)
    matrix = data.draw(st.sampled_from([sp.csr_matrix, sp.csc_matrix]))(X)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        path = Path(folder) / "a.zarr"
        warnings.simplefilter("ignore")
        ad.AnnData(matrix).write_zarr(path)
        warnings.simplefilter("error")
        for part in ("data", "indices", "indptr"):
            rechunk(path, f"X/{part}", chunk=data.draw(st.integers(1, 8)))
        found = sp.vstack([part for _, part in open_source(path).chunks(5)])
    np.testing.assert_array_equal(found.toarray(), X)
