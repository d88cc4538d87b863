"""A save that is killed, starved or raced leaves the old reference or the new one."""

import json
import re
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from atlash.errors import ReferenceFileError
from atlash.reference.store import read, write

SAVER = Path(__file__).with_name("saver.py")
COMMAND = [sys.executable, "-W", "ignore", SAVER]  # Lance warns of forks, whatever they do
content = runpy.run_path(str(SAVER))["content"]


def run(task, folder):
    return subprocess.run([*COMMAND, task, folder], capture_output=True, text=True, check=False)


def finish(task, folder):
    done = run(task, folder)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def which_is_read(path):
    """Read a reference, check that its parts belong together, and return which it is."""
    stored = read(path)
    which = stored.meta["which"]
    cells = stored.cells.to_table()
    assert stored.arrays["which"] == which
    assert set(stored.genes["which"]) == set(stored.anchors["which"]) == {which}
    assert cells.equals(content(which, cells.num_rows)["cells"])
    return which


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def assert_no_leftovers(path):
    parts = [re.sub(r"\.[0-9a-f]{8}\.", ".*.", name) for name in names(path)]
    assert parts == [
        "anchors.*.parquet",
        "cells.*.lance",
        "encoder.*.safetensors",
        "genes.*.parquet",
        "manifest.json",
    ]
    assert names(path.parent) == [path.name]


def test_overwriting_killed_at_any_step(tmp_path):
    finish("overwrite", tmp_path)
    homes = sorted(home for home in tmp_path.iterdir() if home.name != "old.atlash")
    found = [which_is_read(home / "pbmc.atlash") for home in homes]
    assert len(found) > 30
    assert found == sorted(found)
    assert set(found) == {0, 1}
    assert found.count(1) > 5  # killed while removing what is old
    for home in homes[::3]:
        write(home / "pbmc.atlash", **content(2), overwrite=True)
        assert which_is_read(home / "pbmc.atlash") == 2
        assert_no_leftovers(home / "pbmc.atlash")


def test_first_save_killed_at_any_step(tmp_path):
    finish("new", tmp_path)
    homes = sorted(tmp_path.iterdir())
    finished = [(home / "pbmc.atlash").exists() for home in homes]
    assert len(finished) > 20
    assert finished == sorted(finished)
    assert set(finished) == {False, True}
    for home, is_there in [*zip(homes, finished, strict=True)][::2]:
        path = home / "pbmc.atlash"
        if is_there:
            assert which_is_read(path) == 1
        else:
            with pytest.raises(ReferenceFileError, match="no such folder"):
                read(path)
        write(path, **content(2), overwrite=True)
        assert which_is_read(path) == 2
        assert_no_leftovers(path)


def test_overwriting_killed_at_random_moments(tmp_path):
    finish("random", tmp_path)
    homes = sorted(home for home in tmp_path.iterdir() if home.name != "old.atlash")
    assert len(homes) == 15
    left_over = 0
    for home in homes:
        path = home / "pbmc.atlash"
        assert which_is_read(path) in {0, 1}
        left_over += len(names(path)) > 5
        write(path, **content(2), overwrite=True)
        assert which_is_read(path) == 2
        assert_no_leftovers(path)
    assert left_over > 0  # some were killed in the middle


def test_full_disk_keeps_the_old_reference_and_leaves_nothing(tmp_path):
    said = finish("starve", tmp_path)
    assert len(said) == 14
    for message in said:
        assert "File too large" in message
        assert "free some space" in message
    assert which_is_read(tmp_path / "pbmc.atlash") == 0
    assert_no_leftovers(tmp_path / "pbmc.atlash")


def test_savers_at_once_do_not_mix_and_readers_never_fail(tmp_path):
    path = tmp_path / "pbmc.atlash"
    write(path, **content(0, 2000))
    racing = subprocess.Popen([*COMMAND, "race", tmp_path], stderr=subprocess.PIPE)
    seen = set()
    while racing.poll() is None:
        stored = read(path)
        assert stored.arrays["which"] == stored.meta["which"]
        seen.add(stored.meta["which"])
    assert racing.communicate()[1] == b""
    assert racing.returncode == 0
    assert len(seen) > 1
    assert which_is_read(path) in {1, 2, 3}
    assert_no_leftovers(path)


def test_folder_without_write_permission(tmp_path):
    with tempfile.TemporaryDirectory() as outer:  # open to other users, unlike tmp_path
        folder = Path(outer) / "shared"
        folder.mkdir()
        write(folder / "pbmc.atlash", **content(0))
        for path, mode in ((outer, 0o755), (folder / "pbmc.atlash", 0o555), (folder, 0o555)):
            Path(path).chmod(mode)
        try:
            said = finish("rights", folder)
        finally:
            folder.chmod(0o755)
            (folder / "pbmc.atlash").chmod(0o755)
        assert len(said) == 2
        for message in said:
            assert "no permission to write" in message
            assert "folder that you may write to" in message
        assert which_is_read(folder / "pbmc.atlash") == 0
        assert_no_leftovers(folder / "pbmc.atlash")
