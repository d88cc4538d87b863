"""A writer that is killed, starved or raced leaves the version before or the one after."""

import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from atlash.reference.store import read, write
from atlash.reference.versions import versions

GROWER = Path(__file__).with_name("grower.py")
COMMAND = [sys.executable, "-W", "ignore", GROWER]  # Lance warns of forks, whatever they do
made = runpy.run_path(str(GROWER))
start, grow, cells = made["start"], made["grow"], made["cells"]


def finish(task, folder):
    done = subprocess.run([*COMMAND, task, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """References whose third version was being made when the writer was killed, step by step."""
    folder = tmp_path_factory.mktemp("killed")
    finish("steps", folder)
    return sorted(path for path in folder.iterdir() if path.name != "old.atlash")


def check(path, number=None, n=50):
    """Read a version, check that its parts belong together, and return its number."""
    stored = read(path, version=number)
    which = int(stored.arrays["which"])
    assert which == stored.version
    assert set(stored.anchors["which"]) == {which}
    table = stored.cells.to_table()
    assert table.num_rows == stored.cells.n_rows == stored.meta["n"]
    assert table.equals(expected(which, n))
    return which


def expected(version, n=50):
    """Return the cells of a version, made in memory."""
    table = cells(1, n)
    for which in range(2, version + 1):
        there = table.num_rows
        gone = set(range(there - 20, there - 6, 2))
        table = table.take([row for row in range(there) if row not in gone])
        table = pa.concat_tables([table, cells(which, n)])
    return table.combine_chunks().unify_dictionaries()


def unlisted(path):
    """Return files of a reference that none of its versions needs."""
    kept = {"manifest.json"}
    kept |= {f"versions/manifest.{v.number}.json" for v in versions(path)[:-1]}
    for place in list(kept):
        manifest = json.loads((path / place).read_text())
        kept |= {entry["path"] for entry in manifest["files"].values()}
    there = {p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()}
    assert kept <= there
    return there - kept


def test_killed_at_any_step(killed, tmp_path):
    paths = [Path(shutil.copytree(path, tmp_path / path.name)) for path in killed]
    found = [check(path) for path in paths]
    assert len(found) > 20
    assert found == sorted(found)
    assert set(found) == {2, 3}
    assert sum(bool(unlisted(path)) for path in paths) > 10
    for path, version in [*zip(paths, found, strict=True)][::2]:
        grow(path, version)
        assert [check(path, v.number) for v in versions(path)] == [*range(1, version + 2)]
        assert unlisted(path) == set()
        assert not (path / ".growing").exists()


def test_killed_again_while_clearing_up_after_who_was_killed(tmp_path):
    finish("again", tmp_path)
    paths = sorted(path for path in tmp_path.iterdir() if path.name != "old.atlash")
    found = [check(path) for path in paths]
    assert set(found) == {2, 3}
    left_over = [bool(unlisted(path)) for path in paths]
    assert sum(left_over) > 20
    for path, version in [*zip(paths, found, strict=True)][::2]:
        grow(path, version)
        assert unlisted(path) == set()


def test_killed_at_random_moments(tmp_path):
    seen = finish("random", tmp_path)
    assert len(seen) == 15
    numbers = [number for number, _ in seen]
    assert numbers == sorted(numbers)
    assert numbers[-1] > 3
    assert any(left_over for _, left_over in seen)  # some were killed in the middle
    path = tmp_path / "pbmc.atlash"
    grow(path, numbers[-1], 2000)
    for version in versions(path):
        assert check(path, version.number, 2000) == version.number
    assert unlisted(path) == set()


def test_full_disk_keeps_the_version_and_leaves_nothing(tmp_path):
    said = finish("starve", tmp_path)
    path = tmp_path / "pbmc.atlash"
    assert len(said) == 8
    for message in said:
        assert "File too large" in message
        assert "unchanged" in message
        assert "free some space" in message
    assert check(path, n=20_000) == 2
    assert unlisted(path) == set()
    grow(path, 2, 20_000)
    assert check(path, n=20_000) == 3


def test_writers_at_once_wait_or_conflict_and_readers_never_fail(tmp_path):
    path = tmp_path / "pbmc.atlash"
    racing = subprocess.Popen([*COMMAND, "race", tmp_path], stderr=subprocess.PIPE)
    opened = {}
    while racing.poll() is None:
        if path.exists():
            stored = read(path)
            opened.setdefault(stored.version, stored.cells).to_table()
    assert racing.communicate()[1] == b""
    assert racing.returncode == 0
    assert len(opened) > 1
    for number, table in opened.items():
        assert table.to_table().equals(expected(number))
    assert [check(path, v.number) for v in versions(path)] == [*range(1, 17)]
    assert unlisted(path) == set()


def test_readers_keep_their_version_while_others_write(tmp_path):
    path = tmp_path / "pbmc.atlash"
    start(path)
    held = []
    for number in range(1, 6):
        if number > 1:
            grow(path, number - 1)
        stored = read(path)
        held.append((number, stored.cells, stored.cells.batches(size=7)))
        next(held[-1][2])
    for number, table, batches in held:
        rest = sum(batch.num_rows for batch in batches)
        assert rest == expected(number).num_rows - 7
        assert table.to_table().equals(expected(number))


def test_small_fragments_are_made_one(tmp_path):
    finish("many", tmp_path)
    path = tmp_path / "pbmc.atlash"
    newest = read(path)
    assert newest.version == 2 * made["MAX_SMALL"] + 4
    wanted = pa.concat_tables([cells(1), *(cells(w, 5) for w in range(2, newest.version + 1))])
    assert newest.cells.to_table().equals(wanted.combine_chunks().unify_dictionaries())
    assert len(newest.cells.dataset.get_fragments()) <= made["MAX_SMALL"]
    for number in (1, 20, 40):
        assert read(path, version=number).cells.n_rows == 50 + 5 * (number - 1)
    assert unlisted(path) == set()


def test_an_overwrite_clears_up_after_a_killed_writer(killed, tmp_path):
    left_over = [path for path in killed if (path / ".growing").exists()]
    for name in left_over[::6]:
        path = Path(shutil.copytree(name, tmp_path / name.name))
        stored = read(path)
        write(
            path,
            meta=stored.meta,
            arrays=stored.arrays,
            genes=stored.genes,
            anchors=stored.anchors,
            cells=stored.cells,
            overwrite=True,
        )
        assert sorted(p.name.split(".")[0] for p in path.iterdir()) == [
            "anchors",
            "cells",
            "encoder",
            "genes",
            "manifest",
        ]
        assert unlisted(path) == set()
