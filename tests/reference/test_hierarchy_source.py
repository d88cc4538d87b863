"""Tables and ontologies are read as they are meant, and refused with a reason."""

import sys

import numpy as np
import pandas as pd
import pytest

from atlash.errors import (
    FileFormatError,
    InputError,
    KeyNotFoundError,
    LabelsError,
    MissingPackageError,
)
from atlash.reference.hierarchy import OrphanTypesWarning, parents_in
from atlash.reference.hierarchy_source import read_terms

ROWS = pd.DataFrame(
    {"sub": ["CD4", "CD8", "NA", "B"], "parent": ["T", "T", "other", None], "note": 1}
)
ABOVE = {"CD4": ["T"], "CD8": ["T"], "NA": ["other"], "B": [], "T": [], "other": []}
OBO = """format-version: 1.2
ontology: cl

[Term]
id: CL:0000000
name: cell

[Term]
id: CL:0000542
name: lymphocyte
is_a: CL:0000000 ! cell

[Term]
id: CL:0000084
name: T cell
is_a: CL:0000542 ! lymphocyte

[Term]
id: CL:0000789
name: alpha-beta T cell
is_a: CL:0000084 ! T cell

[Term]
id: CL:0000624
name: CD4 T cell
is_a: CL:0000789 ! alpha-beta T cell

[Term]
id: CL:0000625
name: CD8 T cell
is_a: CL:0000789 ! alpha-beta T cell
is_a: CL:0000910 ! cytotoxic cell
relationship: part_of CL:0000236 ! B cell

[Term]
id: CL:0000910
name: cytotoxic cell
is_a: CL:0000000 ! cell

[Term]
id: CL:0000236
name: B cell
is_a: CL:0000542 ! lymphocyte

[Term]
id: CL:0000001
name: an old cell
is_obsolete: true
"""


@pytest.fixture
def ontology(tmp_path):
    pytest.importorskip("obonet")
    path = tmp_path / "cl.obo"
    path.write_text(OBO)
    return read_terms(path)


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".TSV", ".parquet"])
def test_tables_of_all_kinds_say_the_same(tmp_path, ending):
    path = tmp_path / f"types{ending}"
    if ending == ".parquet":
        ROWS.to_parquet(path)
    else:
        ROWS.to_csv(path, sep="," if ending == ".csv" else "\t", index=False)
    for source in (path, str(path), ROWS):
        found = read_terms(source)
        assert found.above == ABOVE
        assert not found.is_ontology


def test_a_row_that_is_there_twice_does_no_harm():
    assert read_terms(pd.concat([ROWS, ROWS])).above == ABOVE


@pytest.mark.parametrize(
    ("sub", "parent", "message"),
    [
        ("CD4", "B", r"'CD4' has two parents in the table: 'T', and in row 5 'B'"),
        ("CD4", None, r"'CD4' has two parents in the table: 'T', and in row 5 'CD4'"),
        ("B", "T", r"'B' has two parents in the table: 'B', and in row 5 'T'"),
        (None, "T", r"Row 5 of the table has a parent, 'T', but no sub type"),
        (np.nan, "T", "but no sub type"),
        ("  ", "T", "but no sub type"),
    ],
)
def test_rows_that_disagree_are_named(sub, parent, message):
    rows = pd.concat([ROWS, pd.DataFrame({"sub": [sub], "parent": [parent]})])
    with pytest.raises(LabelsError, match=message):
        read_terms(rows)


def test_columns_that_are_not_there_are_named(tmp_path):
    with pytest.raises(KeyNotFoundError, match=r"no column 'sub' in the table, which has 'a'"):
        read_terms(pd.DataFrame({"a": [1]}))
    path = tmp_path / "types.tsv"
    ROWS.to_csv(path, index=False)  # commas
    with pytest.raises(KeyNotFoundError, match=r"no column 'sub' in '.*types\.tsv'"):
        read_terms(path)


@pytest.mark.parametrize("line", ["B cell,B,", "T cell, naive,T", "NK"])
def test_lines_of_other_lengths_are_named(tmp_path, line):
    path = tmp_path / "types.csv"
    path.write_text(f"sub,parent\nplasma,B\n{line}\n")
    with pytest.raises(FileFormatError, match=f"first line has 2 fields, but '{line}' has"):
        read_terms(path)


def test_a_type_may_be_called_na_and_have_commas(tmp_path):
    path = tmp_path / "types.csv"
    path.write_text('sub,parent\nNA,T\n"T, naive",T\n\n')
    assert read_terms(path).above == {"NA": ["T"], "T, naive": ["T"], "T": []}


def test_a_column_that_is_there_twice_is_told():
    rows = pd.DataFrame([["CD4", "T", "CD4"]], columns=["sub", "parent", "sub"])
    with pytest.raises(InputError, match="2 columns are called 'sub'"):
        read_terms(rows)


def test_a_path_may_begin_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    ROWS.to_csv(tmp_path / "types.csv", index=False)
    assert read_terms("~/types.csv").above == ABOVE


@pytest.mark.parametrize("source", [3, ["CD4", "T"], None, b"types.csv"])
def test_other_things_are_refused(source):
    with pytest.raises(InputError, match="give a dict such as"):
        read_terms(source)


@pytest.mark.parametrize("name", ["types.xlsx", "types", "types.obo.gz", "types.csv.gz"])
def test_other_files_are_refused(tmp_path, name):
    with pytest.raises(FileFormatError, match=r"it must end in \.csv, \.tsv"):
        read_terms(tmp_path / name)


@pytest.mark.parametrize("name", ["types.csv", "types.obo"])
def test_files_that_are_not_there_are_named(tmp_path, name):
    with pytest.raises(FileFormatError, match="There is no file"):
        read_terms(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.parquet", b"not parquet"),
        ("a.csv", b""),
        ("a.csv", b"\xff\xfe\x00sub"),
        ("a.obo", b"hello\nworld\n"),
        ("a.obo", b"\xff\xfe\x00"),
        ("a.obo", b"[Term]\nname: without id\n"),
        ("a.obo", b""),
    ],
)
def test_files_of_another_kind_are_refused(tmp_path, name, content):
    if name.endswith(".obo"):
        pytest.importorskip("obonet")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileFormatError, match=name):
        read_terms(tmp_path / name)


def test_without_obonet_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "obonet", None)
    (tmp_path / "cl.obo").write_text(OBO)
    with pytest.raises(MissingPackageError, match=r"pip install 'atlash\[ontology\]'"):
        read_terms(tmp_path / "cl.obo")


def test_types_above_others_are_the_parents_of_an_ontology(ontology):
    """What lies in between, here the alpha-beta T cell, is left out."""
    types = ["B cell", "CD4 T cell", "CD8 T cell", "T cell"]
    assert parents_in(ontology, types, None) == ("B cell", "T cell", "T cell", "T cell")


def test_ids_do_as_well_as_names(ontology):
    types = ["CL:0000624", "CD8 T cell", "CL:0000084"]
    assert parents_in(ontology, types, None) == ("CL:0000084",) * 3


def test_named_parents_of_an_ontology(ontology):
    types = ["CD4 T cell", "CD8 T cell", "B cell"]
    found = parents_in(ontology, types, ["lymphocyte", "CL:0000084"])
    assert found == ("CL:0000084", "CL:0000084", "lymphocyte")


def test_other_relations_than_is_a_do_not_count(ontology):
    found = parents_in(ontology, ["CD8 T cell", "B cell", "CD4 T cell"], ["B cell", "T cell"])
    assert found == ("T cell", "B cell", "T cell")


def test_two_parents_in_an_ontology_are_both_named(ontology):
    message = "'CD8 T cell' has two parents: it lies below '(T cell|cytotoxic cell)' and below"
    with pytest.raises(LabelsError, match=message):
        parents_in(ontology, ["CD8 T cell", "CD4 T cell"], ["T cell", "cytotoxic cell"])


@pytest.mark.parametrize(
    ("types", "named", "message"),
    [
        (["CD4 T cell"], ["T cells"], "The parent 'T cells' is not .* mean 'T cell'"),
        (["CL:0000084", "T cell"], None, "'CL:0000084' and 'T cell' are one term"),
        (["T", "an old cell"], None, "None of the 2 types, such as 'T'"),
    ],
)
def test_names_that_do_not_fit_an_ontology_are_refused(ontology, types, named, message):
    with pytest.raises(LabelsError, match=message):
        parents_in(ontology, types, named)


def test_types_that_an_ontology_lacks_are_parents_of_their_own(ontology):
    with pytest.warns(OrphanTypesWarning, match="1 of 3 types lie below no parent: 'CD8 cell'"):
        found = parents_in(ontology, ["CD4 T cell", "T cell", "CD8 cell"], None)
    assert found == ("T cell", "T cell", "CD8 cell")
