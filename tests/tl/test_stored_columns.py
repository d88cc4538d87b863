"""Columns stored under another name, and kinds that pandas or files change by themselves."""

import dataclasses
import datetime as dt

import numpy as np
import pandas as pd
import pytest
from anndata import read_h5ad

from atlash.errors import InputError, KeyNotFoundError
from atlash.reference.columns import CELL_ID, LABEL, cells_table, codes_of
from atlash.tl import count_within, search

BIG = 2**60


@pytest.fixture(scope="module")
def obs(reference):
    """Columns as Seurat, sequencers and clinics name and fill them."""
    n = reference.cells.num_rows
    number = np.arange(n)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(number, unit="D")
    return pd.DataFrame(
        {
            "orig.ident": np.char.add("donor", (number % 4).astype(str)),
            "label": np.char.add("own", (number % 3).astype(str)),
            "seen": days,
            "born": [day.date() for day in days],
            "waited": pd.to_timedelta(number, unit="h"),
            "barcode": pd.array([BIG + i if i % 2 else None for i in number], dtype="Int64"),
            "small": pd.array([i % 100 if i % 3 else None for i in number], dtype="UInt8"),
            "maybe": pd.array([bool(i % 2) if i % 3 else None for i in number], dtype="boolean"),
            "half": (number % 5).astype(np.float16),
        }
    )


@pytest.fixture(scope="module", params=["in memory", "saved"])
def stored(request, reference, obs, tmp_path_factory):
    """A reference with these columns."""
    held = reference.cells
    cells = cells_table(
        held[CELL_ID].to_pylist(), codes_of(held), held[LABEL].to_pylist(), obs=obs
    )
    made = dataclasses.replace(reference, cells=cells)
    if request.param == "in memory":
        return made
    path = tmp_path_factory.mktemp("stored") / "atlas.atlash"
    made.save(path)
    return type(made).load(path)


@pytest.fixture
def asking(fresh_counts, obs):
    some = fresh_counts[:12].copy()
    some.obs = obs[["orig.ident", "label"]].iloc[:12].set_index(some.obs_names)
    return some


@pytest.mark.parametrize("name", ["orig.ident", "orig_ident"])
def test_donors_are_left_out_by_either_name(stored, asking, obs, quiet, name):
    hits = search(asking, stored, 200, exclude=name, config=quiet())
    theirs = obs["orig.ident"].to_numpy()[hits.rows]
    own = asking.obs["orig.ident"].to_numpy()[hits.query_of_hit]
    assert len(hits.rows) == 12 * 200
    assert not (theirs == own).any()


def test_an_own_column_comes_before_the_one_of_every_reference(stored, asking, obs, quiet):
    hits = search(asking, stored, 100, exclude="label", config=quiet())
    assert not (
        obs["label"].to_numpy()[hits.rows] == asking.obs["label"].to_numpy()[hits.query_of_hit]
    ).any()


def test_tables_conditions_and_counts_take_the_users_name(stored, asking, obs, quiet):
    hits = search(asking, stored, 9, where="\"orig.ident\" <> 'donor1'", config=quiet())
    table = hits.to_pandas(["orig.ident", "cell_id"])
    assert list(table["orig.ident"]) == list(obs["orig.ident"].to_numpy()[hits.rows])
    assert "donor1" not in set(table["orig.ident"])
    assert set(hits.composition("orig.ident")["orig.ident"]) == {"donor0", "donor2", "donor3"}
    assert set(hits.votes("orig.ident")["vote"]) <= {"donor0", "donor2", "donor3"}
    counts = count_within(asking, stored, 128, by="orig.ident")
    assert counts.to_numpy().sum() == 12 * len(obs)


def test_a_dot_outside_quotes_is_explained(stored, asking, quiet):
    with pytest.raises(InputError, match="a name in double quotes"):
        search(asking, stored, where="orig.ident = 'donor1'", config=quiet())
    with pytest.raises(
        KeyNotFoundError, match=r"column 'orig-ident', which the query's.*'orig.ident'"
    ):
        search(asking, stored, exclude="orig-ident", config=quiet())


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ("seen > timestamp '2024-02-01 12:00:00'", lambda o: o["seen"] > "2024-02-01 12:00"),
        ("seen BETWEEN date '2024-02-01' AND DATE '2024-03-01'",
         lambda o: o["seen"].between("2024-02-01", "2024-03-01")),
        ("born = date '2024-02-01'", lambda o: o["born"] == dt.date(2024, 2, 1)),
        ("small >= 1e1", lambda o: o["small"].fillna(0) >= 10),
        ("small between 2.0 and 5.", lambda o: o["small"].fillna(0).between(2, 5)),
        ("small IN (2.0, 7) OR 90.0 < small",
         lambda o: o["small"].fillna(0).isin([2, 7]) | (o["small"].fillna(0) > 90)),
        ("half > 2.5", lambda o: o["half"] > 2.5),
        (f"barcode = {BIG + 5}", lambda o: o["barcode"].fillna(0) == BIG + 5),
    ],
)  # fmt: skip
def test_conditions_on_times_and_whole_numbers(stored, obs, where, wanted):
    positions = stored.index.cells.row_positions(where)
    np.testing.assert_array_equal(positions, np.flatnonzero(wanted(obs)))
    assert len(positions)


@pytest.mark.parametrize(
    ("where", "match"),
    [
        ("seen > '2024-02-01'", "write date '2024-02-01' or timestamp"),
        ("born > '2024-02-01'", "write date '2024-02-01' or timestamp"),
        ("small > 2.5", r"compare it with a whole number in its range, or write `column \+ 0.0`"),
        ("small < 300", "whole number in its range"),
    ],
)
def test_conditions_that_do_not_fit_tell_what_does(stored, where, match):
    with pytest.raises(InputError, match=match):
        stored.index.cells.row_positions(where)


def test_numbers_with_gaps_keep_every_bit(stored, asking, obs, quiet):
    hits = search(asking, stored, 30, config=quiet())
    table = hits.to_pandas(["barcode", "small", "maybe"])
    for name in ("barcode", "small", "maybe"):
        assert table[name].dtype == obs[name].dtype
        pd.testing.assert_series_equal(
            table[name], obs[name].iloc[hits.rows], check_names=False, check_index=False
        )


def test_cells_found_can_be_written_whatever_their_columns(stored, asking, obs, quiet, tmp_path):
    cells = search(asking, stored, 30, config=quiet()).to_adata()
    cells.write_h5ad(tmp_path / "found.h5ad")
    read = read_h5ad(tmp_path / "found.h5ad").obs
    rows = stored.index.cells.find(list(read.index))
    assert list(read["barcode"].dropna()) == list(obs["barcode"].iloc[rows].dropna())
    assert list(pd.to_datetime(read["seen"].astype(str))) == list(obs["seen"].iloc[rows])
    assert list(read["born"].astype(str)) == [str(day) for day in obs["born"].iloc[rows]]
    assert list(pd.to_timedelta(read["waited"].astype(str))) == list(obs["waited"].iloc[rows])


def test_halves_are_compared(stored, asking, quiet):
    table = search(asking, stored, 30, config=quiet()).composition("half")
    assert set(table["half"]) <= {0, 1, 2, 3, 4}
    assert table["background"].sum() == stored.index.cells.n_rows


@pytest.mark.parametrize(
    "of",
    [
        np.zeros((12, 2)),
        [(1, 2)] * 12,
        {str(i): i for i in range(12)},
        pd.DataFrame({"a": range(12)}),
        "twelve chars",
    ],
)
def test_what_is_no_group_a_query_is_refused(stored, asking, quiet, of):
    hits = search(asking, stored, 3, config=quiet())
    with pytest.raises(InputError, match="`of`"):
        hits.composition(of=of)
