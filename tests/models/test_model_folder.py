import json
import subprocess
import sys
from pathlib import Path

import pytest

from atlash.errors import FileFormatError, OutputError
from atlash.models.model_folder import (
    FORMAT_VERSION,
    _checksum,
    check_new,
    commit,
    read_facts,
    read_part,
)

PARTS = {"weights": b"w" * 50, "moments": b"m" * 50, "vocabulary": b"v" * 50}


@pytest.fixture
def folder(tmp_path):
    commit(tmp_path / "model", PARTS, {"which": 1})
    return tmp_path / "model"


def file_of(folder, name):
    return folder / read_facts(folder)["files"][name]["path"]


def rewrite(folder, **changes):
    """Change the manifest and its sum, as another program might."""
    facts = json.loads((folder / "manifest.json").read_text())
    del facts["checksum"]
    facts |= changes
    (folder / "manifest.json").write_text(json.dumps(facts | {"checksum": _checksum(facts)}))


def test_what_was_written_is_read(folder):
    facts = read_facts(folder)
    assert facts["which"] == 1
    assert {name: read_part(folder, facts, name) for name in PARTS} == PARTS


def test_a_new_state_replaces_the_old_and_leaves_other_files_alone(folder):
    (folder / "notes.txt").write_text("mine")
    (folder / ".weights.0123abcd-89abcdef.safetensors").write_text("of a killed writer")
    commit(folder, {"weights": b"x", "vocabulary": b"y"}, {"which": 2})
    facts = read_facts(folder)
    assert facts["which"] == 2
    expected = {"manifest.json", "notes.txt"} | {f["path"] for f in facts["files"].values()}
    assert {item.name for item in folder.iterdir()} == expected


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("damage", ["changed", "shorter", "missing"])
def test_a_damaged_file_is_named(folder, name, damage):
    path = file_of(folder, name)
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(b"W" + PARTS[name][1:] if damage == "changed" else PARTS[name][:-1])
    with pytest.raises(FileFormatError, match=path.name):
        read_part(folder, read_facts(folder), name)


@pytest.mark.parametrize("at", range(0, 300, 23))
def test_any_changed_byte_of_the_manifest_is_found(folder, at):
    path = folder / "manifest.json"
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)
    with pytest.raises(FileFormatError, match=r"manifest\.json"):
        read_facts(folder)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "no json", '{"files": 3}'])
def test_a_manifest_of_something_else_is_refused(folder, text):
    (folder / "manifest.json").write_text(text)
    with pytest.raises(FileFormatError, match="holds no pre-trained encoder"):
        read_facts(folder)


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(FileFormatError, match="holds no pre-trained encoder"):
        read_facts(tmp_path)
    with pytest.raises(FileFormatError, match="holds no pre-trained encoder"):
        read_facts(tmp_path / "nowhere")


def test_a_newer_format_is_told_from_damage(folder):
    rewrite(folder, format_version=FORMAT_VERSION + 1)
    with pytest.raises(FileFormatError, match="newer atlash"):
        read_facts(folder)


def test_another_kind_of_manifest_is_refused(folder):
    rewrite(folder, format="atlash reference")
    with pytest.raises(FileFormatError, match=r"format in 'manifest\.json' is 'atlash reference'"):
        read_facts(folder)


def test_only_an_empty_or_new_folder_is_new(tmp_path, folder):
    check_new(tmp_path / "fresh")
    (tmp_path / "empty").mkdir()
    check_new(tmp_path / "empty")
    with pytest.raises(OutputError, match=r"a pre-trained encoder already.*resume"):
        check_new(folder)
    (tmp_path / "empty" / "notes.txt").touch()
    with pytest.raises(OutputError, match="something else already"):
        check_new(tmp_path / "empty")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="something else already"):
        check_new(tmp_path / "file")
    with pytest.raises(OutputError, match="there is no folder"):
        check_new(tmp_path / "no" / "model")


def test_a_write_that_is_killed_or_starved_leaves_the_old_state_or_the_new(tmp_path):
    script = Path(__file__).with_name("folder_writer.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    killed = sorted(path for path in tmp_path.iterdir() if path.name.isdigit())
    assert len(killed) > 12
    found = []
    for folder in killed:
        facts = read_facts(folder)
        found.append(facts["which"])
        for name in PARTS:
            content = read_part(folder, facts, name)
            assert content == f"{name} {facts['which']} ".encode() * 500
    assert found == sorted(found)
    assert set(found) == {0, 1}
    assert "cannot be written" in done.stdout
    facts = read_facts(tmp_path / "starved")
    assert facts["which"] == 0
    assert all(read_part(tmp_path / "starved", facts, name) for name in PARTS)
