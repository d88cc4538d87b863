import numpy as np
import pandas as pd
import pytest

from atlash.data.genes import GeneTable, merge_genes, read_gene_names
from atlash.errors import GeneMismatchError, KeyNotFoundError

SYMBOLS = ["CD3E", "MS4A1", "LYZ", "NKG7"]
ENSEMBL = ["ENSG00000198851.5", "ENSG00000156738.1", "ENSG00000090382.2", "ENSG00000105374.9"]


def names(index, name="cells", **columns):
    return read_gene_names(pd.DataFrame(columns, index=index), source_name=name)


def test_the_other_kind_of_name_is_found():
    found = names(SYMBOLS, gene_ids=ENSEMBL, feature_name=SYMBOLS)
    assert list(found.namings) == ["var_names", "gene_ids"]
    assert list(found.of_kind("ensembl")) == [name.split(".")[0] for name in ENSEMBL]
    assert list(found.primary) == SYMBOLS


def test_numbers_give_way_to_no_column_but_symbols_are_offered():
    found = names(["0", "1", "2", "3"], gene_symbols=SYMBOLS)
    assert list(found.namings) == ["var_names", "gene_symbols"]


def test_the_chosen_column_is_first():
    var = pd.DataFrame({"mine": ENSEMBL}, index=SYMBOLS)
    found = read_gene_names(var, "mine", source_name="cells")
    assert list(found.namings) == ["mine", "var_names"]


def test_a_missing_column_names_the_nearest():
    var = pd.DataFrame({"gene_ids": ENSEMBL}, index=SYMBOLS)
    with pytest.raises(
        KeyNotFoundError, match=r"no column 'gene_id'; .*Try `gene_column='gene_ids'`"
    ):
        read_gene_names(var, "gene_id", source_name="cells")
    with pytest.raises(KeyNotFoundError, match="it has no columns"):
        read_gene_names(var[[]], "gene_id", source_name="cells")


def test_union_keeps_first_seen_order_and_knows_who_measured():
    table, measured = merge_genes([names(["CD3E", "LYZ", "CD3E"]), names(["NKG7", "LYZ"])])
    assert list(table.ids) == ["CD3E", "LYZ", "NKG7"]
    np.testing.assert_array_equal(measured, [[1, 1, 0], [0, 1, 1]])
    assert table.kind == "symbol"
    assert table.ensembl is None


def test_union_goes_by_the_kind_that_all_have():
    first, second = names(SYMBOLS[:3], gene_ids=ENSEMBL[:3]), names(ENSEMBL[1:])
    table, measured = merge_genes([first, second])
    assert table.kind == "ensembl"
    assert list(table.ids) == [name.split(".")[0] for name in ENSEMBL]
    assert list(table.symbol) == [*SYMBOLS[:3], ""]
    np.testing.assert_array_equal(measured, [[1, 1, 1, 0], [0, 1, 1, 1]])


def test_union_of_different_kinds_is_refused():
    with pytest.raises(
        GeneMismatchError, match=r"a names genes like 'CD3E', b like 'ENSG00000198851'"
    ):
        merge_genes([names(SYMBOLS, "a"), names(ENSEMBL, "b")])


def test_genes_without_a_name_are_left_out():
    table, measured = merge_genes([names(["CD3E", np.nan, " "])])
    assert list(table.ids) == ["CD3E"]
    assert measured.shape == (1, 1)


def test_table_survives_a_round_trip(tmp_path):
    table, _ = merge_genes([names(SYMBOLS, gene_ids=ENSEMBL)])
    table.to_frame().to_parquet(tmp_path / "genes.parquet")
    again = GeneTable.from_frame(pd.read_parquet(tmp_path / "genes.parquet"))
    pd.testing.assert_frame_equal(again.to_frame(), table.to_frame())
    assert (len(again), again.kind) == (4, "symbol")


@pytest.mark.parametrize("column", [["gene_ids"], {}, 3, ""], ids=repr)
def test_a_column_that_is_no_name(adata, column):
    with pytest.raises(KeyNotFoundError, match=r"has no column .*it has 'gene_ids'"):
        read_gene_names(adata.var, column, source_name="cells")
