"""``atlash annotate``: the answers of Python, in a labelled copy, or an error and no file."""

import shutil
import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from atlash.config import AnnotateConfig
from atlash.keys import AnnotationKeys
from atlash.tl import annotate

KEYS = AnnotationKeys()


@pytest.fixture
def place(files, tmp_path):
    """A folder of one's own with a link to nothing in it but the query."""
    (tmp_path / "query.h5ad").write_bytes((files / "query.h5ad").read_bytes())
    return tmp_path


@pytest.fixture
def label(atlash, files, place):
    """Annotate the query of one's own folder into ``out.h5ad``."""

    def run(*arguments, output="out.h5ad", query="query.h5ad", **how):
        return atlash(
            "annotate", place / query, "-r", files / "small.atlash", "-o", place / output,
            *arguments, **how,
        )  # fmt: skip

    return run


def leaves_nothing(place):
    assert sorted(path.name for path in place.iterdir()) == ["query.h5ad"]


def alike(found, expected):
    pd.testing.assert_frame_equal(found.obs, expected.obs)
    for key in (KEYS.codes, KEYS.sets):
        np.testing.assert_array_equal(found.obsm[key], expected.obsm[key])
    assert (found.X != expected.X).nnz == 0


def test_it_gives_the_answers_of_python(label, place, fresh_counts, reference):
    before = (place / "query.h5ad").read_bytes()
    outcome = label("--json", "--quiet")
    assert (outcome.code, outcome.err) == (0, "")
    found = ad.read_h5ad(place / "out.h5ad")
    expected = annotate(fresh_counts, reference, config=AnnotateConfig(progress=False), copy=True)
    alike(found, expected)
    counts = expected.obs[KEYS.label].value_counts().to_dict()
    assert {row["label"]: row["cells"] for row in outcome.json["labels"]} == counts
    assert outcome.json["output"] == str(place / "out.h5ad")
    assert (place / "query.h5ad").read_bytes() == before


def test_options_reach_the_annotation(label, place, fresh_counts, reference):
    outcome = label(
        "--force", "--vote", "batch", "--key-added", "mine", "--min-confidence", "0.9",
        "--threads", "1", "--scale", "counts", "-q",
    )  # fmt: skip
    assert outcome.code == 0
    config = AnnotateConfig(vote="batch", min_confidence=0.9, scale="counts", progress=False)
    expected = annotate(
        fresh_counts, reference, force=True, key_added="mine", config=config, copy=True
    )
    found = ad.read_h5ad(place / "out.h5ad")
    pd.testing.assert_frame_equal(found.obs, expected.obs)
    assert "atlash_label" not in found.obs
    for text in ("Median confidence", "Unassigned:", "300 of the reference's 300", "out.h5ad"):
        assert text in outcome.out


def test_the_query_can_give_means_and_the_least_number_of_genes(
    label, place, fresh_counts, reference
):
    least = int(np.median(fresh_counts.X.getnnz(axis=1)))
    assert label("--match-query", "--min-genes", least, "-q").code == 0
    config = AnnotateConfig(match_query=True, min_genes=least, progress=False)
    expected = annotate(fresh_counts, reference, config=config, copy=True)
    alike(ad.read_h5ad(place / "out.h5ad"), expected)
    plain = annotate(fresh_counts, reference, config=AnnotateConfig(progress=False), copy=True)
    assert not expected.obs[KEYS.margin].equals(plain.obs[KEYS.margin])
    assert (expected.obs[KEYS.reason] == "too few genes").any()


@pytest.mark.parametrize("method", ["asymmetric", "hamming"])
def test_both_ways_to_compare_with_anchors(label, place, fresh_counts, reference, method):
    assert label("--method", method, "-q").code == 0
    expected, other = (
        annotate(
            fresh_counts, reference, config=AnnotateConfig(method=name, progress=False), copy=True
        )
        for name in (method, {"asymmetric": "hamming", "hamming": "asymmetric"}[method])
    )
    found = ad.read_h5ad(place / "out.h5ad")
    alike(found, expected)
    assert found.uns[KEYS.provenance]["settings"]["method"] == method
    assert not found.obs[KEYS.margin].equals(other.obs[KEYS.margin])


def test_a_zarr_store(label, place, fresh_counts, reference):
    with warnings.catch_warnings():  # of anndata and zarr, about defaults to come
        warnings.simplefilter("ignore")
        fresh_counts.write_zarr(place / "query.zarr")
    outcome = label("--quiet", query="query.zarr", output="out.zarr")
    assert outcome.code == 0, outcome.err
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = ad.read_zarr(place / "out.zarr")
    expected = annotate(fresh_counts, reference, config=AnnotateConfig(progress=False), copy=True)
    np.testing.assert_array_equal(found.obsm[KEYS.codes], expected.obsm[KEYS.codes])
    assert list(found.obs[KEYS.label]) == list(expected.obs[KEYS.label])


def test_warnings_are_notes_on_standard_error(label, place):
    cells = ad.read_h5ad(place / "query.h5ad")
    names = list(cells.var_names)
    names[1] = names[0]
    cells.var_names = names
    cells.write_h5ad(place / "query.h5ad")
    outcome = label("--json", "--quiet")
    assert outcome.code == 0
    assert outcome.json["cells"] == 360
    assert outcome.told.startswith("Note: query.h5ad, X: 1 columns repeat a gene")
    assert "Warning" not in outcome.err


def test_an_existing_output_is_replaced(label, place):
    (place / "out.h5ad").write_text("old")
    assert label("--quiet").code == 0
    assert KEYS.label in ad.read_h5ad(place / "out.h5ad").obs


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("query.h5ad", "is the input. Results go to a copy"),
        ("out.csv", "must end in '.h5ad'"),
        ("missing/out.h5ad", "there is no folder"),
        ("query.h5ad/out.h5ad", "there is no folder"),
    ],
)
def test_an_output_that_cannot_be(label, place, output, told):
    before = (place / "query.h5ad").read_bytes()
    outcome = label(output=output)
    assert (outcome.code, outcome.out) == (1, "")
    assert told in outcome.told
    assert "Traceback" not in outcome.err
    assert (place / "query.h5ad").read_bytes() == before
    leaves_nothing(place)


def test_a_reference_takes_no_files_of_others(atlash, files, place):
    reference = shutil.copytree(files / "small.atlash", place / "r.atlash")
    before = sorted(reference.rglob("*"))
    outcome = atlash(
        "annotate", place / "query.h5ad", "-r", reference, "-o", reference / "out.h5ad", "-q"
    )
    assert (outcome.code, outcome.out) == (1, "")
    assert "lies within a saved reference" in outcome.told
    assert sorted(reference.rglob("*")) == before


def test_the_input_under_another_name_is_the_input(label, place):
    (place / "same.h5ad").symlink_to(place / "query.h5ad")
    outcome = label(output="same.h5ad")
    assert outcome.code == 1
    assert "is the input" in outcome.told
    assert "atlash_label" not in ad.read_h5ad(place / "query.h5ad").obs


def test_bad_cells_leave_no_file(label, place):
    cells = ad.read_h5ad(place / "query.h5ad")
    X = cells.X.toarray()
    X[300, 7] = np.nan
    cells.X = sp.csr_matrix(X)
    cells.write_h5ad(place / "query.h5ad")
    outcome = label("--json")
    assert (outcome.code, outcome.out) == (1, "")
    assert "the value of gene 'GENE8'" in outcome.told
    assert "(row 300) is NaN" in outcome.told
    leaves_nothing(place)


def test_a_truncated_query(label, place):
    data = (place / "query.h5ad").read_bytes()
    (place / "query.h5ad").write_bytes(data[: len(data) // 2])
    outcome = label()
    assert outcome.code == 1
    assert "truncated or damaged HDF5 file" in outcome.told
    leaves_nothing(place)


def test_a_cluster_column_that_is_missing(label, place):
    outcome = label("--vote", "bach")
    assert outcome.code == 1
    assert "Did you mean 'batch'?" in outcome.told
    leaves_nothing(place)


def test_a_full_disk_leaves_no_file(label, place):
    size = (place / "query.h5ad").stat().st_size
    outcome = label(limit=size // 3)
    assert (outcome.code, outcome.out) == (1, "")
    assert "cannot be written" in outcome.told
    assert "nothing was left behind" in outcome.told
    leaves_nothing(place)


def test_parents_of_an_earlier_annotation_go(label, place):
    cells = ad.read_h5ad(place / "query.h5ad")
    cells.obs[KEYS.parent], cells.obs[KEYS.parent_confidence] = "lymphocyte", 0.5
    cells.obs["blood_parent"] = "kept"
    cells.write_h5ad(place / "query.h5ad")
    assert label("--quiet").code == 0
    found = ad.read_h5ad(place / "out.h5ad")
    assert not {KEYS.parent, KEYS.parent_confidence} & set(found.obs)
    assert {KEYS.label, "blood_parent", "cell_type"} <= set(found.obs)
