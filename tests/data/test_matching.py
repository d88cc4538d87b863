import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlash.data.genes import GeneTable, merge_genes, read_gene_names
from atlash.data.matching import DuplicateGenesWarning, match_genes
from atlash.errors import GeneMismatchError

SYMBOLS = ["CD3E", "MS4A1", "LYZ", "NKG7"]
ENSEMBL = ["ENSG00000198851", "ENSG00000156738", "ENSG00000090382", "ENSG00000105374"]
POOL = [*SYMBOLS, "CD8A", "GNLY", "PPBP", "FCGR3A"]


def names(index, **columns):
    return read_gene_names(pd.DataFrame(columns, index=index), source_name="query.h5ad, X")


def table(index, **columns):
    return merge_genes([names(index, **columns)])[0]


def match(query, reference, min_shared=0.5, weight=None):
    weight = np.full(len(reference), 1 / len(reference)) if weight is None else weight
    return match_genes(query, reference, weight=weight, min_shared=min_shared)


def test_order_and_strangers_do_not_matter():
    found = match(names(["NKG7", "XIST", "CD3E", "LYZ"]), table(SYMBOLS))
    assert list(found.gene_of_column) == [3, -1, 0, 2]
    assert list(found.measured) == [True, False, True, True]
    assert (found.n_shared, found.weight_shared, found.n_duplicates) == (3, 0.75, 0)
    assert found.gene_of_column.dtype == np.int32


@pytest.mark.parametrize(
    ("query", "reference", "naming"),
    [
        (names(ENSEMBL), table(SYMBOLS, gene_ids=ENSEMBL), ("var_names", "ensembl")),
        (names(SYMBOLS), table(ENSEMBL, symbol=SYMBOLS), ("var_names", "symbol")),
        (names(ENSEMBL, feature_name=SYMBOLS), table(SYMBOLS), ("feature_name", "id")),
        (names([f"{e}.3" for e in ENSEMBL]), table(ENSEMBL), ("var_names", "id")),
    ],
)
def test_any_pair_of_namings(query, reference, naming):
    found = match(query, reference)
    assert list(found.gene_of_column) == [0, 1, 2, 3]
    assert found.naming == naming


def test_weight_decides_not_number():
    weight = np.array([0.9, 0.1, 0, 0])
    assert match(names(["CD3E"]), table(SYMBOLS), weight=weight).weight_shared == 0.9
    with pytest.raises(
        GeneMismatchError, match=r"3 of the reference's 4 genes, with 10% of the weight"
    ):
        match(names(SYMBOLS[1:]), table(SYMBOLS), weight=weight)


def test_duplicates_warn_with_an_example():
    with pytest.warns(DuplicateGenesWarning, match=r"1 columns repeat .*'LYZ'"):
        found = match(names(["LYZ", "CD3E", "LYZ", "XIST", "XIST"]), table(SYMBOLS))
    assert (found.n_shared, found.n_duplicates) == (2, 1)


def test_mouse_on_human_is_refused_by_name():
    query = names([symbol.capitalize() for symbol in SYMBOLS])
    with pytest.raises(
        GeneMismatchError, match="query looks like mouse, the reference like human"
    ):
        match(query, table(SYMBOLS))
    with pytest.raises(GeneMismatchError, match="'Cd3e'"):
        match(query, table(SYMBOLS), min_shared=0.0)


def test_ensembl_on_symbols_names_the_remedy():
    with pytest.raises(GeneMismatchError, match=r"gene symbols in a column .*'gene_symbols'"):
        match(names(ENSEMBL), table(SYMBOLS))
    with pytest.raises(GeneMismatchError, match=r"Ensembl ids in a column .*'gene_ids'"):
        match(names(SYMBOLS), table(ENSEMBL))
    with pytest.raises(GeneMismatchError, match="gene_column"):
        match(names(["0", "1"]), table(SYMBOLS))


def test_names_mangled_by_r_are_recognised():
    with pytest.raises(GeneMismatchError, match="3 names would match but for"):
        match(names(["HLA.DRA", "HLA.A", "NKX2.5"]), table(["HLA-DRA", "HLA-A", "NKX2-5"]))


def test_too_few_genes_of_the_right_kind():
    with pytest.raises(GeneMismatchError, match="lower `min_shared`"):
        match(names(["CD3E"]), table(SYMBOLS))


@given(st.lists(st.sampled_from(POOL), min_size=1), st.permutations(POOL[:6]))
def test_matching_equals_looking_up_one_by_one(query, reference):
    weight = np.arange(1, 7) / 21
    shared = set(query) & set(reference)
    if not shared:
        with pytest.raises(GeneMismatchError):
            match(names(query), table(reference), 0.0, weight)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DuplicateGenesWarning)
        found = match(names(query), table(reference), 0.0, weight)
    expected = [reference.index(gene) if gene in reference else -1 for gene in query]
    assert list(found.gene_of_column) == expected
    assert found.n_shared == len(shared)
    assert found.n_duplicates == sum(gene in shared for gene in query) - len(shared)
    assert found.weight_shared == pytest.approx(sum(weight[reference.index(g)] for g in shared))


def test_a_table_read_back_matches_alike():
    reference = table(SYMBOLS, gene_ids=ENSEMBL)
    again = GeneTable.from_frame(reference.to_frame())
    assert list(match(names(ENSEMBL), again).gene_of_column) == [0, 1, 2, 3]
