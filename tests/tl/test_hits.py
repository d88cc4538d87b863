"""What hits are turned into: tables, votes, cells; against going through them one by one."""

import dataclasses
from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from anndata import read_h5ad

from atlash.errors import KeyNotFoundError
from atlash.reference.columns import CELL_ID, CODE, LABEL, cells_table, codes_of
from atlash.tl import search

OWN = ["query", "rank", "distance", "score", "row"]


@pytest.fixture(params=["in memory", "loaded"])
def hits(request, query, atlas_ref, loaded, quiet):
    """Seven hits of each of forty queries."""
    reference = atlas_ref if request.param == "in memory" else loaded
    return search(query, reference, 7, config=quiet())


@pytest.fixture
def none(query, atlas_ref, quiet):
    """No hits at all."""
    found = search(query, atlas_ref, radius=0, config=quiet())
    assert len(found.rows) == 0
    return found


def gaps_as_none(values):
    return [None if pd.isna(value) else value for value in values]


def test_one_row_a_hit(hits, atlas_ref):
    table = hits.to_arrow()
    assert table.column_names == [*OWN, CELL_ID, LABEL]
    kinds = [str(field.type) for field in table.schema][:6]
    assert kinds == ["string", "int32", "int32", "float", "int64", "string"]
    assert pa.types.is_dictionary(table.schema.field(LABEL).type)
    ids, labels = (atlas_ref.cells[name].to_pylist() for name in (CELL_ID, LABEL))
    wanted = []
    for place, name in enumerate(hits.queries):
        for rank, hit in enumerate(range(hits.bounds[place], hits.bounds[place + 1]), start=1):
            row = int(hits.rows[hit])
            distance, score = int(hits.distances[hit]), float(hits.scores[hit])
            wanted.append((name, rank, distance, score, row, ids[row], labels[row]))
    assert [tuple(row.values()) for row in table.to_pylist()] == wanted
    assert len(wanted) == 40 * 7


@pytest.mark.parametrize("column", ["donor", "number", "age", "flag", "maybe", "note", "n_hits"])
def test_every_kind_of_column_comes_along(hits, known, column):
    table = hits.to_arrow([column])
    assert table.column_names == [*OWN, column]
    wanted = gaps_as_none(known[column].astype(object).to_numpy()[hits.rows])
    assert table[column].to_pylist() == wanted


def test_cells_that_several_queries_found_come_several_times(hits):
    assert len(np.unique(hits.rows)) < len(hits.rows)
    ids = hits.to_arrow()[CELL_ID].to_pylist()
    of_row = dict(zip(hits.rows.tolist(), ids, strict=True))
    assert [of_row[row] for row in hits.rows.tolist()] == ids


def test_codes_come_along(hits, atlas_ref):
    table = hits.to_arrow([CODE])
    np.testing.assert_array_equal(codes_of(table), codes_of(atlas_ref.cells)[hits.rows])


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        ([], []),
        ("donor", ["donor"]),
        (["age", "donor", "age"], ["age", "donor"]),
        (["rank", "distance", "share"], ["obs_rank", "obs_distance", "share"]),
    ],
)
def test_columns_asked_for(hits, known, columns, names):
    frame = hits.to_pandas(columns)
    assert list(frame.columns) == [*OWN, *names]
    assert len(frame) == len(hits.rows)
    for name in names:
        theirs = known[name.removeprefix("obs_")].astype(object).to_numpy()[hits.rows]
        assert gaps_as_none(frame[name].astype(object)) == gaps_as_none(theirs)


def test_pandas_and_arrow_are_one(hits):
    pd.testing.assert_frame_equal(hits.to_pandas(["donor"]), hits.to_arrow(["donor"]).to_pandas())


@pytest.mark.parametrize(
    "ask",
    [
        lambda hits: hits.to_arrow(["doner"]),
        lambda hits: hits.to_pandas("doner"),
        lambda hits: hits.votes("doner"),
        lambda hits: hits.composition("doner"),
        lambda hits: hits.composition(["donor", "doner"]),
    ],
)
def test_columns_that_are_not_there(hits, ask):
    with pytest.raises(KeyNotFoundError, match=r"no column 'doner'.* mean 'donor'"):
        ask(hits)


CLASHING = [
    "rank", "obs_rank", "obs_obs_rank", "query", "obs_query", "n_hits", "obs_n_hits",
    "distance", "obs_distance", "hits", "obs_hits", "of", "obs_of",
]  # fmt: skip
"""Names that results have, and the names that columns so called become."""


@pytest.fixture(params=[1, -1], ids=["forward", "backward"])
def clashing(request, query, atlas_ref, quiet):
    """Hits whose reference has such columns, in this order and in the opposite one."""
    held = atlas_ref.cells
    order = CLASHING[:: request.param]
    obs = pd.DataFrame({name: [f"{name}={row % 5}" for row in range(360)] for name in order})
    cells = cells_table(
        held[CELL_ID].to_pylist(), codes_of(held), held[LABEL].to_pylist(), obs=obs
    )
    found = search(query, dataclasses.replace(atlas_ref, cells=cells), 7, config=quiet())
    return order, found


def test_columns_that_are_called_like_renamed_ones_stay_apart(clashing, tmp_path):
    order, hits = clashing
    frame, cells = hits.to_pandas(order), hits.to_adata()
    given = dict(zip(order, frame.columns[len(OWN) :], strict=True))
    assert frame.columns.is_unique
    assert cells.obs.columns.is_unique
    assert (given["obs_rank"], given["hits"]) == ("obs_rank", "hits")
    for name in order:
        assert frame[given[name]].tolist() == [f"{name}={row % 5}" for row in hits.rows]
    rows = np.unique(hits.rows)
    for name in order:
        theirs = {"n_hits": "obs_obs_n_hits", "distance": "obs_obs_distance"}.get(name, name)
        assert cells.obs[theirs].tolist() == [f"{name}={row % 5}" for row in rows]
    cells.write_h5ad(tmp_path / "found.h5ad")


# votes


def elected(hits, values):
    """Return vote and share of each query by counting, the nearest first on a tie."""
    for place in range(len(hits)):
        own = [values[row] for row in hits.rows[hits.bounds[place] : hits.bounds[place + 1]]]
        counts = Counter(value for value in own if not pd.isna(value))
        if counts:
            value, n = counts.most_common(1)[0]  # of equals the first that was seen
            yield value, n / len(own)
        else:
            yield None, None


@pytest.mark.parametrize(
    "column", [LABEL, "donor", "number", "age", "flag", "maybe", "note", "rank", "distance"]
)
def test_the_most_frequent_wins(hits, few, atlas_ref, column):
    values = atlas_ref.cells[column].to_pylist()
    for found in (hits, few):
        votes = found.votes(column)
        assert list(votes.index) == list(found.queries)
        wanted = list(elected(found, values))
        assert gaps_as_none(votes["vote"]) == [value for value, _ in wanted]
        assert gaps_as_none(votes["share"]) == [share for _, share in wanted]
        np.testing.assert_array_equal(votes["n_hits"], np.diff(found.bounds))
        np.testing.assert_array_equal(votes["anchor"], found.labels)


def test_verdicts_of_neighbours_and_anchor_are_compared(few, query, atlas_ref, quiet):
    votes = few.votes()
    pairs = zip(votes["anchor"], votes["vote"], strict=True)
    assert gaps_as_none(votes["agrees"]) == [None if pd.isna(v) else a == v for a, v in pairs]
    assert "agrees" not in few.votes("donor")
    assert votes["agrees"][votes["n_hits"] == 0].isna().all()
    others = search(query, atlas_ref, 3, where="label <> 'B cell'", config=quiet()).votes()
    of_b = others["anchor"] == "B cell"
    assert 0 < of_b.sum() < len(of_b)
    assert not others["agrees"][of_b].any()


# cells


def test_the_cells_found_come_once_each(hits, known, atlas_ref):
    cells = hits.to_adata()
    rows = sorted(set(hits.rows.tolist()))
    assert cells.shape == (len(rows), 0)
    ids = atlas_ref.cells[CELL_ID].to_pylist()
    assert list(cells.obs_names) == [ids[row] for row in rows]
    codes = cells.obsm["atlash_codes"]
    np.testing.assert_array_equal(codes, codes_of(atlas_ref.cells)[rows])
    for column in ("donor", "number", "age", "flag", "maybe", "note", "rank"):
        wanted = known[column].astype(object).to_numpy()[rows]
        assert gaps_as_none(cells.obs[column].astype(object)) == gaps_as_none(wanted)
    assert cells.obs["n_hits"].tolist() == [int((hits.rows == row).sum()) for row in rows]
    nearest = [int(hits.distances[hits.rows == row].min()) for row in rows]
    assert cells.obs["distance"].tolist() == nearest
    assert set(cells.obs["obs_n_hits"]) == {"many"}
    assert set(cells.obs["obs_distance"]) == {-1.0}
    assert list(cells.obs.columns).count("distance") == 1


def test_the_cells_found_can_be_saved(hits, query, atlas_ref, quiet, tmp_path):
    """Truth with gaps, and text of which there is none, as well."""
    without = "maybe IS NULL AND note IS NULL"
    for found in (hits, search(query, atlas_ref, 3, where=without, config=quiet())):
        cells = found.to_adata()
        cells.write_h5ad(tmp_path / "found.h5ad")
        kept = read_h5ad(tmp_path / "found.h5ad").obs
        assert kept["maybe"].dtype == "boolean"
        for column in ("maybe", "note", "flag", "age"):
            assert gaps_as_none(kept[column]) == gaps_as_none(cells.obs[column])
    assert kept[["maybe", "note"]].isna().all(axis=None)


# nothing found


def test_nothing_found_is_an_answer(none):
    assert none.to_arrow(["donor", "age"]).num_rows == 0
    assert none.to_arrow(["donor"]).column_names == [*OWN, "donor"]
    assert list(none.to_pandas().columns) == [*OWN, CELL_ID, LABEL]
    assert none.to_adata().n_obs == 0
    votes = none.votes()
    assert len(votes) == len(none)
    assert votes["vote"].isna().all()
    assert votes["share"].isna().all()
    assert not votes["agrees"].any()
    assert (none.votes("donor")["n_hits"] == 0).all()


def test_nothing_asked(hits):
    """No query, as in a part of a search."""
    nothing = dataclasses.replace(
        hits,
        queries=hits.queries[:0],
        bounds=np.zeros(1, dtype=np.int64),
        rows=hits.rows[:0],
        distances=hits.distances[:0],
        scores=hits.scores[:0],
        labels=hits.labels[:0],
    )
    assert len(nothing) == 0
    assert nothing.to_arrow().num_rows == len(nothing.votes()) == nothing.to_adata().n_obs == 0
    assert (nothing.composition()["hits"] == 0).all()


def test_hits_can_be_compared_and_shown(hits, few):
    assert hits == hits  # noqa: PLR0124 (comparing arrays would raise)
    assert hits != few
    assert repr(hits).startswith(f"Hits({len(hits)} queries, {len(hits.rows):,} hits; ")
    assert "\n" not in repr(hits)
