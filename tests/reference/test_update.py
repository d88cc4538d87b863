"""Changes of a reference that others change too: they come on top of the newest version."""

import resource
import shutil
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from atlash.config import AnnotateConfig, SearchConfig
from atlash.errors import ConflictError, InputError, KeyNotFoundError, OutputError
from atlash.reference import Reference
from atlash.reference.growth import Change, commit
from atlash.reference.update import MAX_TRIES, State, changed, removal
from atlash.tl import annotate
from atlash.tl.search import search

ADDER = Path(__file__).with_name("adder.py")
QUIET = SearchConfig(progress=False, n_threads=1)


@pytest.fixture(scope="module")
def saved(reference, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "small.atlash"
    replace(reference).save(path)
    return path


@pytest.fixture
def path(saved, tmp_path):
    """A saved reference of one's own, with 360 cells."""
    return Path(shutil.copytree(saved, tmp_path / "small.atlash"))


@pytest.fixture
def add(fresh_counts):
    """Add some of the new cells, named after their rows."""

    def run(to, rows, **how):
        cells = fresh_counts[list(rows)].copy()
        cells.obs_names = [f"new{row}" for row in rows]
        to.add(cells, "cell_type", n_threads=1, progress=False, **how)

    return run


def ids(own):
    return own.cells.to_table(["cell_id"])["cell_id"].to_pylist()


def listing(folder):
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_handle_that_is_behind_adds_to_the_newest(path, add):
    first, second = Reference.load(path), Reference.load(path)
    add(first, [0, 1])
    first.remove("cell_id = 'cell000'")
    add(second, [2])
    assert (first.version, second.version) == (3, 4)
    before = ids(Reference.load(path, version=1))
    left = [name for name in before if name != "cell000"]
    assert ids(second) == [*left, "new0", "new1", "new2"]
    assert ids(first) == ids(second)[:-1]
    assert second.meta["n_cells"] == 362
    assert [v.note.split(" from")[0] for v in second.versions()] == [
        "saved", "added 2 cells", "removed 1 cells where cell_id = 'cell000'", "added 1 cells",
    ]  # fmt: skip
    with pytest.raises(InputError, match="'new1'"):  # it was the other who added it
        add(second, [1])


def test_who_comes_between_makes_the_plan_anew(path, add):
    own, rival = Reference.load(path), Reference.load(path)
    planned = []

    def plan(cells, meta):
        if not planned:
            add(rival, [5])
        planned.append(cells.n_rows)
        return removal(cells, meta, "label = 'T cell'")

    before = State(own.cells, own.meta, own.version)
    after = changed(before, plan, fingerprint=own.fingerprint)
    assert planned == [360, 361]
    assert after.version == 3
    labels = Counter(after.cells.to_table(["label"])["label"].to_pylist())
    assert after.meta["labels"] == labels
    assert after.meta["n_cells"] == labels.total()
    assert "T cell" not in labels


def test_many_who_come_between_are_too_many(path):
    own = Reference.load(path)
    tried = []

    def plan(cells, meta):
        tried.append(meta["n_cells"])
        commit(path, Change(meta=meta | {"tried": len(tried)}), base=len(tried))
        return removal(cells, meta, "label = 'T cell'")

    with pytest.raises(ConflictError, match=f"changed by others {MAX_TRIES} times"):
        changed(State(own.cells, own.meta, 1), plan, fingerprint=own.fingerprint)
    assert len(tried) == MAX_TRIES
    assert Reference.load(path).meta["n_cells"] == 360


def test_an_error_of_the_plan_is_not_tried_again(path):
    own = Reference.load(path)
    before = listing(path)
    with pytest.raises(InputError, match="all 360"):
        changed(
            State(own.cells, own.meta, 1),
            partial(removal, where="true"),
            fingerprint=own.fingerprint,
        )
    assert listing(path) == before


def test_cells_do_not_come_to_another_encoder(path, add, other):
    own = Reference.load(path)
    own.index.planes  # noqa: B018 (all that it reads is open)
    replace(other).save(path, overwrite=True)
    before = listing(path)
    with pytest.raises(ConflictError, match=r"holds another encoder by now.*Load it again"):
        add(own, [0])
    with pytest.raises(ConflictError, match="another encoder"):
        own.remove("label = 'T cell'")
    assert listing(path) == before


def test_who_is_behind_learns_the_types_that_others_registered(path, add, fresh_counts, tmp_path):
    first, second = Reference.load(path), Reference.load(path)
    odd = fresh_counts[:20].copy()
    odd.X = odd.X[:, ::-1].copy()  # as no known cell is
    first.register_type("odd cell", odd)
    add(second, [0])
    assert second.types == first.types == [*Reference.load(path, version=1).types, "odd cell"]
    assert second.version == 3
    config = AnnotateConfig(progress=False)
    one, other = (annotate(odd, own, config=config, copy=True) for own in (first, second))
    assert (one.obs["atlash_label"] == "odd cell").any()
    assert one.obs.equals(other.obs)
    second.save(tmp_path / "again.atlash")
    assert Reference.load(tmp_path / "again.atlash").types == first.types


def test_older_versions_are_read_and_not_changed(path, add, fresh_counts):
    newest = Reference.load(path)
    held = {1: ids(newest)}
    add(newest, range(5))
    held[2] = ids(newest)
    newest.remove("label = 'B cell'")
    held[3] = ids(newest)
    files = listing(path)
    for number in (1, 2):
        old = Reference.load(path, version=number)
        assert (old.version, old.outdated, ids(old)) == (number, True, held[number])
        assert old.meta["n_cells"] == len(held[number])
        found = search(fresh_counts[:4], old, 3, where="label = 'B cell'", config=QUIET)
        assert set(found.to_pandas()["label"]) == {"B cell"}
        for change in (
            partial(add, old, [9]),
            partial(old.remove, "true"),
            partial(old.merge, [newest]),
        ):
            with pytest.raises(InputError, match=f"This is version {number} .*not the newest"):
                change()
    assert {k: v for k, v in listing(path).items() if "planes" not in k.parts} == files
    same = Reference.load(path, version=3)
    assert not same.outdated
    add(same, [9])
    assert same.version == 4
    for number in (0, 9, -1):
        with pytest.raises(KeyNotFoundError, match="it has versions 1 to 4"):
            Reference.load(path, version=number)


def test_an_older_version_saved_elsewhere_can_be_changed(path, add, tmp_path):
    add(Reference.load(path), [0])
    old = Reference.load(path, version=1)
    old.save(tmp_path / "again.atlash")
    assert (old.version, old.outdated) == (1, False)
    add(old, [1])
    assert ids(Reference.load(tmp_path / "again.atlash"))[-1] == "new1"
    assert ids(Reference.load(path))[-1] == "new0"


def test_in_memory_there_are_no_versions(reference, add):
    own = replace(reference)
    add(own, [0])
    assert (own.version, own.versions(), own.outdated) == (None, [], False)
    assert reference.cells.num_rows == reference.meta["n_cells"] == 360


@contextmanager
def files_up_to(size):
    """Let files grow to so many bytes only, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [0, 600, 3000])
def test_a_full_disk_leaves_all_as_it_was(path, add, fresh_counts, size):
    own = Reference.load(path)
    before, hits = listing(path), search(fresh_counts[:3], own, 5, config=QUIET)
    before |= listing(path)
    with files_up_to(size), pytest.raises(OutputError, match=r"unchanged.*free some space"):
        add(own, range(200))
    assert listing(path) == before
    assert (own.version, own.meta["n_cells"]) == (1, 360)
    again = search(fresh_counts[:3], own, 5, config=QUIET)
    np.testing.assert_array_equal(again.rows, hits.rows)
    add(own, range(200))
    assert Reference.load(path).meta["n_cells"] == 560


def test_two_processes_add_while_a_third_searches(path, fresh_counts, tmp_path):
    fresh_counts[:10].copy().write_h5ad(tmp_path / "cells.h5ad")
    command = [sys.executable, ADDER, path, tmp_path / "cells.h5ad"]
    writers = [
        subprocess.Popen(
            [*command, name, "8"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in ("a", "b")
    ]
    held = Reference.load(path)
    query = fresh_counts[:10].copy()
    first = search(query, held, 5, config=QUIET)
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.close()
    seen = Counter()
    while any(writer.poll() is None for writer in writers):
        newest = Reference.load(path)
        found = search(query, newest, 1, config=replace(QUIET, ranking="code"))
        names = {row["cell_id"] for row in found.to_arrow().to_pylist()}
        assert names <= set(ids(newest))
        assert newest.meta["n_cells"] == 359 + newest.version == len(ids(newest))
        np.testing.assert_array_equal(search(query, held, 5, config=QUIET).rows, first.rows)
        seen[newest.version] += 1
    for writer in writers:
        assert writer.wait() == 0
        writer.stdout.close()
    assert len(seen) > 1
    done = Reference.load(path)
    assert (done.version, len(done.versions())) == (17, 17)
    added = ids(done)[360:]
    for name in ("a", "b"):  # each in its own order
        assert [i for i in added if i[0] == name] == [f"{name}{k}" for k in range(8)]
    assert done.meta["n_cells"] == 376


@pytest.mark.parametrize("name", ["unassigned", " unassigned "])
def test_no_type_is_called_what_stands_for_none(reference, fresh_counts, name):
    with pytest.raises(InputError, match=r"is what atlash calls cells of no type"):
        replace(reference).register_type(name, fresh_counts[:30])
