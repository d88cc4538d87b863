"""``atlash assign``: the clusters of Python, in a copy, or an error and no file."""

import shutil

import anndata as ad
import pandas as pd
import pytest

from atlash import HashClusterer
from atlash.config import ClusterConfig
from atlash.keys import ClusterKeys
from atlash.tl import assign

KEYS = ClusterKeys()


@pytest.fixture(scope="module")
def kept(atlas_counts, tmp_path_factory):
    """A folder with a clusterer of two batches, and one without; not to be changed."""
    folder = tmp_path_factory.mktemp("kept")
    for name, batch_key in (("plain", None), ("batches", "batch")):
        clusterer = HashClusterer(config=ClusterConfig(progress=False))
        clusterer.fit(atlas_counts, batch_key=batch_key).save(folder / name)
    return folder


@pytest.fixture
def place(files, tmp_path):
    (tmp_path / "in.h5ad").write_bytes((files / "query.h5ad").read_bytes())
    return tmp_path


@pytest.fixture
def run(atlash, place, kept):
    def call(*arguments, output="out.h5ad", clusterer="plain", **how):
        return atlash(
            "assign", place / "in.h5ad", place / output, "--clusterer", kept / clusterer,
            *arguments, **how,
        )  # fmt: skip

    return call


def test_it_gives_the_clusters_of_python(run, place, kept, fresh_counts):
    before = (place / "in.h5ad").read_bytes()
    outcome = run("--json", "--quiet")
    assert (outcome.code, outcome.err) == (0, "")
    expected = assign(fresh_counts, kept / "plain", copy=True)
    found = ad.read_h5ad(place / "out.h5ad")
    pd.testing.assert_frame_equal(found.obs, expected.obs)
    assert (place / "in.h5ad").read_bytes() == before
    counts = expected.obs[KEYS.cluster].value_counts().to_dict()
    assert {row["cluster"]: row["cells"] for row in outcome.json["clusters"]} == counts
    assert outcome.json["cells"] == sum(counts.values())


def test_options_reach_the_clusters(run, place, kept, fresh_counts):
    outcome = run(
        "--batch-key", "batch", "--key-added", "mine", "--threads", "1", "--scale", "counts",
        "-q", clusterer="batches",
    )  # fmt: skip
    assert outcome.code == 0
    expected = assign(
        fresh_counts, kept / "batches", batch_key="batch", key_added="mine", copy=True
    )
    pd.testing.assert_frame_equal(ad.read_h5ad(place / "out.h5ad").obs, expected.obs)
    for text in ("Median membership", "clusters found before", "out.h5ad"):
        assert text in outcome.out


def test_cells_are_read_as_those_clustered_or_as_told(atlash, atlas_counts, fresh_counts, place):
    for cells, name in ((atlas_counts, "first.h5ad"), (fresh_counts, "in.h5ad")):
        kept = cells.copy()
        kept.layers["counts"], kept.X = kept.X, kept.X.multiply(0).tocsr()
        kept.var["symbol"] = kept.var_names
        kept.var_names = [f"column{n}" for n in range(kept.n_vars)]
        kept.write_h5ad(place / name)
    how = ("--layer", "counts", "--gene-column", "symbol", "-q")
    done = atlash(
        "cluster", place / "first.h5ad", place / "o.h5ad", *how, "--save", place / "kept"
    )
    assert done.code == 0, done.err
    given = "assign", place / "in.h5ad", place / "out.h5ad", "-c", place / "kept", "-q"
    for more in ((), how):
        assert atlash(*given, *more).code == 0
        found = ad.read_h5ad(place / "out.h5ad")
        assert set(found.obs[KEYS.cluster]) > {"0", "1", "2"}
        assert found.uns[KEYS.story]["assigned"]["layer"] == "counts"
    outcome = atlash(*given, "--layer", "X", "--json")
    assert outcome.json["unassigned"] == 360


def test_a_clusterer_keeps_nothing_in_it(run, kept):
    before = sorted((kept / "plain").iterdir())
    outcome = run("-q", output=kept / "plain" / "out.h5ad")
    assert outcome.code == 1
    assert "are one or lie one in the other" in outcome.told
    assert sorted((kept / "plain").iterdir()) == before


def test_batches_that_are_not_told_are_noted(run):
    outcome = run(clusterer="batches")
    assert outcome.code == 0
    assert "Note: The clusterer has brought 2 batches together" in outcome.told
    assert "Give --batch-key" in outcome.told


def test_what_cannot_be(run, place, files):
    run("--batch-key", "batch").fails(place, "knows no batches")
    run("--layer", "lost").fails(place, "no 'lost'", "Try --layer 'X'")
    run(clusterer="nowhere").fails(place, "holds no saved clusterer")
    run(output="in.h5ad").fails(place, "is the input")
    run("-q", limit=(place / "in.h5ad").stat().st_size).fails(place, "cannot be written")
    shutil.copytree(files / "small.atlash", place / "r.atlash")
    outcome = run(output="r.atlash/out.h5ad")
    assert outcome.code == 1
    assert "lies within a saved reference" in outcome.told


def test_a_clusterer_must_be_given(atlash, place):
    outcome = atlash("assign", place / "in.h5ad", place / "out.h5ad")
    assert outcome.code == 2
    assert "--clusterer" in outcome.err
