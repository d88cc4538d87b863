"""Marker genes: scanpy's numbers, in scanpy's layout, from memory and from disk."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from atlash.errors import InputError, KeyNotFoundError, ScaleError
from atlash.tl.markers import markers

COLUMNS = ["group", "gene", "score", "auroc", "log2_fold_change"]
COLUMNS += ["fraction_in", "fraction_out", "p_value", "p_adjusted"]


@pytest.fixture
def cells(atlas):
    """Three types with 12 markers each."""
    return atlas


def quantised(counts):
    """Return what scanpy is to rank: bins of ``log1p(CP10K)``, as values."""
    X = counts.X.toarray().astype(float)
    values = np.log1p(1e4 * X / X.sum(axis=1, keepdims=True)).astype(np.float32).astype(float)
    return np.where(values > 0, 1 + np.floor(values * 255 / np.log1p(1e4)), 0)


def test_the_planted_markers_come_first(cells):
    table = markers(cells, groups_key="cell_type", n_genes=12)
    assert list(table) == COLUMNS
    assert table["group"].tolist() == [
        k for k in sorted(set(cells.obs["cell_type"])) for _ in range(12)
    ]
    for kind, (_, part) in enumerate(table.groupby("group", observed=True)):
        planted = {f"GENE{12 * kind + k + 1}" for k in range(12)}
        assert len(planted & set(part["gene"])) >= 11
        assert (np.diff(part["score"]) <= 0).all()
        assert (part["auroc"] > 0.7).all()
        assert (part["log2_fold_change"] > 0).all()
        assert (part["p_adjusted"] >= part["p_value"]).all()


def test_scanpy_finds_the_same(cells):
    scanpy = pytest.importorskip("scanpy")
    cells = cells[:, cells.X.max(axis=0).toarray().ravel() > 0].copy()  # scanpy divides by 0
    theirs = cells.copy()
    theirs.X = quantised(cells)
    scanpy.tl.rank_genes_groups(theirs, "cell_type", method="wilcoxon", tie_correct=True)
    wanted = scanpy.get.rank_genes_groups_df(theirs, None).set_index(["group", "names"])
    found = markers(cells, groups_key="cell_type").set_index(["group", "gene"])
    wanted = wanted.loc[found.index]
    np.testing.assert_allclose(found["score"], wanted["scores"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found["p_value"], wanted["pvals"], rtol=1e-8)
    np.testing.assert_allclose(found["p_adjusted"], wanted["pvals_adj"], rtol=1e-8)
    scanpy.pp.normalize_total(cells, target_sum=1e4)
    scanpy.pp.log1p(cells)
    scanpy.tl.rank_genes_groups(cells, "cell_type", method="wilcoxon", tie_correct=True)
    wanted = scanpy.get.rank_genes_groups_df(cells, None).set_index(["group", "names"])
    wanted = wanted.loc[found.index]
    np.testing.assert_allclose(found["log2_fold_change"], wanted["logfoldchanges"], atol=1e-4)
    np.testing.assert_allclose(found["score"], wanted["scores"], atol=0.3)


def test_scanpy_reads_the_result(cells, tmp_path):
    scanpy = pytest.importorskip("scanpy")
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    table = markers(cells, groups_key="cell_type", n_genes=5)
    cells.write_h5ad(tmp_path / "cells.h5ad")
    again = ad.read_h5ad(tmp_path / "cells.h5ad")
    listed = scanpy.get.rank_genes_groups_df(again, None, key="atlash_markers")
    pairs = {
        "names": "gene",
        "scores": "score",
        "logfoldchanges": "log2_fold_change",
        "pvals": "p_value",
        "pvals_adj": "p_adjusted",
        "pct_nz_group": "fraction_in",
        "pct_nz_reference": "fraction_out",
    }
    assert listed["group"].tolist() == table["group"].tolist()
    for theirs, ours in pairs.items():
        if theirs == "names":
            assert listed[theirs].tolist() == table[ours].tolist()
        else:
            np.testing.assert_allclose(listed[theirs], table[ours], rtol=1e-6)
    scanpy.pp.log1p(again)
    plot = scanpy.pl.rank_genes_groups_dotplot(
        again, key="atlash_markers", n_genes=3, dendrogram=False, return_fig=True
    )
    assert len(plot.var_names) == 9
    plt.close("all")


@pytest.mark.parametrize("holder", ["h5ad", "backed", "layer", "raw", "log", "csc"])
def test_the_holder_of_the_cells_does_not_matter(cells, tmp_path, holder):
    wanted = markers(cells, groups_key="cell_type")
    options = {}
    given = cells.copy()
    if holder in {"h5ad", "backed"}:
        path = tmp_path / "cells.h5ad"
        given.write_h5ad(path)
        given = path if holder == "h5ad" else ad.read_h5ad(path, backed="r")
    elif holder == "layer":
        given.layers["counts"], given.X = given.X, np.zeros(given.shape, dtype=np.float32)
        options = {"layer": "counts"}
    elif holder == "raw":
        given.raw = given.copy()
        given.X = np.zeros(given.shape, dtype=np.float32)
        options = {"layer": "raw"}
    elif holder == "log":
        X = given.X.toarray()
        given.X = np.log1p(1e4 * X / X.sum(axis=1, keepdims=True))
    else:
        given.X = sp.csc_matrix(given.X)
    found = markers(given, groups_key="cell_type", **options).set_index(["group", "gene"])
    wanted = wanted.set_index(["group", "gene"]).loc[found.index]
    # values that were stored as logarithms may fall on the other side of a bin's edge
    tolerance = 0.02 if holder == "log" else 0
    np.testing.assert_allclose(found["score"], wanted["score"], atol=tolerance, rtol=0)
    if not isinstance(given, ad.AnnData):
        return
    told = given.uns["atlash_markers"]["params"]
    assert (told["use_raw"], told["layer"]) == (
        holder == "raw",
        "counts" if holder == "layer" else None,
    )
    if holder == "backed":
        given.file.close()


def test_a_file_is_left_as_it_is(cells, tmp_path):
    path = tmp_path / "cells.h5ad"
    cells.write_h5ad(path)
    before = path.read_bytes()
    markers(path, groups_key="cell_type")
    assert path.read_bytes() == before


def test_cells_without_a_cluster_take_no_part(cells):
    labels = cells.obs["cell_type"].astype(str)
    labels.iloc[:40] = "unassigned"
    labels.iloc[40:60] = None
    cells.obs["cluster"] = labels
    found = markers(cells, groups_key="cluster")
    pd.testing.assert_frame_equal(found, markers(cells[60:].copy(), groups_key="cluster"))
    assert "unassigned" not in set(found["group"])


@pytest.mark.parametrize("blank", ["", " "])
def test_a_blank_is_no_cluster(cells, blank, tmp_path):
    labels = cells.obs["cell_type"].astype(str)
    labels.iloc[:40] = blank
    cells.obs["cluster"] = labels
    found = markers(cells, groups_key="cluster")
    pd.testing.assert_frame_equal(found, markers(cells[40:].copy(), groups_key="cluster"))
    cells.write_h5ad(tmp_path / "cells.h5ad")


def test_a_cluster_of_one_cell(cells):
    cells.obs["cluster"] = np.where(np.arange(cells.n_obs) == 5, "one", "rest")
    found = markers(cells, groups_key="cluster", key_added="mine")
    assert np.isfinite(found[COLUMNS[2:]]).all().all()
    assert set(cells.uns) == {"mine"}


@pytest.mark.parametrize("n_genes", [0, -1, 1.5, True])
def test_a_number_of_genes_that_is_none(cells, n_genes):
    with pytest.raises(InputError, match=r"`n_genes` is .* whole number from 1"):
        markers(cells, groups_key="cell_type", n_genes=n_genes)


def test_one_cluster_or_none(cells):
    cells.obs["cluster"] = "all"
    with pytest.raises(InputError, match="has only 'all'"):
        markers(cells, groups_key="cluster")
    cells.obs["cluster"] = "unassigned"
    with pytest.raises(InputError, match="has none"):
        markers(cells, groups_key="cluster")


def test_no_clusters_yet(cells):
    with pytest.raises(KeyNotFoundError, match="no column 'atlash_cluster'; it has 'cell_type'"):
        markers(cells)


def test_scaled_values_are_refused(cells):
    X = cells.X.toarray()
    cells.X = (X - X.mean(axis=0)) / (X.std(axis=0) + 1)
    with pytest.raises(ScaleError, match="looks scaled"):
        markers(cells, groups_key="cell_type")
