"""The own donor: never found, whatever dtype the two sides have for it."""
# ruff: noqa: PLR0917 (fixtures and parameters of a test)

import numpy as np
import pandas as pd
import pytest

from atlash.errors import KeyNotFoundError
from atlash.tl import search

N_CELLS = 360


def same(one, other):
    """Raise unless two searches found the same, to the bit."""
    np.testing.assert_array_equal(one.queries, other.queries)
    np.testing.assert_array_equal(one.labels, other.labels)
    for name in ("bounds", "rows", "distances", "scores"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)


def own_value(known, query, column, hits):
    """Tell of each hit whether it has its query's value."""
    theirs = known[column].astype(object).to_numpy()[hits.rows]
    own = query.obs[column].astype(object).to_numpy()[hits.query_of_hit]
    return (theirs == own) & ~pd.isna(own)


@pytest.mark.parametrize("column", ["donor", "number", "age", "flag", "maybe", "note"])
@pytest.mark.parametrize("where", [None, "rank < 4"])
@pytest.mark.filterwarnings("ignore::atlash.tl.search.FewerCellsWarning")
def test_the_own_value_is_never_found_and_all_else_is(
    query, atlas_ref, known, quiet, column, where
):
    hits = search(
        query, atlas_ref, N_CELLS, where=where, exclude=column, config=quiet(ranking="code")
    )
    assert not own_value(known, query, column, hits).any()
    allowed = known["rank"] < 4 if where else known["rank"] >= 0
    for place, own in enumerate(query.obs[column]):
        others = known[column].astype(object).ne(own) | pd.isna(own)
        wanted = np.flatnonzero(allowed & others)
        found = hits.rows[hits.bounds[place] : hits.bounds[place + 1]]
        np.testing.assert_array_equal(np.sort(found), wanted)


@pytest.mark.parametrize(
    ("column", "turned"),
    [
        ("number", lambda own: own.astype(float)),
        ("number", lambda own: own.astype(str)),
        ("number", lambda own: own.astype("Int64")),
        ("number", pd.Categorical),
        ("age", lambda own: own.astype("Int64")),
        ("age", lambda own: own.map(lambda age: None if pd.isna(age) else str(int(age)))),
        ("age", lambda own: own.astype(np.float32)),
        ("flag", lambda own: own.astype(str)),
        ("maybe", lambda own: own.astype("boolean")),
        ("donor", lambda own: own.astype(object)),
    ],
)
def test_the_same_value_is_known_in_another_dtype(query, atlas_ref, known, quiet, column, turned):
    """A donor 7 that a file holds as 7.0, because others are missing, is the same donor."""
    wanted = search(query, atlas_ref, 20, exclude=column, config=quiet())
    assert not own_value(known, query, column, wanted).any()
    query.obs[column] = turned(query.obs[column])
    same(search(query, atlas_ref, 20, exclude=column, config=quiet()), wanted)


def test_a_value_that_no_cell_has_excludes_nothing(query, atlas_ref, quiet):
    query.obs["donor"] = ["someone else", None] * 20
    hits = search(query, atlas_ref, 9, exclude="donor", config=quiet())
    same(hits, search(query, atlas_ref, 9, config=quiet()))
    assert hits.background is None


def test_what_no_query_could_find_is_no_background(query, atlas_ref, known, quiet):
    query.obs["donor"] = "d2"
    hits = search(query, atlas_ref, 9, exclude="donor", config=quiet())
    np.testing.assert_array_equal(hits.background, np.flatnonzero(known["donor"] != "d2"))
    query.obs["donor"] = ["d2", "d3"] * 20
    hits = search(query, atlas_ref, 9, where="flag", exclude="donor", config=quiet())
    np.testing.assert_array_equal(hits.background, np.flatnonzero(known["flag"]))


def test_columns_to_exclude_that_are_not_there(query, atlas_ref, quiet):
    with pytest.raises(KeyNotFoundError, match=r"'doner', which the query's .*mean 'donor'"):
        search(query, atlas_ref, 5, exclude="doner", config=quiet())
    query.obs["doner"] = "d1"
    with pytest.raises(KeyNotFoundError, match=r"no column 'doner'.* 'donor'"):
        search(query, atlas_ref, 5, exclude="doner", config=quiet())
