"""Filters, positions and single rows of cells, with and without deletions, against pandas."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from atlash.errors import InputError, KeyNotFoundError, ReferenceFileError
from atlash.reference import scans
from atlash.reference.growth import Change, commit
from atlash.reference.store import read

made = runpy.run_path(str(Path(__file__).with_name("grower.py")))


@pytest.fixture(scope="module", params=["saved", "grown", "shrunk", "joined", "emptied"])
def cells(request, tmp_path_factory):
    """Cells in one fragment, in several, with deletions in each, joined again, and none."""
    path = tmp_path_factory.mktemp("cells") / "pbmc.atlash"
    made["start"](path, 300)
    steps = {
        "saved": [],
        "grown": [{}, {}],
        "shrunk": [{}, {}, {"delete": "place % 7 = 3 OR which = 2 AND place < 100"}],
        "joined": [{"delete": "place % 5 = 0"}] + [{}] * made["MAX_SMALL"],
        "emptied": [{"delete": "1 = 1"}],
    }[request.param]
    for base, step in enumerate(steps, start=1):
        change = step or {"append": made["cells"](base + 1, 200)}
        commit(path, Change(**change), base=base)
    return read(path).cells


@pytest.fixture(scope="module")
def table(cells):
    return cells.to_table()


@pytest.mark.parametrize(
    ("predicate", "condition"),
    [
        ("place < 20", lambda t: t["place"] < 20),
        ("half = 'odd' AND which <> 1", lambda t: (t["half"] == "odd") & (t["which"] != 1)),
        ("place < 0", lambda t: t["place"] < 0),
        ("1 = 1", lambda t: t["place"] == t["place"]),
    ],
)
def test_positions_are_rows_of_the_table(cells, table, predicate, condition):
    wanted = np.flatnonzero(condition(table.to_pandas()))
    positions = cells.row_positions(predicate)
    assert positions.dtype == np.int64
    np.testing.assert_array_equal(positions, wanted)
    found = cells.where(predicate)
    assert found.schema.equals(table.schema)
    assert found.to_pylist() == table.take(wanted).to_pylist()
    assert cells.where(predicate, ["half", "place"]).column_names == ["half", "place"]


@pytest.mark.parametrize("columns", [None, ["place", "cell_id"], ["half"], ["code"]])
@pytest.mark.parametrize("n", [0, 1, 300])
def test_rows_are_taken_in_the_order_asked_for(cells, table, columns, n):
    n = min(n, 1000 * cells.n_rows)
    positions = np.random.default_rng(n).integers(0, max(cells.n_rows, 1), n)
    taken = cells.take(positions, columns)
    wanted = table.take(positions).select(columns or table.column_names)
    assert taken.schema.equals(wanted.schema)
    assert taken.to_pylist() == wanted.to_pylist()


def test_all_rows_can_be_taken_backwards(cells, table):
    backwards = list(range(cells.n_rows))[::-1]
    taken = cells.take(backwards, ["cell_id"])
    assert taken["cell_id"].to_pylist() == table["cell_id"].to_pylist()[::-1]


def test_ids_are_found(cells, table):
    there = table["cell_id"].to_pylist()
    asked = ["nobody", *there[::-3], "1", *there[:2], *there[:1], ""]
    found = cells.find(asked)
    assert found.dtype == np.int64
    place_of = {name: place for place, name in enumerate(there)}
    np.testing.assert_array_equal(found, [place_of.get(name, -1) for name in asked])
    assert len(cells.find([])) == 0


@pytest.mark.parametrize("n_parts", [1, 3, 100])
def test_scans_in_parts_are_the_scan_of_all(cells, table, n_parts, monkeypatch):
    """Whether there are fewer fragments than cores or more."""
    monkeypatch.setattr(scans, "n_threads_or_all", lambda _: n_parts)
    wanted = np.flatnonzero(table.to_pandas()["place"] % 3 == 0)
    np.testing.assert_array_equal(cells.row_positions("place % 3 = 0"), wanted)
    ids = table["cell_id"].to_pylist()
    np.testing.assert_array_equal(cells.find(ids[::-1]), np.arange(len(ids))[::-1])


def test_what_is_not_there(cells):
    with pytest.raises(KeyNotFoundError, match="no column 'age'"):
        cells.take([], ["age"])
    with pytest.raises(KeyNotFoundError, match="no column 'age'"):
        cells.where("1 = 1", ["age"])
    with pytest.raises(KeyNotFoundError, match="no column 'barcode'"):
        cells.find(["a"], "barcode")
    for position in (-1, cells.n_rows):
        with pytest.raises(InputError, match="no cell at position"):
            cells.take([position])


def test_damage_is_no_matter_of_the_predicate(tmp_path):
    made["start"](tmp_path / "a.atlash")
    cells = read(tmp_path / "a.atlash").cells
    for file in cells.folder.glob("data/*"):
        file.write_bytes(b"\xff" * file.stat().st_size)
    for ask in (
        lambda: cells.where("place = 1"),
        lambda: cells.row_positions("place = 1"),
        lambda: cells.take([1]),
        lambda: cells.find(["1-1"]),
    ):
        with pytest.raises(ReferenceFileError, match="cannot be read"):
            ask()
