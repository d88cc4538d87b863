"""``atlash register``: what Python teaches a saved reference, or an error and no change."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from atlash.reference import Reference


@pytest.fixture
def path(files, tmp_path):
    """A saved reference of one's own."""
    return Path(shutil.copytree(files / "small.atlash", tmp_path / "own.atlash"))


@pytest.fixture(scope="module")
def odd(fresh_counts, tmp_path_factory):
    """A file of cells that are as no known one is."""
    cells = fresh_counts[:20].copy()
    cells.X = cells.X[:, ::-1].copy()
    cells.layers["twice"] = 2 * cells.X
    place = tmp_path_factory.mktemp("odd") / "odd.h5ad"
    cells.write_h5ad(place)
    return place


def listing(folder):
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_register_is_that_of_python(atlash, odd, path, tmp_path):
    twin = Path(shutil.copytree(path, tmp_path / "twin.atlash"))
    found = atlash("register", path, odd, "--name", "[b]odd", "--layer", "twice", "--json")
    assert (found.code, found.err) == (0, "")
    loaded = Reference.load(twin)
    loaded.register_type("[b]odd", odd, layer="twice")
    assert Reference.load(path).meta == loaded.meta
    (measured,) = loaded.meta["registered"]
    assert found.json["registered"] == measured
    assert (found.json["number"], found.json["changed"]) == (2, True)
    assert found.json["n_cells"] == 360
    taught = atlash("annotate", odd, "-r", path, "-o", tmp_path / "o.h5ad", "--json", "-q").json
    assert "[b]odd" in {row["label"] for row in taught["labels"]}


def test_what_a_person_is_told(atlash, odd, path):
    found = atlash("register", path, odd, "--name", "[b]odd")
    assert (found.code, found.err) == (0, "")
    (measured,) = Reference.load(path).meta["registered"]
    told = " ".join(found.out.split())
    assert told.startswith("Version 2: registered '[b]odd' from 20 cells Cells: 360 ")
    assert f"{measured['found']:.1%} of the new type are found" in told
    assert f"{measured['given_up']:.1%} of the known types given up" in told
    assert f"Hardest to tell from '{measured['closest']}'" in told
    shown = atlash("info", path).out
    assert "Version      2 (registered '[b]odd' from 20 cells, " in shown
    assert ["[b]odd", "0", "20", "(registered)"] in [line.split() for line in shown.splitlines()]


@pytest.fixture(scope="module")
def with_parents(atlas_counts, tiny, tmp_path_factory):
    """A saved reference with parents; not to be changed."""
    parents = {"B cell": "lymphocyte", "T cell": "lymphocyte", "NK cell": "innate"}
    built = Reference.build(
        atlas_counts, "cell_type", "batch", config=replace(tiny, hierarchy=parents)
    )
    path = tmp_path_factory.mktemp("family") / "family.atlash"
    built.save(path)
    return path


@pytest.fixture
def family(with_parents, tmp_path):
    """Such a reference of one's own."""
    return Path(shutil.copytree(with_parents, tmp_path / "family.atlash"))


@pytest.mark.parametrize(("option", "parent"), [(["--parent", "innate"], "innate"), ([], "odd")])
def test_a_new_type_has_the_parent_that_is_given(atlash, odd, family, option, parent):
    found = atlash("register", family, odd, "--name", "odd", *option)
    assert (found.code, found.err) == (0, "")
    assert Reference.load(family).info()["parents"]["odd"] == parent


def test_parents_that_are_none(atlash, odd, path, family):
    found = atlash("register", family, odd, "--name", "odd", "--parent", "inate")
    assert found.code == 1
    assert "no parent 'inate'; there are 'lymphocyte', 'innate'. Did you mean" in found.told
    found = atlash("register", path, odd, "--name", "odd", "--parent", "innate")
    assert found.code == 1
    assert "this reference has no hierarchy. Leave --parent out" in found.told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["odd.h5ad", "--name", "T cell"], "has a type 'T cell' already"),
        (["odd.h5ad", "--name", " "], "needs a name"),
        (["odd.h5ad", "--name", "x", "--layer", "once"], "Try --layer 'twice'."),
        (["none.h5ad", "--name", "x"], "no file"),
    ],
)
def test_what_cannot_be_registered(atlash, odd, path, arguments, told):
    before = listing(path)
    cells, *options = arguments
    found = atlash("register", path, odd.with_name(cells), *options)
    assert (found.code, found.out) == (1, "")
    assert found.told.startswith("Error: ")
    assert told in found.told
    assert listing(path) == before


def test_too_few_cells(atlash, fresh_counts, path, tmp_path):
    before = listing(path)
    fresh_counts[:4].copy().write_h5ad(tmp_path / "few.h5ad")
    found = atlash("register", path, tmp_path / "few.h5ad", "--name", "x")
    assert (found.code, found.out) == (1, "")
    assert "4 cells, and at least 5 are needed" in found.told
    assert listing(path) == before


def test_a_type_like_a_known_one_is_noted(atlash, fresh_counts, path, tmp_path):
    alike = fresh_counts[fresh_counts.obs["cell_type"] == "T cell"][:20].copy()
    alike.write_h5ad(tmp_path / "alike.h5ad")
    found = atlash("register", path, tmp_path / "alike.h5ad", "--name", "x")
    assert found.code == 0
    assert found.told.startswith("Note: 'x' can hardly be told from 'T cell'")


def test_a_full_disk_leaves_the_reference(atlash, odd, path):
    before = listing(path)
    found = atlash("register", path, odd, "--name", "x", limit=1024)
    assert (found.code, found.out) == (1, "")
    assert "unchanged" in found.told
    assert listing(path) == before


@pytest.mark.parametrize("arguments", [["r"], ["r", "c"], ["r", "--name", "x"]])
def test_a_wrong_command_line_is_2(atlash, arguments):
    found = atlash("register", *arguments)
    assert found.code == 2
    assert "Usage" in found.err
