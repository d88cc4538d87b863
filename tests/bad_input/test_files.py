"""Files that are no cells, results that cannot be written, references that are damaged."""

import gzip
import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import h5py
import pytest

from atlash.errors import FileFormatError, OutputError, ReferenceFileError
from atlash.reference import Reference
from atlash.reference.store import check_target

NOBODY = 65_534


@pytest.fixture(scope="module")
def whole(atlas_counts, tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "atlas.h5ad"
    atlas_counts.write_h5ad(path)
    return path


def truncated(path, whole):
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])


def empty(path, _):
    path.touch()


def zipped(path, whole):
    path.write_bytes(gzip.compress(whole.read_bytes()))


def text(path, _):
    path.write_text("cell,CD3E,LYZ\nc1,1,0\n")


def web_page(path, _):
    path.write_text("<html>404 Not Found</html>")


def noise(path, _):
    path.write_bytes(bytes(range(1, 256)))


def tenx(path, _):
    with h5py.File(path, "w") as file:
        file.create_group("matrix")


def folder(path, _):
    path.mkdir()
    (path / "matrix.mtx").touch()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (truncated, r"'cells\.h5ad' .*truncated or damaged HDF5 file.*download it again"),
        (empty, r"like an empty file \(0 bytes\).*download it again"),
        (zipped, r"a gzip archive.*unpack it with `gunzip`\.$"),
        (text, r"comma-separated text.*read_csv.*, then save it as \.h5ad\.$"),
        (web_page, r"a web page, perhaps a failed download.*download the file again\.$"),
        (noise, r"a file of unknown format.*convert it"),
        (tenx, r"a 10x HDF5 file.*read_10x_h5"),
        (folder, r"folder '.*cells\.h5ad' is not a zarr store: it holds 'matrix\.mtx'"),
    ],
)
def test_what_a_file_is_instead_of_cells(use, whole, tmp_path, make, told):
    path = tmp_path / "cells.h5ad"
    make(path, whole)
    with pytest.raises(FileFormatError, match=told):
        use(path)


@pytest.mark.parametrize("kind", [str, Path])
def test_a_file_that_is_missing(use, tmp_path, kind):
    with pytest.raises(FileFormatError, match=r"There is no file '.*none\.h5ad'\. Check the path"):
        use(kind(tmp_path / "none.h5ad"))


def test_the_working_folder_in_the_place_of_cells_is_named(use, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileFormatError, match=r"folder '\.' is not a zarr store: it holds no"):
        use(Path())


def test_a_reference_in_the_place_of_cells(use, reference, tmp_path):
    replace(reference).save(tmp_path / "r.atlash")
    with pytest.raises(FileFormatError, match=r"may be a saved reference.* be swapped"):
        use(tmp_path / "r.atlash")


@contextmanager
def unwritable_folder():
    """Give a folder that this process may read and not write, whoever runs it."""
    place = Path(tempfile.mkdtemp(prefix="atlash-"))
    place.chmod(0o555)
    root = os.geteuid() == 0
    try:
        if root:
            os.seteuid(NOBODY)
        yield place
    finally:
        if root:
            os.seteuid(0)
        place.chmod(0o755)
        shutil.rmtree(place)


def test_saving_without_permission(reference):
    with unwritable_folder() as place:
        with pytest.raises(OutputError, match=r"r\.atlash"):
            reference.save(place / "r.atlash")
        assert not list(place.iterdir())


@pytest.mark.parametrize("there", [False, True])
def test_permission_is_looked_at_before_learning(reference, tmp_path, monkeypatch, there):
    if there:
        replace(reference).save(tmp_path / "r.atlash")
    assert check_target(tmp_path / "r.atlash", overwrite=True) is there
    closed = tmp_path / "r.atlash" if there else tmp_path  # as root may write everywhere
    monkeypatch.setattr(os, "access", lambda folder, mode: Path(folder) != closed)
    with pytest.raises(OutputError, match=r"cannot be written: no permission to write in '.*'"):
        check_target(tmp_path / "r.atlash", overwrite=True)


def test_saving_below_a_file(reference, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="is no folder"):
        reference.save(tmp_path / "file" / "r.atlash")
    assert (tmp_path / "file").read_text() == "mine"


def test_saving_where_no_folder_is(reference, tmp_path):
    with pytest.raises(OutputError, match=r"'.*missing' is no folder; make it first"):
        reference.save(tmp_path / "missing" / "r.atlash")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_no_reference_is_never_replaced(reference, tmp_path, kind, overwrite):
    target = tmp_path / "precious"
    if kind == "file":
        target.write_text("mine")
    else:
        target.mkdir()
        (target / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="exists and is not a reference"):
        reference.save(target, overwrite=overwrite)
    file = target if kind == "file" else target / "thesis.txt"
    assert file.read_text() == "mine"


def test_a_reference_is_replaced_on_request_alone(reference, tmp_path):
    target, own = tmp_path / "r.atlash", replace(reference)
    own.save(target)
    with pytest.raises(OutputError, match=r"exists\. Choose another path, or .*`overwrite=True`"):
        own.save(target)
    own.save(target, overwrite=True)
    assert Reference.load(target).fingerprint == reference.fingerprint


@pytest.fixture(scope="module")
def saved(atlas_counts, reference, tiny, tmp_path_factory):
    """A reference and another of the same sizes."""
    place = tmp_path_factory.mktemp("saved")
    replace(reference).save(place / "one.atlash")
    other = Reference.build(atlas_counts, "cell_type", "batch", config=tiny, random_state=1)
    other.save(place / "other.atlash")
    return place


PARTS = ["manifest.json", "encoder", "genes", "anchors", "cells"]


def file_of(reference, part):
    """Return the largest file of a part."""
    files = [f for f in reference.rglob("*") if f.is_file()]
    found = [f for f in files if f.relative_to(reference).as_posix().startswith(part)]
    return max(found, key=lambda f: f.stat().st_size)


@pytest.mark.parametrize("damage", ["flipped", "missing", "swapped", "truncated"])
@pytest.mark.parametrize("part", PARTS)
def test_damage_is_found_and_the_file_named(saved, tmp_path, part, damage):
    place = Path(shutil.copytree(saved / "one.atlash", tmp_path / "r.atlash"))
    file = file_of(place, part)
    if damage == "missing":
        file.unlink()
    elif damage == "swapped":
        shutil.copyfile(file_of(saved / "other.atlash", part), file)
    else:
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 16
        file.write_bytes(data[: len(data) // 2] if damage == "truncated" else data)
    with pytest.raises(ReferenceFileError) as caught:
        Reference.load(place)
    # a manifest of another reference names files that are not here
    by_name = file.name if part != "manifest.json" or damage != "swapped" else "encoder"
    assert by_name in str(caught.value)


def test_parts_of_two_references_are_told_apart_by_fingerprint(saved, tmp_path):
    """With ``verify=False`` no sum is compared, but weights and genes must belong together."""
    place = Path(shutil.copytree(saved / "one.atlash", tmp_path / "r.atlash"))
    other = file_of(saved / "other.atlash", "encoder")
    shutil.copyfile(other, file_of(place, "encoder"))
    with pytest.raises(ReferenceFileError, match="of different references"):
        Reference.load(place, verify=False)


@pytest.mark.parametrize("kind", ["nothing", "file", "empty folder"])
def test_what_is_no_reference(tmp_path, kind):
    path = tmp_path / "r.atlash"
    if kind == "file":
        path.touch()
    elif kind == "empty folder":
        path.mkdir()
    with pytest.raises(ReferenceFileError, match=r"r\.atlash"):
        Reference.load(path)
