import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlash.data.identifiers import clean_ids, guess_species, identifier_kind


def test_cleaning():
    dirty = [
        " CD3E ",
        "ENSG00000198851.10",
        "ENSG00000182378.15_PAR_Y",
        "RP11-34.5",
        None,
        np.nan,
        7,
    ]
    clean = ["CD3E", "ENSG00000198851", "ENSG00000182378_PAR_Y", "RP11-34.5", "", "", "7"]
    assert list(clean_ids(dirty)) == clean


@pytest.mark.parametrize(
    ("names", "kind", "species"),
    [
        (["CD3E", "MS4A1", "C1orf112", "HLA-DRA"], "symbol", "human"),
        (["Cd3e", "Ms4a1", "0610009B22Rik", "mt-Nd1", "H2-Aa"], "symbol", "mouse"),
        (["ENSG00000198851", "ENSG00000156738"], "ensembl", "human"),
        (["ENSMUSG00000032093", "ENSMUSG00000024673"], "ensembl", "mouse"),
        (["ENSDARG00000000001", "ENSDARG00000000002"], "ensembl", "other"),
        (["0", "1", "2"], "other", "other"),
        (["FBgn0000003", "FBgn0000008"], "other", "other"),
        (["WBGene00000001", "WBGene00000002"], "other", "other"),
        (["CD3E", "Cd3e"], "symbol", "other"),
        (["ENSG00000198851", "ENSG00000156738", "tdTomato"], "ensembl", "human"),
        ([], "other", "other"),
    ],
)
def test_kind_and_species(names, kind, species):
    names = clean_ids(names)
    assert identifier_kind(names) == kind
    assert guess_species(names) == species


ODD = ["CD3E", "ENSG00000167286.3", "nan", "NaN", "None", "<NA>", "nano", " x", "y\t", "", "a b"]
ODD += ["\u00a0z", "ENSX", "line\nbreak", "x\r", "ERCC-00002"]


@given(st.lists(st.one_of(st.sampled_from(ODD), st.text(max_size=4)), max_size=6))
def test_names_that_need_no_cleaning_are_known_at_once(values):
    one_by_one = [
        clean_ids([value, " "])[0] for value in values
    ]  # the space forbids the short way
    assert clean_ids(values).tolist() == one_by_one
