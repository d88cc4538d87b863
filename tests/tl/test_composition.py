"""Enrichment against counting cell by cell, Fisher's test and a plain correction."""
# ruff: noqa: PLR0917 (fixtures and parameters of a test)

from itertools import pairwise

import lance
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from atlash.errors import InputError
from atlash.reference.cell_writing import searchable, write_cells
from atlash.reference.cells import CellTable
from atlash.reference.columns import LABEL, cells_table
from atlash.reference.dictionaries import stored_schema, to_stored
from atlash.tl import search
from atlash.tl.composition import Sample, composition

MEASURED = ["hits", "background", "share", "background_share", "enrichment", "p_value", "q_value"]


def key_of(row):
    """Return a combination of values in which gaps are alike and numbers are of one kind."""
    return tuple("gap" if pd.isna(v) else float(v) if isinstance(v, int) else v for v in row)


def counts(table, rows):
    """Count the combinations of some rows, one by one."""
    found = {}
    for row in rows:
        key = key_of(column[row] for column in table.values())
        found[key] = found.get(key, 0) + 1
    return found


def corrected(p_values):
    """Benjamini and Hochberg: of each, the least ``p n / rank`` of those no smaller."""
    n = len(p_values)
    ranked = sorted(range(n), key=lambda place: p_values[place])
    q_values, least = [0.0] * n, 1.0
    for rank in range(n, 0, -1):
        place = ranked[rank - 1]
        least = min(least, p_values[place] * n / rank)
        q_values[place] = least
    return q_values


def slow(columns, samples, background):
    """Compare samples by counting: rows of key, counts, shares, enrichment and p."""
    rows = []
    known = counts(columns, background)
    for name, sample in samples:
        found = counts(columns, sample)
        for key, n_known in known.items():
            n = found.get(key, 0)
            outside = len(background) - len(sample) - (n_known - n)
            table = [[n, len(sample) - n], [n_known - n, outside]]
            p = fisher_exact(table, alternative="greater").pvalue
            share, base = n / max(len(sample), 1), n_known / len(background)
            rows.append(((name, *key), n, n_known, share, base, share / base, p))
    return rows


def agree(found, columns, samples, background):
    """Raise unless a composition says what counting says."""
    wanted = slow(columns, samples, background)
    q_values = corrected([row[-1] for row in wanted])
    by_key = {row[0]: (*row[1:], q) for row, q in zip(wanted, q_values, strict=True)}
    assert list(found.columns)[-7:] == MEASURED
    named = found.iloc[:, :-7]
    if "of" not in found:
        named.insert(0, "of", [samples[0][0]] * len(found))
    keys = [(row[0], *key_of(row[1:])) for row in named.astype(object).itertuples(index=False)]
    assert len(keys) == len(by_key)
    assert set(keys) == set(by_key)
    for key, row in zip(keys, found[MEASURED].itertuples(index=False), strict=True):
        assert row[:2] == by_key[key][:2]
        np.testing.assert_allclose(row[2:], by_key[key][2:], rtol=1e-9, atol=1e-12)
    assert (found["enrichment"].diff().dropna() <= 0).all()
    assert found["p_value"].between(0, 1).all()
    assert found["q_value"].between(0, 1).all()


def plainly(atlas_ref, by):
    names = [by] if isinstance(by, str) else by
    return {name: atlas_ref.cells[name].to_pylist() for name in names}


COLUMNS = [
    LABEL, "donor", "number", "age", "flag", "maybe", "note",
    ["donor", "flag"], ["note", "age"], ["maybe", "donor", "number"], [LABEL, "maybe"],
]  # fmt: skip


@pytest.mark.parametrize("by", COLUMNS, ids=str)
@pytest.mark.parametrize("saved", [False, True])
def test_every_kind_of_column_is_compared(query, atlas_ref, loaded, quiet, by, saved):
    hits = search(query, loaded if saved else atlas_ref, 5, config=quiet())
    rows = sorted(set(hits.rows.tolist()))
    assert len(rows) < len(hits.rows)  # each cell counts once
    agree(hits.composition(by), plainly(atlas_ref, by), [(None, rows)], range(360))


def test_what_is_near_b_cells_are_b_cells(fresh_counts, atlas_ref, quiet):
    some = fresh_counts[fresh_counts.obs["cell_type"] == "B cell"].copy()
    found = search(some, atlas_ref, 10, config=quiet()).composition()
    assert found[LABEL].iloc[0] == "B cell"
    assert found["q_value"].iloc[0] < 1e-10
    assert (found["p_value"].iloc[1:] > 0.5).all()


@pytest.mark.parametrize("by", ["donor", ["note", "flag"]], ids=str)
def test_the_background_is_what_could_be_found(query, atlas_ref, known, quiet, by):
    hits = search(query, atlas_ref, 5, where="age > 0", config=quiet())
    allowed = np.flatnonzero(known["age"] > 0).tolist()
    rows = sorted(set(hits.rows.tolist()))
    agree(hits.composition(by), plainly(atlas_ref, by), [(None, rows)], allowed)


def test_a_donor_that_was_left_out_is_no_background(query, atlas_ref, known, quiet):
    query.obs["number"] = 2
    hits = search(query, atlas_ref, 5, exclude="number", config=quiet())
    assert 2 not in set(hits.composition("number")["number"])
    allowed = np.flatnonzero(known["number"] != 2).tolist()
    rows = sorted(set(hits.rows.tolist()))
    agree(hits.composition("number"), plainly(atlas_ref, "number"), [(None, rows)], allowed)


@pytest.mark.parametrize(
    "of",
    [
        ["a", "b"] * 20,
        pd.Categorical(["a"] * 30 + ["b"] * 10, categories=["c", "b", "a"]),
        pd.Series(np.arange(40) % 3, index=[f"x{place}" for place in range(40)]),
        np.arange(40) < 11,
        ["a", None, "b", np.nan] * 10,
    ],
    ids=["list", "categories", "numbers", "truth", "gaps"],
)
@pytest.mark.parametrize("by", ["donor", ["note", "flag"]], ids=str)
def test_groups_of_queries_are_compared_apart(query, atlas_ref, quiet, of, by):
    hits = search(query, atlas_ref, 5, config=quiet())
    values = list(of)
    names = [name for name in dict.fromkeys(values) if not pd.isna(name)]
    samples = []
    for name in names:
        own = [place for place, value in enumerate(values) if value == name]
        rows = {
            int(row)
            for place in own
            for row in hits.rows[hits.bounds[place] : hits.bounds[place + 1]]
        }
        samples.append((name, sorted(rows)))
    agree(hits.composition(by, of=of), plainly(atlas_ref, by), samples, range(360))


def test_a_group_that_found_nothing_is_there_with_no_hits(few):
    nothing = np.diff(few.bounds) == 0
    found = few.composition("donor", of=nothing)
    without = found[found["of"].eq(True)]
    assert len(without) == 6
    assert (without["hits"] == 0).all()
    assert (without["p_value"] == 1).all()
    assert np.isfinite(found[MEASURED]).all(axis=None)


def test_nothing_found_is_an_answer(query, atlas_ref, quiet):
    hits = search(query, atlas_ref, radius=0, config=quiet())
    agree(hits.composition("donor"), plainly(atlas_ref, "donor"), [(None, [])], range(360))


def test_names_that_the_result_has_as_well(query, atlas_ref, known, quiet):
    found = search(query, atlas_ref, 5, config=quiet()).composition(["share", "rank"])
    assert list(found.columns[:2]) == ["obs_share", "rank"]
    assert set(found["obs_share"]) == set(known["share"])


@pytest.mark.parametrize(
    ("by", "given"),
    [
        (["hits", "obs_hits"], ["obs_obs_hits", "obs_hits"]),
        (["obs_hits", "hits"], ["obs_hits", "obs_obs_hits"]),
        (["count_all"], ["count_all"]),
        (["count_all", "0", "of"], ["count_all", "0", "obs_of"]),
    ],
    ids=str,
)
def test_names_that_meet_those_of_the_result_or_of_the_work(by, given):
    """Columns stay apart whatever they are called."""
    n = 60
    obs = pd.DataFrame({name: np.arange(n) % (2 + place) for place, name in enumerate(by)})
    codes = np.zeros((n, 8), dtype=np.uint8)
    cells = searchable(cells_table([str(i) for i in range(n)], codes, ["B"] * n, obs=obs))
    rows = np.arange(0, n, 4)
    found = composition(cells, by, [Sample(None, rows)], background=None)
    assert list(found.columns[: len(by)]) == given
    agree(found, {name: obs[name].tolist() for name in by}, [(None, rows.tolist())], range(n))


def test_a_column_named_twice_counts_once(query, atlas_ref, quiet):
    hits = search(query, atlas_ref, 5, config=quiet())
    pd.testing.assert_frame_equal(hits.composition(["donor", "donor"]), hits.composition("donor"))


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"by": []}, "`by` names no column"),
        ({"of": ["a"] * 39}, "`of` has 39 entries for 40 queries"),
        ({"of": [None] * 40}, "no group for any query"),
    ],
)
def test_requests_that_are_none(query, atlas_ref, quiet, request_, message):
    hits = search(query, atlas_ref, 5, config=quiet())
    with pytest.raises(InputError, match=message):
        hits.composition(**request_)


# cells in several batches, whose columns have gaps in some and none in others


def grown(folder, sizes):
    """Return cells on disk in as many fragments as there are sizes."""
    parts = [part(n, seed) for seed, n in enumerate(sizes)]
    write_cells(parts[0], folder)
    for more in parts[1:]:
        batches = more.to_reader()
        stream = pa.RecordBatchReader.from_batches(
            stored_schema(batches.schema), to_stored(batches)
        )
        dataset = lance.write_dataset(stream, str(folder), mode="append")
    return CellTable(folder, dataset.version, dataset.count_rows())


def part(n, seed):
    rng = np.random.default_rng(seed)
    gap = rng.random(n) < (0.3 if seed % 2 else 0.0)
    number, truth = rng.integers(0, 3, n), rng.random(n) < 0.5
    obs = pd.DataFrame(
        {
            "text": np.where(gap, None, np.char.add("t", number.astype(str))),
            "count": pd.array(np.where(gap, -1, number), dtype="Int64"),
            "real": np.where(gap, np.nan, number),
            "truth": pd.array(truth, dtype="boolean"),
        }
    )
    obs.loc[gap, ["count", "truth"]] = pd.NA
    labels = np.where(gap, None, rng.choice(["B", "T"], n))
    codes = rng.integers(0, 256, (n, 8), dtype=np.uint8)
    return cells_table([f"{seed}-{place}" for place in range(n)], codes, labels, obs=obs)


@pytest.fixture(scope="module")
def batches(tmp_path_factory):
    cells = grown(tmp_path_factory.mktemp("composition") / "cells.lance", [40, 60, 30])
    assert len(list(cells.batches())) == 3
    return cells


@pytest.mark.parametrize("filtered", [False, True])
@pytest.mark.parametrize(
    "by",
    [["text"], ["count"], ["real"], ["truth"], [LABEL], ["truth", "count"],
     ["real", LABEL, "text"]],
    ids=str,
)  # fmt: skip
def test_batches_are_counted_as_one(batches, by, filtered):
    background = np.arange(3, 130, 2) if filtered else np.arange(130)
    rows = background[::3]
    found = composition(
        batches, by, [Sample(None, rows)], background=background if filtered else None
    )
    table = batches.to_table(by)
    columns = {name: table[name].to_pylist() for name in by}
    agree(found, columns, [(None, rows.tolist())], background.tolist())


@given(st.integers(1, 60), st.integers(1, 6), st.integers(0, 1000))
def test_any_draw(n, n_values, seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, n_values, n)
    obs = pd.DataFrame({"value": values})
    codes = np.zeros((n, 8), dtype=np.uint8)
    cells = searchable(cells_table([str(i) for i in range(n)], codes, ["B"] * n, obs=obs))
    rows = np.flatnonzero(rng.random(n) < 0.4)
    found = composition(cells, ["value"], [Sample(None, rows)], background=None)
    agree(found, {"value": values.tolist()}, [(None, rows.tolist())], range(n))


def test_the_correction_here_is_the_textbooks():
    """Table 1 of Benjamini and Hochberg (1995): four of fifteen are found at 0.05."""
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
         0.5719, 0.6528, 0.7590, 1.0]  # fmt: skip
    q = corrected(p)
    assert sum(value <= 0.05 for value in q) == 4
    assert all(one <= other for one, other in pairwise(q))
