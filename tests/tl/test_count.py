"""Cells within a radius, group by group: against a table of all distances."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from atlash.config import SearchConfig
from atlash.errors import InputError, KeyNotFoundError
from atlash.reference.columns import codes_of
from atlash.tl import count
from atlash.tl.count import count_within
from atlash.tl.queries import encode_queries

QUIET = SearchConfig(progress=False, n_threads=1)
MISSING = "(missing)"


@pytest.fixture(scope="module")
def query(fresh_counts):
    return fresh_counts[:25].copy()


@pytest.fixture(scope="module")
def apart(query, atlas_ref):
    """Bits in which each query (row) and each cell of the reference (column) differ."""
    asked = np.unpackbits(encode_queries(query, atlas_ref, QUIET).asked.codes, axis=1)
    there = np.unpackbits(codes_of(atlas_ref.cells), axis=1)
    return (asked[:, None] != there[None]).sum(axis=2)


def names_of(table, by):
    """Return the group of each cell as a tuple of texts."""
    rows = table.select(by).to_pylist()
    return [tuple(MISSING if row[c] is None else str(row[c]) for c in by) for row in rows]


def key(name):
    parts = name if isinstance(name, tuple) else (name,)
    return tuple(MISSING if pd.isna(part) else str(part) for part in parts)


@pytest.mark.parametrize("radius", [0, 12, 30, 128, 1000])
@pytest.mark.parametrize(
    "by",
    [["label"], ["donor"], ["flag"], ["number"], ["note"], ["maybe"], ["donor", "label"],
     ["note", "flag", "donor"]],
)  # fmt: skip
def test_counts_are_those_of_all_distances(query, atlas_ref, apart, by, radius):
    found = count_within(query, atlas_ref, radius, by=by, config=QUIET)
    groups = names_of(atlas_ref.cells, by)
    assert found.index.equals(query.obs_names)
    assert (found.dtypes == np.int64).all()
    assert found.columns.names == by
    assert len(found.columns) == len(set(groups)) == len({key(name) for name in found})
    for place, name in enumerate(found.columns):
        members = np.array([group == key(name) for group in groups])
        expected = (apart[:, members] <= radius).sum(axis=1)
        np.testing.assert_array_equal(found.iloc[:, place], expected)


def test_one_column_by_its_name(query, atlas_ref, loaded):
    found = count_within(query, atlas_ref, 20, config=QUIET)
    assert list(found.columns) == ["B cell", "NK cell", "T cell"]
    assert found.to_numpy().sum() > 0
    for other in (
        count_within(query, atlas_ref, 20, by="label", config=QUIET),
        count_within(query, atlas_ref, 20, by=["label", "label"], config=QUIET),
        count_within(query, loaded, np.int64(20), config=replace(QUIET, n_threads=2)),
    ):
        pd.testing.assert_frame_equal(found, other)


def test_groups_are_sorted_and_the_missing_last(query, atlas_ref):
    found = count_within(query, atlas_ref, 20, by="donor", config=QUIET)
    assert list(found.columns[:-1]) == ["d0", "d1", "d2", "d3", "d4"]
    assert pd.isna(found.columns[-1])
    ages = count_within(query, atlas_ref, 20, by="age", config=QUIET)
    assert list(ages.columns[:-1]) == [0, 1, 2, 3, 4]
    assert pd.isna(ages.columns[-1])
    assert ages.to_numpy().tolist() == found.to_numpy().tolist()
    pairs = count_within(query, atlas_ref, 20, by=["flag", "donor"], config=QUIET)
    assert [key(name) for name in pairs] == [
        (flag, donor)
        for flag in ("False", "True")
        for donor in ("d0", "d1", "d2", "d3", "d4", MISSING)
    ]


def test_only_cells_that_meet_a_condition(query, atlas_ref, apart, known):
    found = count_within(
        query, atlas_ref, 30, by="donor", where="number < 3 AND NOT flag", config=QUIET
    )
    assert found.shape[1] == 6  # groups without a cell that meets it are there, and empty
    meets = (known["number"] < 3) & ~known["flag"]
    for donor in ("d0", "d2", "d4"):
        members = (meets & (known["donor"] == donor)).to_numpy()
        expected = (apart[:, members] <= 30).sum(axis=1)
        np.testing.assert_array_equal(found[donor], expected)
    assert found["d4"].sum() == 0
    assert found["d0"].sum() > 0


def test_a_cell_is_within_0_bits_of_itself(atlas_counts, atlas_ref):
    found = count_within(atlas_counts[:30], atlas_ref, 0, by="cell_id", config=QUIET)
    assert found.shape == (30, 360)
    own = [found.columns.get_loc(name) for name in atlas_counts.obs_names[:30]]
    assert (found.to_numpy()[np.arange(30), own] == 1).all()


def test_a_file_as_query(query, atlas_ref, tmp_path):
    query.write_h5ad(tmp_path / "query.h5ad")
    found = count_within(tmp_path / "query.h5ad", atlas_ref, 25, config=QUIET)
    pd.testing.assert_frame_equal(found, count_within(query, atlas_ref, 25, config=QUIET))


def test_times_and_a_column_without_values(query, reference):
    n = reference.cells.num_rows
    days = pa.array([None if k % 3 == 2 else k % 3 for k in range(n)], pa.timestamp("s"))
    cells = reference.cells.append_column("day", days)
    cells = cells.append_column("nothing", pa.nulls(n, pa.string()))
    own = replace(reference, cells=cells)
    by_day = count_within(query, own, 128, by="day", config=QUIET)
    assert by_day.iloc[0].tolist() == [120, 120, 120]
    whole = count_within(query, own, 128, by="nothing", config=QUIET)
    assert whole.to_numpy().tolist() == [[n]] * 25
    both = count_within(query, own, 128, by=["nothing", "day"], config=QUIET)
    assert both.iloc[0].tolist() == [120, 120, 120]


def test_too_many_groups(query, atlas_ref, monkeypatch):
    monkeypatch.setattr(count, "MAX_GROUPS", 300)
    with pytest.raises(InputError, match="'cell_id' have 360 combinations; at most 300"):
        count_within(query, atlas_ref, 5, by="cell_id", config=QUIET)
    with pytest.raises(InputError, match="'cell_id', 'donor' have 360"):
        count_within(query, atlas_ref, 5, by=["cell_id", "donor"], config=QUIET)
    count_within(query, atlas_ref, 5, by=["label", "donor"], config=QUIET)


@pytest.mark.parametrize(
    ("radius", "how", "refusal"),
    [
        (-1, {}, (InputError, "`radius` is -1")),
        (2.5, {}, (InputError, "`radius` is 2.5")),
        (True, {}, (InputError, "`radius` is True")),
        (5, {"by": "doner"}, (KeyNotFoundError, "Did you mean 'donor'")),
        (5, {"by": []}, (InputError, "names no column")),
        (5, {"where": "number = 99"}, (InputError, "No cell .* meets 'number = 99'")),
        (5, {"where": "numbr = 1"}, (KeyNotFoundError, "Did you mean 'number'")),
        (5, {"where": "true; SELECT 1"}, (InputError, "';'")),
    ],
)
def test_what_cannot_be_counted(query, atlas_ref, radius, how, refusal):
    error, message = refusal
    with pytest.raises(error, match=message):
        count_within(query, atlas_ref, radius, config=QUIET, **how)
