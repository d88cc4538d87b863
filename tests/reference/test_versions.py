"""Older versions: told, opened, given up, and damaged."""

import json
import runpy
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from atlash.errors import InputError, KeyNotFoundError, ReferenceFileError
from atlash.reference.growth import Change, commit, forget
from atlash.reference.store import read
from atlash.reference.versions import versions

made = runpy.run_path(str(Path(__file__).with_name("grower.py")))
GOLDEN = Path(__file__).parents[1] / "golden" / "v1" / "tiny.atlash"


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """A reference of four versions."""
    path = tmp_path_factory.mktemp("grown") / "pbmc.atlash"
    made["start"](path)
    for base in (1, 2, 3):
        made["grow"](path, base)
    return path


@pytest.fixture
def path(grown, tmp_path):
    return Path(shutil.copytree(grown, tmp_path / "pbmc.atlash"))


def size(folder):
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def test_versions_are_told_oldest_first(grown):
    told = versions(grown)
    assert [v.number for v in told] == [1, 2, 3, 4]
    assert [v.n_cells for v in told] == [50, 93, 136, 179]
    assert [v.note for v in told] == ["saved", *["removed 7 cells, added 50 cells"] * 3]
    dates = [datetime.fromisoformat(v.date) for v in told]
    assert dates == sorted(dates)
    assert abs(datetime.now(UTC) - dates[-1]).total_seconds() < 600


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("number", [1, 2, 3, 4, None])
def test_every_version_is_opened_whole(grown, number, verify):
    stored = read(grown, version=number, verify=verify)
    which = number or 4
    assert stored.version == which == int(stored.arrays["which"])
    assert set(stored.anchors["which"]) == {which}
    assert stored.meta["n"] == stored.cells.n_rows == stored.cells.to_table().num_rows
    assert stored.cells.to_table(["which"])["which"].to_numpy().max() == which


@pytest.mark.parametrize("number", [0, 5, -1, 2.0, "2", True])
def test_a_version_that_does_not_exist(grown, number):
    with pytest.raises(KeyNotFoundError, match=r"has no version .*; it has versions 1 to 4\."):
        read(grown, version=number)


def test_a_reference_from_before_there_were_versions():
    (only,) = versions(GOLDEN)
    assert (only.number, only.date, only.note, only.n_cells) == (1, "", "saved", 90)
    assert read(GOLDEN, version=1).cells.n_rows == 90


def test_forgetting_gives_room_back(path):
    before = size(path)
    held = read(path)
    forget(path, before=3)
    assert [v.number for v in versions(path)] == [3, 4]
    assert size(path) < before - 1000
    assert sorted(p.name for p in (path / "versions").iterdir()) == ["manifest.3.json"]
    for number in (3, 4):
        assert read(path, version=number).cells.to_table().num_rows == 50 + 43 * (number - 1)
    assert held.cells.to_table().num_rows == 179
    with pytest.raises(KeyNotFoundError, match="has versions 3 to 4"):
        read(path, version=2)
    with pytest.raises(KeyNotFoundError):
        forget(path, before=2)
    forget(path, before=4)
    assert [v.number for v in versions(path)] == [4]
    assert not (path / "versions").exists()
    assert commit(path, Change(delete=np.array([0])), base=4).version == 5


def test_a_damaged_older_manifest_does_not_touch_the_newest(path):
    file = path / "versions" / "manifest.2.json"
    file.write_bytes(file.read_bytes().replace(b"50 cells", b"51 cells"))
    for ask in (lambda: versions(path), lambda: read(path, version=2)):
        with pytest.raises(ReferenceFileError, match=r"manifest\.2\.json' is damaged"):
            ask()
    assert read(path).version == 4
    assert made["grow"](path, 4).version == 5


def test_a_missing_older_manifest_is_named(path):
    (path / "versions" / "manifest.2.json").unlink()
    with pytest.raises(ReferenceFileError, match=r"manifest\.2\.json' cannot be read"):
        versions(path)


def test_manifests_that_were_mixed_up(path):
    shutil.copyfile(path / "versions/manifest.1.json", path / "versions/manifest.2.json")
    with pytest.raises(ReferenceFileError, match="is the manifest of version 1"):
        read(path, version=2)


def test_a_file_that_only_an_older_version_needs(path):
    entry = json.loads((path / "versions/manifest.2.json").read_text())["files"]["anchors"]
    (path / entry["path"]).unlink()
    assert read(path).version == 4
    with pytest.raises(ReferenceFileError, match=r"anchors.*is missing"):
        read(path, version=2)


@pytest.mark.parametrize("before", [None, 2.0, "2", [2]], ids=repr)
def test_giving_up_versions_before_what_is_no_number(path, before):
    """It once wrote a manifest that could not be read again."""
    with pytest.raises(InputError, match=r"^`before` is .* must be the number of the first"):
        forget(path, before=before)
    assert [v.number for v in versions(path)] == [1, 2, 3, 4]


@pytest.mark.parametrize("number", [1, 4])
def test_numbers_of_numpys(grown, number):
    assert read(grown, version=np.int64(number)).version == number


@pytest.mark.parametrize("number", [4.0, [4], np.array([1, 4])], ids=repr)
def test_what_is_the_newest_version_but_no_number(grown, number):
    with pytest.raises(KeyNotFoundError, match="has no version"):
        read(grown, version=number)


def test_true_is_not_version_1(tmp_path):
    made["start"](tmp_path / "one.atlash")
    with pytest.raises(KeyNotFoundError, match="has no version True; it has version 1 alone"):
        read(tmp_path / "one.atlash", version=True)
