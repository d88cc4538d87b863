"""A damaged reference is refused, and the file at fault is named."""

import itertools
import runpy
import shutil
from pathlib import Path

import pytest

from atlash.errors import ReferenceFileError
from atlash.reference.store import read, write

content = runpy.run_path(str(Path(__file__).with_name("saver.py")))["content"]

PARTS = [
    "encoder",
    "genes",
    "anchors",
    "data/",
    ".manifest",
    "_versions/latest",
    "_transactions/",
]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Two references that differ in every part."""
    folder = tmp_path_factory.mktemp("saved")
    for which in (0, 1):
        write(folder / f"{which}.atlash", **content(which))
    return folder


@pytest.fixture
def path(saved, tmp_path):
    """A reference of one's own."""
    return Path(shutil.copytree(saved / "0.atlash", tmp_path / "pbmc.atlash"))


def part_of(folder, part):
    """Return the one file of a reference whose place has ``part`` in it."""
    (found,) = (
        file
        for file in folder.rglob("*")
        if file.is_file() and part in file.relative_to(folder).as_posix()
    )
    return found


def flip(file, _):
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 16
    file.write_bytes(data)


def truncate(file, _):
    file.write_bytes(file.read_bytes()[:-1])


def empty(file, _):
    file.write_bytes(b"")


def lengthen(file, _):
    file.write_bytes(file.read_bytes() + b"\0")


def remove(file, _):
    file.unlink()


def make_folder(file, _):
    file.unlink()
    file.mkdir()


def swap(file, other):
    shutil.copyfile(other, file)


DAMAGE = {
    "flipped": (flip, "has other content than was saved"),
    "truncated": (truncate, "bytes were saved|were saved"),
    "empty": (empty, "has 0 bytes"),
    "longer": (lengthen, "were saved"),
    "missing": (remove, "is missing"),
    "a folder": (make_folder, "is missing"),
    "of another reference": (swap, "were saved|has other content than was saved"),
}


ALIKE = [("_versions/latest", "of another reference")]


@pytest.mark.parametrize(
    ("part", "damage"),
    [pair for pair in itertools.product(PARTS, DAMAGE) if pair not in ALIKE],
)
def test_the_file_at_fault_is_named(saved, path, part, damage):
    act, finding = DAMAGE[damage]
    file = part_of(path, part)
    other = part_of(saved / "1.atlash", part)
    act(file, other)
    with pytest.raises(ReferenceFileError, match=finding) as caught:
        read(path)
    assert f"'{file}'" in str(caught.value)
    assert "again" in str(caught.value)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("damage", [truncate, remove])
def test_sizes_are_checked_even_without_sums(path, part, damage):
    file = part_of(path, part)
    damage(file, None)
    with pytest.raises(ReferenceFileError) as caught:
        read(path, verify=False)
    assert f"'{file}'" in str(caught.value)


@pytest.mark.parametrize("part", ["encoder", "genes", "anchors"])
def test_damage_that_was_not_looked_for_still_names_the_file(path, part):
    file = part_of(path, part)
    file.write_bytes(b"\xff" * file.stat().st_size)
    with pytest.raises(ReferenceFileError) as caught:
        read(path, verify=False)
    assert f"'{file}'" in str(caught.value)


def test_cells_damaged_after_loading_name_their_folder(path):
    stored = read(path)
    file = part_of(path, "data/")
    file.write_bytes(b"\xff" * file.stat().st_size)
    for use in (stored.cells.to_table, lambda: list(stored.cells.batches())):
        with pytest.raises(ReferenceFileError, match="cannot be read") as caught:
            use()
        assert f"'{stored.cells.folder}'" in str(caught.value)


@pytest.mark.parametrize("damage", [flip, truncate, empty])
def test_damaged_manifest_is_named(path, damage):
    file = path / "manifest.json"
    damage(file, None)
    truncate(file, None)
    with pytest.raises(ReferenceFileError) as caught:
        read(path)
    assert f"'{file}' is damaged" in str(caught.value)


def test_manifest_of_another_reference(saved, path):
    shutil.copyfile(saved / "1.atlash" / "manifest.json", path / "manifest.json")
    with pytest.raises(ReferenceFileError, match=r"is missing.*mixed up with another"):
        read(path)


def test_half_copied_folder(path):
    (path / "manifest.json").unlink()
    with pytest.raises(ReferenceFileError, match="did not finish"):
        read(path)


def test_what_is_no_reference(tmp_path):
    (tmp_path / "cells.h5ad").write_bytes(b"\x89HDF")
    (tmp_path / "empty").mkdir()
    for name, finding in {
        "cells.h5ad": r"is a file; a saved reference is a folder such as 'pbmc\.atlash'",
        "empty": "has no manifest.json: it is no atlash reference",
        "absent": "no such folder",
    }.items():
        with pytest.raises(ReferenceFileError, match=finding):
            read(tmp_path / name)
