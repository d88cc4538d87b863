import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from atlash.data.source import open_source, open_sources
from atlash.errors import EmptyInputError, InputError, InvalidValuesError, KeyNotFoundError

CONTAINERS = {
    "csr_matrix": sp.csr_matrix,
    "csc_matrix": sp.csc_matrix,
    "csr_array": sp.csr_array,
    "csc_array": sp.csc_array,
    "dense": np.asarray,
    "fortran": np.asfortranarray,
}
DTYPES = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
DTYPES += ["float16", "float32", "float64"]
NO_SCIPY = {("csr_array", "float16"), ("csc_array", "float16")}


def holders(adata, folder, write_zarr):
    """Give the same cells as every kind of holder."""
    yield "memory", adata
    wide = ad.concat([adata, adata], index_unique="-")
    wide.var = adata.var
    wide.obs_names = [*adata.obs_names, *wide.obs_names[adata.n_obs :]]
    yield "view", wide[: adata.n_obs]
    adata.write_h5ad(folder / "cells.h5ad")
    yield "path", folder / "cells.h5ad"
    yield "string", str(folder / "cells.h5ad")
    yield "backed", ad.read_h5ad(folder / "cells.h5ad", backed="r")
    wide.write_h5ad(folder / "wide.h5ad")
    yield "backed view", ad.read_h5ad(folder / "wide.h5ad", backed="r")[: adata.n_obs]
    for version in (2, 3):
        yield f"zarr {version}", write_zarr(adata, folder / f"cells{version}.zarr", version)


def read(source, size=7):
    return np.concatenate([chunk.toarray() for _, chunk in source.chunks(size)])


@pytest.mark.parametrize("container", CONTAINERS)
def test_every_holder_gives_the_same_cells(adata, counts, container, tmp_path, write_zarr):
    adata.X = CONTAINERS[container](counts.astype(np.float32))
    for kind, holder in holders(adata, tmp_path, write_zarr):
        source = open_source(holder)
        np.testing.assert_array_equal(read(source), counts, err_msg=kind)
        assert list(source.obs.index) == list(adata.obs_names), kind
        assert list(source.var.index) == list(adata.var_names), kind
        index = np.array([0, 1, 5, 30, 58], dtype=np.int64)
        np.testing.assert_array_equal(source.rows(index).toarray(), counts[index], err_msg=kind)
        assert source.n_cells == 60


@pytest.mark.parametrize(
    ("container", "dtype"),
    [
        (c, d)
        for c in ("csr_array", "csc_array", "dense")
        for d in DTYPES
        if (c, d) not in NO_SCIPY
    ],
)
def test_every_dtype_is_read_exactly(counts, container, dtype, tmp_path):
    values = counts.astype(dtype)
    adata = ad.AnnData(CONTAINERS[container](values))
    adata.write_h5ad(tmp_path / "a.h5ad")
    for holder in (adata, tmp_path / "a.h5ad"):
        source = open_source(holder)
        assert source.dtype == dtype
        found = read(source)
        assert found.dtype in (np.float32, np.float64)
        np.testing.assert_array_equal(found, values.astype(np.float64))


def test_sparse_float16_in_memory(counts):
    half = sp.csr_array(counts.astype(np.float32))
    half.data = half.data.astype(np.float16)
    source = open_source(ad.AnnData(half))
    np.testing.assert_array_equal(read(source), counts)
    np.testing.assert_array_equal(source.rows(np.array([2, 9])).toarray(), counts[[2, 9]])


def test_large_integers_do_not_overflow():
    values = np.array([[2**31 - 1, 2**31 - 1]], dtype=np.int32)
    assert read(open_source(ad.AnnData(values))).sum() == 2**32 - 2


@pytest.mark.parametrize("backed", [False, True])
def test_layer_and_raw_have_their_own_values_and_genes(adata, counts, backed, tmp_path):
    adata.raw = adata
    adata.layers["counts"] = adata.X * 2
    small = adata[:, :5].copy()
    small.write_h5ad(tmp_path / "a.h5ad")
    holder = ad.read_h5ad(tmp_path / "a.h5ad", backed="r") if backed else small
    for cells in (holder, tmp_path / "a.h5ad", holder[:]):
        raw, layer = open_source(cells, "raw"), open_source(cells, "counts")
        np.testing.assert_array_equal(read(raw), counts)
        assert len(raw.var) == 40
        np.testing.assert_array_equal(read(layer), 2 * counts[:, :5])
        assert layer.name.endswith("layer 'counts'")
        assert open_source(cells).alternatives == ("counts", "raw")
        assert raw.alternatives == ("counts", "X")


def test_a_backed_view_in_any_order(adata, counts, tmp_path):
    for X in (adata.X, sp.csc_matrix(adata.X), adata.X.toarray()):
        adata.X = X
        adata.write_h5ad(tmp_path / "a.h5ad")
        backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
        view = backed[["c9", "c3", "c40", "c4"], ["GENE7", "GENE2"]]
        expected = counts[[9, 3, 40, 4]][:, [7, 2]]
        np.testing.assert_array_equal(read(open_source(view), 3), expected)
        backed.file.close()


def test_a_layer_named_raw_comes_before_raw(adata, counts):
    adata.raw = adata
    adata.layers["raw"] = adata.X * 3
    np.testing.assert_array_equal(read(open_source(adata, "raw")), 3 * counts)


def test_a_backed_file_that_was_closed_is_opened_again(adata, counts, tmp_path):
    adata.write_h5ad(tmp_path / "a.h5ad")
    backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    backed.file.close()
    np.testing.assert_array_equal(read(open_source(backed)), counts)


def test_a_dataset_on_disk_inside_an_anndata_is_read_lazily(adata, counts, tmp_path):
    adata.write_h5ad(tmp_path / "a.h5ad")
    lazy = ad.read_h5ad(tmp_path / "a.h5ad", backed="r").X
    np.testing.assert_array_equal(read(open_source(ad.AnnData(lazy))), counts)


@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix])
def test_dask(counts, container):
    array = pytest.importorskip("dask.array", reason="dask is not installed")
    lazy = array.from_array(counts, chunks=(13, 40)).map_blocks(container)
    source = open_source(ad.AnnData(lazy))
    np.testing.assert_array_equal(read(source), counts)
    np.testing.assert_array_equal(source.rows(np.array([3, 50])).toarray(), counts[[3, 50]])


def test_antibodies_and_spike_ins_are_left_out(adata, counts):
    adata.var["feature_types"] = "Gene Expression"
    adata.var.loc[["GENE3", "GENE9"], "feature_types"] = "Antibody Capture"
    adata.var_names = [*adata.var_names[:-1], "ERCC-00002"]
    source = open_source(adata)
    keep = np.setdiff1d(np.arange(40), [3, 9, 39])
    assert source.n_dropped == 3
    np.testing.assert_array_equal(read(source), counts[:, keep])
    np.testing.assert_array_equal(source.rows(np.array([4, 8])).toarray(), counts[[4, 8]][:, keep])
    assert list(source.var.index) == list(adata.var_names[keep])


def test_the_user_s_anndata_is_untouched(adata):
    adata.var_names = pd.Index(range(40)).astype(str)
    before = adata.copy()
    read(open_source(adata))
    pd.testing.assert_frame_equal(adata.obs, before.obs)
    pd.testing.assert_frame_equal(adata.var, before.var)
    np.testing.assert_array_equal(adata.X.data, before.X.data)


def test_several_files_stay_in_order(adata, tmp_path):
    adata.write_h5ad(tmp_path / "a.h5ad")
    sources = open_sources([tmp_path / "a.h5ad", adata[:7]])
    assert [source.n_cells for source in sources] == [60, 7]
    assert len(open_sources(tmp_path / "a.h5ad")) == 1


def test_wrong_layer_names_the_nearest(adata, tmp_path):
    adata.layers["counts"] = adata.X
    adata.write_h5ad(tmp_path / "a.h5ad")
    for cells in (adata, tmp_path / "a.h5ad"):
        with pytest.raises(KeyNotFoundError, match=r"has no 'count'; .*Try `layer='counts'`"):
            open_source(cells, "count")
        with pytest.raises(KeyNotFoundError, match="has no 'raw'; it has 'counts', 'X'"):
            open_source(cells, "raw")


def test_no_x(adata, tmp_path):
    empty = ad.AnnData(obs=adata.obs, var=adata.var)
    with pytest.raises(KeyNotFoundError, match="has no X; it has no matrix at all"):
        open_source(empty)
    empty.layers["counts"] = adata.X
    empty.write_h5ad(tmp_path / "a.h5ad")
    for cells in (empty, tmp_path / "a.h5ad"):
        with pytest.raises(KeyNotFoundError, match="Try `layer='counts'`"):
            open_source(cells)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0)])
def test_empty(shape):
    with pytest.raises(EmptyInputError, match=f"{shape[0]} cells and {shape[1]} genes"):
        open_source(ad.AnnData(np.zeros(shape, dtype=np.float32)))


def test_only_antibodies(adata):
    adata.var["feature_types"] = "Antibody Capture"
    with pytest.raises(EmptyInputError, match="'Antibody Capture'"):
        open_source(adata)


@pytest.mark.parametrize("values", [np.zeros((2, 2), complex), np.full((2, 2), "a", object)])
def test_values_that_are_no_numbers(values):
    with pytest.raises(InputError, match=r"type (complex|object).*real numbers"):
        open_source(ad.AnnData(values))


def test_masked_entries():
    masked = np.ma.masked_equal(np.arange(6.0).reshape(2, 3), 4.0)
    with pytest.raises(InvalidValuesError, match="row 1, column 1"):
        open_source(ad.AnnData(masked))
    plain = np.ma.MaskedArray(np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(read(open_source(ad.AnnData(plain))), plain.data)


@pytest.mark.parametrize("cells", [np.zeros((2, 2)), 3, None])
def test_something_else(cells):
    with pytest.raises(InputError, match="Wrap a matrix as"):
        open_source(cells)


def test_an_empty_list():
    with pytest.raises(EmptyInputError, match="list of inputs is empty"):
        open_sources([])


def test_a_chunk_of_nothing(adata):
    with pytest.raises(ValueError, match="at least 1 cell"):
        next(open_source(adata).chunks(0))


@pytest.mark.parametrize("layer", [["counts"], {}, np.array(["raw"])], ids=repr)
def test_a_layer_that_is_no_name(adata, layer):
    adata.raw = adata
    with pytest.raises(InputError, match=r"^`layer` is .* but must be the name of one layer"):
        open_source(adata, layer)


def test_a_layer_that_is_a_number(adata):
    with pytest.raises(KeyNotFoundError, match="The AnnData has no 3; it has"):
        open_source(adata, 3)


def test_a_backed_file_without_x(adata, tmp_path):
    adata.layers["counts"] = adata.X.copy()
    adata.X = None
    adata.write_h5ad(tmp_path / "a.h5ad")
    backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    with pytest.raises(KeyNotFoundError, match="has no X; it has 'counts'"):
        open_source(backed)
    assert open_source(backed, "counts").n_cells == 60


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("~nobody-of-this-name/a", "home folder in .* is not known"),
        ("a" * 5000, "no file 'aaa"),
    ],
)
def test_paths_that_no_file_can_have(path, told):
    with pytest.raises(InputError, match=told):
        open_source(path)
