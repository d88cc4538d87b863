"""The codes as search reads them: a cache that may be lost, but never wrong."""

import os
import resource

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlash.codes.hamming import hamming
from atlash.codes.pack import as_words
from atlash.reference.cell_writing import searchable, write_cells
from atlash.reference.columns import cells_table
from atlash.reference.planes import FOLDER, load_planes, word_aligned


def draw(n=300, n_bytes=16, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, n_bytes), dtype=np.uint8)


def table(codes):
    names = [f"cell{place}" for place in range(len(codes))]
    return cells_table(names, codes, ["B"] * len(codes), obs=pd.DataFrame(index=names))


def saved(folder, codes, name="cells.0a1b2c3d.lance"):
    folder.mkdir(exist_ok=True)
    return write_cells(table(codes), folder / name)


def right(planes, codes, n_anchor_bytes=8):
    """Raise unless the planes hold the codes, word by word."""
    assert (planes.dtype, planes.flags.c_contiguous) == (np.uint64, True)
    np.testing.assert_array_equal(planes.T, as_words(word_aligned(codes, n_anchor_bytes)))


def mapped(planes):
    """Tell whether an array lies in a file."""
    while planes is not None and not isinstance(planes, np.memmap):
        planes = getattr(planes, "base", None)
    return planes is not None


@pytest.fixture
def codes():
    return draw()


@pytest.fixture
def cells(tmp_path, codes):
    return saved(tmp_path / "pbmc.atlash", codes)


@pytest.fixture
def cache(cells, codes):
    """The file of the cache, just made."""
    right(load_planes(cells, 8), codes)
    (file,) = (cells.folder.parent / FOLDER).iterdir()
    return file


def stamp(file):
    return file.stat().st_ino, file.stat().st_mtime_ns


def test_it_is_made_once_and_mapped_from_then_on(cells, codes, cache):
    before = stamp(cache)
    planes = load_planes(cells, 8)
    right(planes, codes)
    assert mapped(planes)
    assert not planes.flags.writeable
    assert stamp(cache) == before
    assert cache.stat().st_size == codes.nbytes
    assert list(cache.parent.iterdir()) == [cache]


def cut(content):
    return content[:-8]


def emptied(content):
    return b""


def lengthened(content):
    return content + bytes(8)


def flipped_first(content):
    return bytes([content[0] ^ 1]) + content[1:]


def flipped_last(content):
    return content[:-1] + bytes([content[-1] ^ 128])


def of_another_kind(content):
    return b"\x93NUMPY" + content[6:]


@pytest.mark.parametrize(
    "damage", [cut, emptied, lengthened, flipped_first, flipped_last, of_another_kind]
)
def test_a_damaged_one_is_made_again(cells, codes, cache, damage):
    cache.write_bytes(damage(cache.read_bytes()))
    right(load_planes(cells, 8), codes)
    assert list(cache.parent.iterdir()) == [cache]
    assert cache.stat().st_size == codes.nbytes
    assert mapped(load_planes(cells, 8))


def test_a_missing_one_is_made_again(cells, codes, cache):
    cache.unlink()
    right(load_planes(cells, 8), codes)
    assert cache.exists()
    cache.unlink()
    cache.parent.rmdir()
    right(load_planes(cells, 8), codes)
    assert cache.exists()


@pytest.mark.parametrize(
    "name",
    [
        "cells.0a1b2c3d.lance.v2.{sum}.words",
        "cells.ffffffff.lance.v1.{sum}.words",
        "cells.0a1b2c3d.lance.v1.00000000.words",
        "cells.0a1b2c3d.lance.v1.words",
        "{sum}.words",
        "notes.txt",
        ".0a1b.part",
    ],
)
def test_what_is_of_others_is_neither_read_nor_kept(cells, codes, cache, name):
    """Another version, other cells, another sum, another file, a write that was killed."""
    other = cache.with_name(name.format(sum=cache.name.split(".")[-2]))
    cache.rename(other)
    planes = load_planes(cells, 8)
    right(planes, codes)
    assert not mapped(planes)
    assert list(cache.parent.iterdir()) == [cache]


def test_another_shape_under_the_right_name_is_not_taken(tmp_path):
    """As if the same name had come to stand for cells of another width."""
    wide, narrow = draw(100, 16), draw(100, 8)
    old = saved(tmp_path / "old", wide)
    load_planes(old, 8)
    new = saved(tmp_path / "new", narrow)
    (old.folder.parent / FOLDER).rename(new.folder.parent / FOLDER)
    right(load_planes(new, 8), narrow)
    (file,) = (new.folder.parent / FOLDER).iterdir()
    assert file.stat().st_size == narrow.nbytes


def test_new_cells_get_a_cache_of_their_own_and_the_old_one_goes(cells, cache):
    other = draw(200, seed=1)
    new = saved(cells.folder.parent, other, "cells.4e5f6a7b.lance")
    right(load_planes(new, 8), other)
    (file,) = cache.parent.iterdir()
    assert file.name.startswith("cells.4e5f6a7b.lance.v")
    right(load_planes(cells, 8), draw())


def test_who_reads_is_not_disturbed_by_a_new_cache(cells, codes, cache):
    planes = load_planes(cells, 8)
    assert mapped(planes)
    cache.unlink()
    load_planes(cells, 8)
    right(planes, codes)


def test_a_file_in_the_place_of_the_folder_is_no_hindrance(cells, codes):
    (cells.folder.parent / FOLDER).write_text("mine")
    planes = load_planes(cells, 8)
    right(planes, codes)
    assert not mapped(planes)
    assert (cells.folder.parent / FOLDER).read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to_is_no_hindrance(cells, codes):
    cells.folder.parent.chmod(0o555)
    try:
        right(load_planes(cells, 8), codes)
    finally:
        cells.folder.parent.chmod(0o755)
    assert not (cells.folder.parent / FOLDER).exists()


def test_a_full_disk_is_no_hindrance_and_leaves_nothing(tmp_path):
    codes = draw(20_000)
    cells = saved(tmp_path / "pbmc.atlash", codes)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (codes.nbytes // 2, limits[1]))
    try:
        right(load_planes(cells, 8), codes)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    folder = cells.folder.parent / FOLDER
    assert list(folder.iterdir()) == []
    right(load_planes(cells, 8), codes)
    assert len(list(folder.iterdir())) == 1


def test_cells_in_memory_have_no_cache(codes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    right(load_planes(searchable(table(codes)), 8), codes)
    assert list(tmp_path.iterdir()) == []


def test_several_batches_are_put_side_by_side(tmp_path):
    codes = draw(140_001, 8)  # a batch has 65,536 cells
    cells = saved(tmp_path / "pbmc.atlash", codes)
    assert len(list(cells.batches(["code"]))) > 2
    right(load_planes(cells, 8), codes)
    right(load_planes(cells, 8), codes)


def test_no_cells_are_no_matter(tmp_path):
    cells = saved(tmp_path / "pbmc.atlash", draw(0))
    for _ in range(2):
        assert load_planes(cells, 8).shape == (2, 0)


@pytest.mark.parametrize(("n_anchor", "n_detail"), [(5, 8), (8, 8), (8, 0), (5, 0), (9, 3)])
def test_every_width_is_kept(tmp_path, n_anchor, n_detail):
    codes = draw(50, n_anchor + n_detail)
    cells = saved(tmp_path / "pbmc.atlash", codes)
    for _ in range(2):
        planes = load_planes(cells, n_anchor)
        right(planes, codes, n_anchor)
        assert len(planes) == -(-n_anchor // 8) + -(-n_detail // 8)


@given(st.integers(1, 20), st.integers(0, 12), st.integers(0, 100))
def test_padding_keeps_distances_and_parts_the_words(n_anchor, n_detail, seed):
    codes = draw(9, n_anchor + n_detail, seed)
    aligned = word_aligned(codes, n_anchor)
    np.testing.assert_array_equal(hamming(aligned, aligned), hamming(codes, codes))
    np.testing.assert_array_equal(aligned[:, :n_anchor], codes[:, :n_anchor])
    if n_detail:
        start = -(-n_anchor // 8) * 8
        np.testing.assert_array_equal(aligned[:, start:], codes[:, n_anchor:])
        assert not aligned[:, n_anchor:start].any()
    else:
        assert aligned is codes
