"""Which ids a reference has: a cache that may be lost, but never wrong."""

import os
import resource
from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlash.reference import id_index
from atlash.reference.cell_edits import joined, with_cells, without_cells
from atlash.reference.cell_writing import searchable, write_cells
from atlash.reference.columns import cells_table
from atlash.reference.id_index import FOLDER, _hashes, fragments_with, index_ids


def table(ids):
    ids = list(ids)
    codes = np.zeros((len(ids), 8), dtype=np.uint8)
    return cells_table(ids, codes, ["B"] * len(ids), obs=pd.DataFrame(index=ids))


def names(start, stop):
    return [f"cell{place}" for place in range(start, stop)]


@pytest.fixture
def cells(tmp_path):
    """Three fragments: 0 to 99, 100 to 149, 150 to 199."""
    folder = tmp_path / "a b%20#é.atlash"
    folder.mkdir()
    cells = write_cells(table(names(0, 100)), folder / "cells.0a1b2c3d.lance")
    for start in (100, 150):
        cells = with_cells(cells, table(names(start, start + 50)))
    return cells


@pytest.fixture
def cache(cells):
    index_ids(cells)
    return cells.folder.parent / FOLDER


def right(cells, there):
    """Raise unless just these ids are found, where they are, whatever is asked together."""
    place_of = {name: place for place, name in enumerate(there)}
    for asked in (["nobody"], ["nobody", *names(0, 260), "", "Zelle-ü"], [there[-1]], []):
        found = cells.find(asked)
        np.testing.assert_array_equal(found, [place_of.get(name, -1) for name in asked])


def stamps(cache):
    return {file.name: (file.stat().st_ino, file.stat().st_mtime_ns) for file in cache.iterdir()}


def oracle(text):
    """FNV-1a, and a round of MurmurHash3's finaliser, with whole numbers of any size."""
    total = 0xCBF29CE484222325
    for byte in text.encode():
        total = (total ^ byte) * 0x100000001B3 % 2**64
    total = (total ^ (total >> 33)) * 0xFF51AFD7ED558CCD % 2**64
    return total ^ (total >> 33)


@given(
    st.lists(st.text(st.characters(codec="utf-8"), max_size=12), max_size=20), st.integers(0, 3)
)
def test_hashes_are_those_of_the_oracle(texts, skipped):
    part = pa.array(texts, pa.string())[skipped:]
    assert _hashes(part).tolist() == [oracle(text) for text in texts[skipped:]]


def test_ids_that_differ_in_one_place_have_hashes_of_their_own():
    hashes = _hashes(pa.array([f"AAACCTGAGAAACCAT-{run}" for run in range(200_000)]))
    assert len(np.unique(hashes)) == len(hashes)
    assert len(np.unique(hashes >> np.uint64(48))) > 60_000  # of 65,536: all bits vary


def test_fnv_1a_is_the_published_one():
    """Values of RFC 9923, before the last round."""
    assert [_unmixed(oracle(text)) for text in ("", "a", "foobar")] == [
        0xCBF29CE484222325,
        0xAF63DC4C8601EC8C,
        0x85944171F73967E8,
    ]


def _unmixed(mixed):
    mixed ^= mixed >> 33
    mixed = mixed * pow(0xFF51AFD7ED558CCD, -1, 2**64) % 2**64
    return mixed ^ (mixed >> 33)


@given(st.lists(st.integers(0, 40), max_size=30), st.lists(st.integers(0, 40), max_size=30))
def test_a_common_value_is_seen(a, b):
    a, b = (np.array(sorted(values), dtype=np.uint64) for values in (a, b))
    assert id_index._share_one(a, b) == bool(set(a.tolist()) & set(b.tolist()))


def test_only_fragments_with_such_cells_are_named(cells):
    for asked, wanted in (
        (names(0, 1), [0]),
        (["nobody", "cell99", "cell150"], [0, 2]),
        (names(0, 200), [0, 1, 2]),
        (["nobody"], []),
        ([], []),
    ):
        fragments = cells.dataset.get_fragments()
        numbers = {fragments[place].fragment_id for place in wanted}
        assert fragments_with(cells, pa.array(asked, pa.string())) == numbers


def test_it_is_made_once_and_holds_the_hashes(cells, cache):
    before = stamps(cache)
    assert len(before) == 3
    found = Counter()
    for file in cache.iterdir():
        hashes = np.fromfile(file, dtype=np.uint64)
        assert (np.diff(hashes.astype(object)) >= 0).all()
        found.update(hashes.tolist())
    assert found == Counter(map(oracle, names(0, 200)))
    right(cells, names(0, 200))
    index_ids(cells)
    assert stamps(cache) == before


def test_more_cells_cost_what_they_add(cells, cache, monkeypatch):
    made = []
    make = id_index._made
    monkeypatch.setattr(
        id_index, "_made", lambda *given: made.append(given[1].physical_rows) or make(*given)
    )
    before = stamps(cache)
    more = with_cells(cells, table(names(200, 207)))
    right(more, names(0, 207))
    assert made == [7]
    after = stamps(cache)
    assert len(after) == 4
    assert before.items() <= after.items()


def test_cells_that_left_are_not_found_and_older_versions_have_them(cells, cache):
    before = stamps(cache)
    fewer = without_cells(cells, np.arange(90, 110))
    left = names(0, 90) + names(110, 200)
    right(fewer, left)
    right(cells, names(0, 200))
    again = with_cells(fewer, table(names(95, 99)))
    right(again, left + names(95, 99))
    assert before.items() <= stamps(cache).items()


def test_made_of_a_version_that_lost_cells_it_serves_the_one_that_had_them(cells):
    fewer = without_cells(cells, np.arange(90, 110))
    index_ids(fewer)
    right(fewer, names(0, 90) + names(110, 200))
    right(cells, names(0, 200))


def test_joined_fragments_are_indexed_and_what_is_no_longer_there_goes(cells, cache, monkeypatch):
    monkeypatch.setattr("atlash.reference.cell_edits.MAX_SMALL", 1)
    one = joined(cells)
    assert len(one.dataset.get_fragments()) == 1
    right(one, names(0, 200))
    assert len(stamps(cache)) == 4
    for fragment in cells.dataset.get_fragments():
        (cells.folder / "data" / fragment.metadata.files[0].path).unlink()
    more = with_cells(one, table(names(200, 203)))
    right(more, names(0, 203))
    assert len(stamps(cache)) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-8],
        lambda content: content[:-3],
        lambda content: b"",
        lambda content: content + bytes(8),
        lambda content: bytes([content[0] ^ 1]) + content[1:],
        lambda content: content[:-1] + bytes([content[-1] ^ 128]),
        lambda content: bytes(len(content)),
        lambda content: content[8:16] + content[:8] + content[16:],
    ],
)
def test_a_damaged_one_is_made_again(cells, cache, damage):
    before = stamps(cache)
    for file in cache.iterdir():
        file.write_bytes(damage(file.read_bytes()))
    right(cells, names(0, 200))
    after = stamps(cache)
    assert after.keys() == before.keys()
    for file in cache.iterdir():
        assert len(np.fromfile(file, dtype=np.uint64)) in (50, 100)
    right(cells, names(0, 200))
    assert stamps(cache) == after


@pytest.mark.parametrize(
    "name",
    ["{cells}.00000000.hashes", "{cells}.hashes", "{sum}.hashes", "notes.txt", ".0a1b.part"],
)
def test_what_is_of_others_is_neither_read_nor_kept(cells, cache, name):
    before = set(stamps(cache))
    file = next(cache.iterdir())
    of, total, _ = file.name.rsplit(".", 2)
    file.rename(file.with_name(name.format(cells=of, sum=total)))
    right(cells, names(0, 200))
    assert set(stamps(cache)) == before


def test_a_missing_one_is_made_again(cells, cache):
    before = set(stamps(cache))
    for file in cache.iterdir():
        file.unlink()
    cache.rmdir()
    right(cells, names(0, 200))
    assert set(stamps(cache)) == before


def test_other_cells_in_its_place_have_an_index_of_their_own(cells, cache):
    new = write_cells(table(names(50, 60)), cells.folder.parent / "cells.4e5f6a7b.lance")
    right(new, names(50, 60))
    assert len(stamps(cache)) == 1
    right(cells, names(0, 200))


def test_equal_hashes_alone_find_nothing(cells, monkeypatch):
    """Were all hashes equal, ids would still be compared."""
    monkeypatch.setattr(id_index, "_hashes", lambda ids: np.full(len(ids), 7, dtype=np.uint64))
    right(cells, names(0, 200))


def test_a_file_in_the_place_of_the_folder_is_no_hindrance(cells):
    place = cells.folder.parent / FOLDER
    place.write_text("mine")
    right(cells, names(0, 200))
    index_ids(cells)
    assert place.read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to_is_no_hindrance(cells):
    cells.folder.parent.chmod(0o555)
    try:
        right(cells, names(0, 200))
    finally:
        cells.folder.parent.chmod(0o755)
    assert not (cells.folder.parent / FOLDER).exists()


def test_a_full_disk_is_no_hindrance_and_leaves_nothing(cells):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        right(cells, names(0, 200))
        index_ids(cells)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    folder = cells.folder.parent / FOLDER
    assert list(folder.iterdir()) == []
    right(cells, names(0, 200))
    assert len(list(folder.iterdir())) == 3


def test_cells_that_cannot_be_read_are_not_told_by_the_index(cells):
    """What is done is done: who reads the cells will tell."""
    for file in cells.folder.glob("data/*"):
        file.write_bytes(b"\xff" * file.stat().st_size)
    index_ids(cells)
    assert not (cells.folder.parent / FOLDER).exists()


def test_cells_in_memory_and_other_columns_have_no_index(cells, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    right(searchable(table(names(0, 30))), names(0, 30))
    assert cells.find(["B", "T"], "label").tolist() == [199, -1]
    assert list(tmp_path.rglob(FOLDER)) == []


def test_no_cells_are_no_matter(tmp_path):
    cells = write_cells(table([]), tmp_path / "cells.0a1b2c3d.lance")
    for _ in range(2):
        assert cells.find(["cell1"]).tolist() == [-1]
