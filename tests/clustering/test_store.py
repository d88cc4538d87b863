"""A fitted clusterer on disk: whole, the same, and never silently another."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from atlash import HashClusterer
from atlash.clustering.store import (
    FORMAT,
    GENES,
    MANIFEST,
    WEIGHTS,
    _checksum,
    config_of,
    settings,
)
from atlash.config import AttentionConfig, ClusterConfig, LearnConfig
from atlash.errors import FileFormatError, OutputError


@pytest.fixture(scope="module")
def saved(fitted, tmp_path_factory):
    """A saved clusterer; not to be changed."""
    path = tmp_path_factory.mktemp("saved") / "clusters"
    fitted.save(path)
    return path


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "copy")


def test_what_is_loaded_is_what_was_saved(saved, fitted, fresh_counts):
    loaded = HashClusterer.load(saved)
    loaded.config = fitted.config
    for name in ("centres", "sizes", "cluster"):
        found, expected = (getattr(c.model_, name) for c in (loaded, fitted))
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    assert loaded.wanted == fitted.wanted
    assert loaded.facts_ == json.loads(json.dumps(fitted.facts_))
    found, expected = loaded.predict(fresh_counts), fitted.predict(fresh_counts)
    for name in ("labels", "membership", "stability", "bucket", "embedding"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_saving_what_was_loaded_gives_the_same_bytes(saved, tmp_path):
    HashClusterer.load(saved).save(tmp_path / "again")
    for name in (MANIFEST, GENES, WEIGHTS):
        assert (tmp_path / "again" / name).read_bytes() == (saved / name).read_bytes()


def test_there_is_no_pickle_in_it(saved):
    assert sorted(path.name for path in saved.iterdir()) == sorted([MANIFEST, GENES, WEIGHTS])
    assert (saved / GENES).read_bytes()[:4] == b"PAR1"
    json.loads((saved / MANIFEST).read_text())


def test_an_older_one_is_replaced_and_nothing_else(fitted, copy, tmp_path):
    fitted.save(copy)
    HashClusterer.load(copy)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    with pytest.raises(OutputError, match="something else than a saved clusterer"):
        fitted.save(tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "years of work"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "thesis"]


def test_places_that_cannot_be_written(fitted, tmp_path):
    with pytest.raises(OutputError, match="no folder"):
        fitted.save(tmp_path / "nowhere" / "clusters")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="cannot be written"):
        fitted.save(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("name", [MANIFEST, GENES, WEIGHTS])
@pytest.mark.parametrize("where", [0.0, 0.3, 0.7, 0.999])
def test_a_changed_byte_names_its_file(copy, name, where):
    raw = bytearray((copy / name).read_bytes())
    at = int(where * len(raw))
    while name == MANIFEST and not chr(raw[at]).isdigit():  # a number that reads as another
        at = (at + 1) % len(raw)
    raw[at] ^= 1
    (copy / name).write_bytes(raw)
    with pytest.raises(FileFormatError, match=name):
        HashClusterer.load(copy)


@pytest.mark.parametrize("name", [MANIFEST, GENES, WEIGHTS])
def test_a_missing_or_short_file_is_named(copy, name):
    raw = (copy / name).read_bytes()
    (copy / name).write_bytes(raw[: len(raw) // 2])
    with pytest.raises(FileFormatError, match=name):
        HashClusterer.load(copy)
    (copy / name).unlink()
    with pytest.raises(FileFormatError, match=name):
        HashClusterer.load(copy)


def test_files_swapped(copy):
    weights = (copy / WEIGHTS).read_bytes()
    (copy / WEIGHTS).write_bytes((copy / GENES).read_bytes())
    (copy / GENES).write_bytes(weights)
    with pytest.raises(FileFormatError, match=f"{GENES}|{WEIGHTS}"):
        HashClusterer.load(copy)


def test_weights_of_another_clusterer(copy, atlas_counts, quiet, tmp_path):
    HashClusterer(2, config=quiet()).fit(atlas_counts[:200].copy()).save(tmp_path / "other")
    shutil.copy(tmp_path / "other" / WEIGHTS, copy / WEIGHTS)
    with pytest.raises(FileFormatError, match=WEIGHTS):
        HashClusterer.load(copy)


@pytest.mark.parametrize("text", ["[]", "3", '"text"', "{}", '{"format": 1}', "null", "\x00"])
def test_a_manifest_of_something_else(copy, text):
    (copy / MANIFEST).write_text(text)
    with pytest.raises(FileFormatError, match="holds no saved clusterer"):
        HashClusterer.load(copy)


def test_a_format_to_come(copy):
    facts = json.loads((copy / MANIFEST).read_text()) | {"format": 99}
    del facts["checksum"]
    (copy / MANIFEST).write_text(json.dumps(facts | {"checksum": _checksum(facts)}))
    with pytest.raises(
        FileFormatError, match=f"format 99; this atlash reads formats 1 to {FORMAT}"
    ):
        HashClusterer.load(copy)


def test_no_folder_and_a_file(tmp_path):
    (tmp_path / "file").write_text("text")
    for name in ("nowhere", "file"):
        with pytest.raises(FileFormatError, match="holds no saved clusterer"):
            HashClusterer.load(tmp_path / name)


def test_options_come_back(atlas_counts, quiet, tmp_path):
    attention = AttentionConfig(form="kernel", n_rounds=2)
    options = quiet(n_genes=100, least_agreement=0.7, n_runs=3, attention=attention)
    HashClusterer(4, random_state=5, config=options).fit(atlas_counts).save(tmp_path / "c")
    loaded = HashClusterer.load(tmp_path / "c")
    assert (loaded.wanted.n_clusters, loaded.wanted.random_state) == (4, 5)
    shown = dataclasses.replace(options, progress=True, n_threads=None)  # of the moment
    assert loaded.config == shown


def test_learned_options_come_back():
    options = ClusterConfig(learn=LearnConfig(n_steps=7, heads="sign"))
    assert config_of(json.loads(json.dumps(settings(options)))) == options


@pytest.mark.parametrize("beside", ["notes.txt", "model.safetensors", "data"])
def test_what_lies_beside_a_clusterer_is_not_lost(copy, fitted, beside):
    (copy / beside).mkdir() if beside == "data" else (copy / beside).write_text("mine")
    with pytest.raises(OutputError, match="holds something else"):
        fitted.save(copy)
    assert (copy / beside).exists()
    HashClusterer.load(copy)


def test_a_system_s_own_files_are_in_nobody_s_way(copy, fitted):
    (copy / ".DS_Store").write_text("")
    fitted.save(copy)
    assert sorted(path.name for path in copy.iterdir()) == sorted((GENES, MANIFEST, WEIGHTS))
