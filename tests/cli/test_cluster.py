"""``atlash cluster``: the clusters of Python, in a copy, or an error and no file."""

import shutil
import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from atlash import HashClusterer
from atlash.config import AttentionConfig, ClusterConfig, LearnConfig
from atlash.keys import ClusterKeys
from atlash.tl import cluster

KEYS = ClusterKeys()


@pytest.fixture
def place(files, tmp_path):
    """A folder of one's own with nothing in it but cells."""
    (tmp_path / "in.h5ad").write_bytes((files / "query.h5ad").read_bytes())
    return tmp_path


@pytest.fixture
def run(atlash, place):
    """Cluster the cells of one's own folder into ``out.h5ad``."""

    def call(*arguments, cells="in.h5ad", output="out.h5ad", **how):
        return atlash("cluster", place / cells, place / output, *arguments, **how)

    return call


@pytest.fixture(scope="module")
def expected(fresh_counts):
    return cluster(fresh_counts, config=ClusterConfig(progress=False), copy=True)


def alike(found, expected):
    pd.testing.assert_frame_equal(found.obs, expected.obs)
    np.testing.assert_array_equal(found.obsm[KEYS.embedding], expected.obsm[KEYS.embedding])
    for key, graph in expected.obsp.items():
        assert (found.obsp[key] != graph).nnz == 0
    assert found.uns[KEYS.neighbors.parameters] == expected.uns[KEYS.neighbors.parameters]
    assert (found.X != expected.X).nnz == 0


def test_it_gives_the_clusters_of_python(run, place, expected):
    before = (place / "in.h5ad").read_bytes()
    outcome = run("--json", "--quiet")
    assert (outcome.code, outcome.err) == (0, "")
    alike(ad.read_h5ad(place / "out.h5ad"), expected)
    assert (place / "in.h5ad").read_bytes() == before
    counts = expected.obs[KEYS.cluster].value_counts().to_dict()
    assert {row["cluster"]: row["cells"] for row in outcome.json["clusters"]} == counts
    assert outcome.json["n_clusters"] == len(counts)
    assert outcome.json["output"] == str(place / "out.h5ad")


def test_options_reach_the_clusters_and_the_clusterer_is_kept(run, place, fresh_counts):
    outcome = run(
        "--n-clusters", "4", "--key-added", "mine", "--seed", "3", "--threads", "1", "--scale",
        "counts", "--batch-key", "batch", "--no-even-depth", "--save", place / "kept", "-q",
    )  # fmt: skip
    assert outcome.code == 0
    config = ClusterConfig(scale="counts", even_depth=False, progress=False)
    expected = cluster(
        fresh_counts, n_clusters=4, random_state=3, batch_key="batch", key_added="mine",
        config=config, copy=True,
    )  # fmt: skip
    found = ad.read_h5ad(place / "out.h5ad")
    pd.testing.assert_frame_equal(found.obs, expected.obs)
    for text in ("Stability", "4 clusters of 360 cells", "before joining", "iLISI", "out.h5ad"):
        assert text in outcome.out
    kept = HashClusterer.load(place / "kept")
    assert (kept.wanted.n_clusters, kept.wanted.random_state) == (4, 3)
    assert kept.model_.n_clusters == 4


def test_how_clusters_are_found_can_be_told(run, place, fresh_counts):
    outcome = run(
        "--genes", "100", "--neighbors", "12", "--buckets", "90", "--no-rare-types",
        "--least-agreement", "0.8", "--least-distance", "0.2", "--attention", "kernel",
        "--learn", "sign", "--refine-steps", "3", "--json", "-q",
    )  # fmt: skip
    assert outcome.code == 0
    config = ClusterConfig(
        n_genes=100, n_neighbors=12, n_buckets=90, rare_types=False, least_agreement=0.8,
        least_distance=0.2, attention=AttentionConfig(form="kernel"), refine_steps=3,
        learn=LearnConfig(heads="sign"), progress=False,
    )  # fmt: skip
    expected = cluster(fresh_counts, config=config, copy=True)
    found = ad.read_h5ad(place / "out.h5ad")
    pd.testing.assert_frame_equal(found.obs, expected.obs)
    told, wanted = (cells.uns[KEYS.story]["settings"] for cells in (found, expected))
    assert {name: told[name] for name in ("n_buckets", "refine_steps", "rare_types")} == {
        "n_buckets": 90, "refine_steps": 3, "rare_types": False
    }  # fmt: skip
    assert told["learn"]["heads"] == wanted["learn"]["heads"] == "sign"


def test_a_zarr_store(run, place, expected, fresh_counts):
    with warnings.catch_warnings():  # of anndata and zarr, about defaults to come
        warnings.simplefilter("ignore")
        fresh_counts.write_zarr(place / "in.zarr")
    outcome = run("--json", "-q", cells="in.zarr", output="out.zarr")
    assert (outcome.code, outcome.err) == (0, "")
    alike(ad.read_zarr(place / "out.zarr"), expected)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--n-clusters", "500"], ["500 clusters are wanted of the 360 cells"]),
        (["--resolution", "0"], ["--resolution is 0.0", "above 0"]),
        (["--neighbors", "1"], ["--neighbors is 1", "at least 2"]),
        (["--buckets", "1"], ["--buckets is 1", "at least 2"]),
        (["--least-agreement", "2"], ["--least-agreement is 2.0", "at most 1"]),
        (["--refine-steps", "-1"], ["--refine-steps is -1", "at least 0"]),
        (["--batch-key", "bach"], ["no column 'bach'", "Did you mean 'batch'?"]),
    ],
    ids=["clusters", "resolution", "neighbors", "buckets", "agreement", "refinement", "batch"],
)
def test_bad_options_name_what_is_wrong(run, place, arguments, words):
    run(*arguments).fails(place, *words)


@pytest.mark.parametrize(
    ("output", "word"),
    [
        ("in.h5ad", "is the input"),
        ("nowhere/out.h5ad", "no folder"),
    ],
)
def test_outputs_that_cannot_be(run, place, output, word):
    before = (place / "in.h5ad").read_bytes()
    run(output=output).fails(place, word)
    assert (place / "in.h5ad").read_bytes() == before


def test_a_full_disk_leaves_nothing(run, place):
    run("-q", limit=(place / "in.h5ad").stat().st_size).fails(place, "cannot be written")


def test_a_folder_of_something_else_is_not_lost(run, place):
    (place / "thesis").mkdir()
    (place / "thesis" / "chapter.txt").write_text("years of work")
    outcome = run("--save", place / "thesis", "-q")
    assert outcome.code == 1
    assert "something else than a saved clusterer" in outcome.told
    assert (place / "thesis" / "chapter.txt").read_text() == "years of work"
    assert not (place / "out.h5ad").exists()


def test_a_place_to_save_that_cannot_be_is_told_first(run, place):
    run("--save", place / "nowhere" / "kept", "-q").fails(place, "no folder")


def test_a_clusterer_takes_no_place_of_a_file(run, place):
    (place / "notes.txt").write_text("mine")
    outcome = run("--save", place / "notes.txt", "-q")
    assert (outcome.code, outcome.out) == (1, "")
    assert "there is a file, and a clusterer is saved as a folder" in outcome.told
    assert (place / "notes.txt").read_text() == "mine"
    assert not (place / "out.h5ad").exists()


@pytest.mark.parametrize("save", ["out.h5ad", "in.h5ad", "out.h5ad/kept"])
def test_a_clusterer_and_a_copy_are_two(run, place, save):
    run("--save", place / save, "-q").fails(place, "are one or lie one in the other")


@pytest.mark.parametrize("saved", [False, True])
def test_a_reference_takes_no_files_of_others(run, place, files, saved):
    shutil.copytree(files / "small.atlash", place / "r.atlash")
    before = sorted((place / "r.atlash").rglob("*"))
    inside = place / "r.atlash" / "found.h5ad"
    outcome = run("--save", inside) if saved else run(output=inside)
    assert (outcome.code, outcome.out) == (1, "")
    assert "lies within a saved reference" in outcome.told
    assert sorted((place / "r.atlash").rglob("*")) == before


def test_an_input_that_is_none(run, place):
    run(cells="missing.h5ad").fails(place, "missing.h5ad")


def test_few_cells(run, place, fresh_counts):
    fresh_counts[:20].copy().write_h5ad(place / "in.h5ad")
    run().fails(place, "has 20 cells", "at least 50")
