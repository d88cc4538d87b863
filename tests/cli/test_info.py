"""``atlash info``: what a reference holds, or what is wrong with it."""

import shutil

import pandas as pd
import pytest

from atlash.reference import Reference


def test_json_is_what_python_says(atlash, files):
    found = atlash("info", files / "small.atlash", "--json")
    assert (found.code, found.err) == (0, "")
    assert found.json == Reference.load(files / "small.atlash").info()


def test_a_table_for_people(atlash, files):
    found = atlash("info", files / "small.atlash")
    assert found.code == 0
    for text in ("small.atlash", "360", "64 bits", "GENE1", "NK cell", "seed 0"):
        assert text in found.out


def test_a_reference_that_grew(atlash, files, tmp_path, fresh_counts):
    place = shutil.copytree(files / "small.atlash", tmp_path / "r.atlash")
    cells = fresh_counts[:6].copy()
    cells.obs_names = [f"new{row}" for row in range(6)]
    cells.obs["cell_type"] = pd.Categorical(["[/b] odd", "[/b] odd", None] * 2)
    loaded = Reference.load(place)
    with pytest.warns(UserWarning, match="not learned"):
        loaded.add(cells, "cell_type", progress=False)
    loaded.remove("label = 'T cell' AND batch = 'b1'")
    found = atlash("info", place)
    assert (found.code, found.err) == (0, "")
    rows = [" ".join(line.split()) for line in found.out.splitlines()]
    counts = loaded.meta["labels"]
    assert f"T cell {counts['T cell']} {loaded.meta['types']['T cell']}" in rows
    assert "[/b] odd 4 not learned" in rows
    assert "(no label) 2" in rows
    assert any(row.startswith("Version 3 (removed 60 cells where label") for row in rows)
    assert f"Columns {', '.join(loaded.cells.schema.names)}" in rows


def test_a_damaged_reference_is_1_and_names_the_file(atlash, files, tmp_path):
    place = shutil.copytree(files / "small.atlash", tmp_path / "r.atlash")
    (encoder,) = place.glob("encoder*")
    encoder.write_bytes(encoder.read_bytes()[:-1])
    found = atlash("info", place, "--no-verify")
    assert found.code == 1
    assert found.out == ""
    assert encoder.name in "".join(found.err.split())


def test_no_reference_at_all(atlash, tmp_path):
    found = atlash("info", tmp_path / "none.atlash")
    assert found.code == 1
    assert found.told.startswith("Error: ")
    assert "Traceback" not in found.err


def test_a_table_of_what_was_mined_needs_mining_and_a_place(atlash, files, tmp_path):
    place = files / "small.atlash"
    refused = atlash("info", place, "--mined", tmp_path / "look.csv")
    assert refused.code == 1
    assert "Build it with --guard or --mine." in " ".join(refused.told.split())
    for output, reason in (
        ("look.txt", "must end in"),
        ("no/look.csv", "there is no folder"),
    ):
        refused = atlash("info", place, "--mined", tmp_path / output)
        assert refused.code == 1
        assert reason in " ".join(refused.told.split())
    assert not list(tmp_path.iterdir())
