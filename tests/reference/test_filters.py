"""Predicates: what they mean, and that nothing else than a predicate gets through."""

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from atlash.errors import InputError, KeyNotFoundError
from atlash.reference.columns import cells_table
from atlash.reference.filters import filter_sql
from atlash.reference.store import write

content = runpy.run_path(str(Path(__file__).with_name("saver.py")))["content"]

OBS = pd.DataFrame(
    {
        "disease": pd.Categorical(["flu", "normal", "flu", None, "it's", "x\\"]),
        "n_genes": [100, 200, 300, 400, 500, 600],
        "score": [0.5, np.nan, -1.5, 2.0, 3.0, 1e-3],
        "cell type": ["B", "T", "B", "T", "NK", "NK"],
        "ok": [True, False, True, False, True, False],
        "ünï": [1, 2, 3, 4, 5, 6],
        "in": [1, 1, 1, 2, 2, 2],
        'a"b': [1, 1, 2, 2, 3, 3],
    }
)


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    table = cells_table(
        [f"c{i}" for i in range(len(OBS))],
        np.arange(8 * len(OBS), dtype=np.uint8).reshape(-1, 8),
        ["B"] * len(OBS),
        obs=OBS,
    )
    return write(tmp_path_factory.mktemp("f") / "a.atlash", **content(0) | {"cells": table})


GOOD = {
    "disease = 'flu'": [0, 2],
    "disease <> 'flu'": [1, 4, 5],
    "disease != 'flu' and NOT ok": [1, 5],
    "disease IS NULL": [3],
    "disease is not null AND n_genes > 200": [2, 4, 5],
    "disease IN ('flu', 'normal')": [0, 1, 2],
    "disease NOT IN ('flu', 'normal')": [4, 5],
    "disease LIKE 'n%' OR disease LIKE 'f%'": [0, 1, 2],
    "disease = 'it''s'": [4],
    "disease = 'x\\'": [5],
    "disease = '; DROP TABLE cells --'": [],
    "disease = ''": [],
    "lower(disease) = 'flu'": [0, 2],
    "contains(disease, 'or')": [1],
    "regexp_like(disease, '^f.u$')": [0, 2],
    "coalesce(disease, 'none') = 'none'": [3],
    "n_genes BETWEEN 200 AND 400": [1, 2, 3],
    "n_genes % 200 = 0": [1, 3, 5],
    "(n_genes + 100) * 2 >= 1000": [3, 4, 5],
    "score > -2": [0, 2, 3, 4, 5],
    "score = 1e-3": [5],
    "score < .75 AND score>0": [0, 5],
    "ok": [0, 2, 4],
    "not ok": [1, 3, 5],
    "ok = true": [0, 2, 4],
    "`cell type` = 'NK'": [4, 5],
    "\"cell type\" = 'NK'": [4, 5],
    "ünï = 2": [1],
    '"in" = 2': [3, 4, 5],
    '"a""b" = 3': [4, 5],
    "cell_id = 'c3'": [3],
    "  \n n_genes\t=\n100 ": [0],
    "1 = 1": [0, 1, 2, 3, 4, 5],
    "n_genes = 100 OR " * 200 + "n_genes = 200": [0, 1],
    "(" * 30 + "n_genes" + " + 1)" * 30 + " > 500": [4, 5],
    "n_genes IN (" + ", ".join(map(str, range(150, 20_000))) + ")": [1, 2, 3, 4, 5],
    "n_genes BETWEEN 100 AND 600 AND " * 100 + "ok": [0, 2, 4],
    "(ok = (n_genes > 200)) = true": [1, 2, 4],
    "ok" + " IS TRUE" * 5: [0, 2, 4],
    "coalesce(" * 4 + "disease" + ", 'none')" * 4 + " LIKE 'n%'": [1, 3],
    # as much of everything as there may be, one in the other
    "(" * 30 + "n_genes" + " + 1" * 30 + " > 0)" + ") IS TRUE" * 4 + ")" * 25 + " AND ok" * 200: (
        [0, 2, 4]
    ),
}


@pytest.mark.parametrize(("predicate", "rows"), GOOD.items(), ids=lambda value: str(value)[:30])
def test_predicates_mean_what_they_say(cells, predicate, rows):
    np.testing.assert_array_equal(cells.row_positions(predicate), rows)
    assert cells.where(predicate, ["cell_id"])["cell_id"].to_pylist() == [f"c{i}" for i in rows]


BAD = {
    "n_genes = 1; DROP TABLE t": "';' does not belong",
    "n_genes = 1; DELETE FROM cells WHERE 1 = 1": "';' does not belong",
    "n_genes = 1) OR (1 = 1": "closes that was not opened",
    "n_genes = 1)": "closes that was not opened",
    "(n_genes = 1": "is not closed",
    "n_genes = 1 -- comment": "'--' begins a comment",
    "n_genes = 1 /* comment */": r"'/\*' begins a comment",
    "n_genes = 1 # comment": "'#' does not belong",
    "n_genes IN (SELECT n_genes FROM t)": "'SELECT' does not belong",
    "EXISTS (SELECT 1)": "'EXISTS' is no function",
    "n_genes = 1 UNION SELECT 1": "'UNION' does not belong",
    "n_genes = 1 LIMIT 1": "'LIMIT' does not belong",
    "n_genes = 1 ORDER BY n_genes": "'ORDER' does not belong",
    "n_genes = 1 GROUP BY n_genes": "'GROUP' does not belong",
    "DROP TABLE t": "column 'DROP', which is not there",
    "disease = 'flu": "opens a text or name that does not end",
    '"disease = 1': "opens a text or name that does not end",
    "disease = 'it's'": "opens a text or name that does not end",
    "random() < 0.5": "'random' is no function",
    "sleep(5) = 1": "'sleep' is no function",
    "count(*) > 1": "'count' is no function",
    "read_csv('/etc/passwd') = 1": "'read_csv' is no function",
    "n_genes = ?": r"'\?' does not belong",
    "n_genes = $1": r"'\$' does not belong",
    "n_genes = @x": "'@' does not belong",
    "n_genes::text = '1'": "':' does not belong",
    "n_genes = 0x10": "does not belong",
    "n_genes = 1\0": "does not belong",
    "cast(n_genes as string) = '1'": "'cast' is no function",
    "t.n_genes = 1": "does not belong|is not there",
    "n_genes": "does not return a boolean",
    "n_genes + 1": "does not return a boolean",
    "disease": "does not return a boolean",
    "1": "does not return a boolean",
    "n_genes = 'many'": "could not convert",
    "disease = 1": "could not convert",
    "n_genes = 1 AND": "Expected: an expression",
    "n_genes IN ()": "Expected: an expression",
    "n_genes = = 1": "Expected: an expression",
    "disease 'flu'": "parser error",
    "disease = 2": "used: 2 could not convert to the kind of its column, text, which stands",
    "disease = 'flu' OR": r"used: parser error: Expected: an expression, found: \)\. The",
    "n_genes = 1, 2": "cannot be used",
    "n_genes / 0 = 1": "Divide by zero",
    "": "it is empty",
    "  ": "it is empty",
    "(" * 31 + "ok" + ")" * 31: "31 parentheses in each other, at most 30",
    "n_genes" + " + 1" * 5000 + " = 1": "5,000 signs of arithmetic, at most 30",
    "ok" + " AND ok" * 5000: "5,000 AND, OR, NOT, at most 200",
    # Lance would overflow its stack, which ends the process
    "ok" + " = ok" * 5000: "5,000 comparisons or coalesce in each other, at most 5",
    "ok" + " IS TRUE" * 5000: "5,000 comparisons",
    "n_genes" + " is null" * 5000: "5,000 comparisons",
    "ok" + " IN (true)" * 5000: "5,000 comparisons",
    "(ok" + " < ok" * 5000 + ")": "5,000 comparisons",
    "disease" + " LIKE 'a'" * 5000: "5,000 comparisons",
    # or double its work with each
    "(" * 28 + "ok" + " BETWEEN ok AND true)" * 28: "28 comparisons",
    "ok" + " BETWEEN ok AND true" * 28: "28 comparisons",
    "coalesce(" * 28 + "ok" + ", true)" * 28: "28 comparisons or coalesce",
    "ok AND " + "(coalesce(" * 6 + "ok" + ", true))" * 6: "6 comparisons or coalesce",
}


@pytest.mark.parametrize(("predicate", "finding"), BAD.items(), ids=lambda value: str(value)[:30])
def test_nothing_but_a_predicate_gets_through(cells, predicate, finding):
    for ask in (cells.row_positions, cells.where):
        with pytest.raises(InputError, match=finding) as caught:
            ask(predicate)
        assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("predicate", [None, 3, b"ok", ["ok"]])
def test_a_predicate_is_a_text(cells, predicate):
    with pytest.raises(InputError, match="it is no text"):
        cells.where(predicate)


@pytest.mark.parametrize(
    ("predicate", "hint"),
    [
        ("diseese = 'flu'", "'diseese', which is not there. Did you mean 'disease'?"),
        ("Disease = 'flu'", "Did you mean 'disease'?"),
        ("DISEASE = 'flu'", "Did you mean 'disease'?"),
        ("genes > 1", "Did you mean 'n_genes'?"),
        ('disease = "flu"', "Texts stand in single quotes."),
        ("disease = flu", "Texts stand in single quotes."),
        ("_rowid < 2", "'_rowid', which is not there"),
        ("cell type = 'B'", "'cell', which is not there. Did you mean 'cell_id'"),
    ],
)
def test_unknown_columns_are_named_with_the_nearest(cells, predicate, hint):
    with pytest.raises(KeyNotFoundError) as caught:
        cells.row_positions(predicate)
    assert hint in str(caught.value)
    assert "'cell_id', 'code', 'label', 'disease'" in str(caught.value)


def test_every_token_is_rewritten_alone():
    columns = ["disease", "in"]
    assert filter_sql("disease='a''b'or\"in\">-1", columns) == (
        "(`disease` = 'a''b' or `in` > - 1)"
    )


def test_a_column_with_a_backtick_cannot_break_out():
    with pytest.raises(KeyNotFoundError):
        filter_sql('"a` = 1 OR `b" = 1', ["a` = 1 OR `b", "b"])
