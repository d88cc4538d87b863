"""What annotating writes, and what it does not depend on."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from atlash.codes.hamming import hamming
from atlash.codes.pack import pack
from atlash.config import AnnotateConfig
from atlash.keys import REASONS, AnnotationKeys
from atlash.tl import annotate

KEYS = AnnotationKeys()
QUIET = AnnotateConfig(progress=False, n_threads=1)
CATEGORIES = [KEYS.label, KEYS.nearest, KEYS.runner_up, KEYS.status, KEYS.reason]
NUMBERS = [KEYS.confidence, KEYS.margin, KEYS.novelty]


@pytest.fixture
def query(fresh_counts):
    """Other cells than those learned from, to do with as a test likes."""
    return fresh_counts.copy()


def test_new_cells_get_their_types(annotated):
    right = annotated.obs[KEYS.nearest].astype(str) == annotated.obs["cell_type"].astype(str)
    assert right.mean() > 0.95
    assert (annotated.obs[KEYS.status] == "assigned").mean() > 0.85


def test_every_key_has_its_type(annotated, reference):
    obs = annotated.obs
    assert [str(obs[key].dtype) for key in CATEGORIES] == ["category"] * len(CATEGORIES)
    assert [str(obs[key].dtype) for key in NUMBERS] == ["float32"] * len(NUMBERS)
    codes, sets = annotated.obsm[KEYS.codes], annotated.obsm[KEYS.sets]
    n_bits = reference.annotator.n_bits + reference.annotator.n_detail_bits
    assert (codes.dtype, codes.shape) == (np.uint8, (360, n_bits // 8))
    assert (sets.dtype, sets.shape) == (np.bool_, (360, 3))
    assert list(annotated.uns[KEYS.provenance]["types"]) == reference.types
    written = set(obs) | set(annotated.obsm) | set(annotated.uns)
    properties = [
        key for key, value in vars(AnnotationKeys).items() if isinstance(value, property)
    ]
    of_hierarchy = {KEYS.parent, KEYS.parent_confidence}  # written by tests/tl/test_parents.py
    known = {getattr(KEYS, key) for key in properties}
    assert known - of_hierarchy == written - {"cell_type", "batch"}


def test_every_value_is_in_its_range(annotated, reference):
    obs = annotated.obs
    assert obs[KEYS.confidence].between(0, 1).all()
    assert (obs[KEYS.margin] >= 0).all()
    assert (obs[KEYS.margin] <= reference.annotator.n_bits).all()
    assert (obs[KEYS.novelty] >= 0).all()
    assert np.isfinite(obs[NUMBERS]).all(axis=None)
    assert list(obs[KEYS.nearest].cat.categories) == reference.types
    assert list(obs[KEYS.reason].cat.categories) == list(REASONS)
    assert (obs[KEYS.nearest].astype(str) != obs[KEYS.runner_up].astype(str)).all()


def test_the_columns_tell_one_story(annotated):
    """An assigned cell has its nearest type and no reason, any other neither."""
    obs = annotated.obs.astype(dict.fromkeys(CATEGORIES, str))
    assigned = obs[KEYS.status] == "assigned"
    assert 0 < assigned.sum() < len(obs)
    assert (obs[KEYS.label] == obs[KEYS.nearest].where(assigned, "unassigned")).all()
    assert ((obs[KEYS.reason] == "") == assigned).all()
    assert (obs[KEYS.confidence] >= QUIET.min_confidence)[assigned].all()
    assert (obs[KEYS.novelty] <= -np.log10(QUIET.max_lost))[assigned].all()


def test_a_label_unused_is_no_category(query, reference, options):
    one = query[query.obs["cell_type"] == "T cell"].copy()
    annotate(one, reference, config=options(max_lost=1e-6, min_confidence=0))
    assert list(one.obs[KEYS.label].cat.categories) == ["T cell"]


@pytest.mark.parametrize("method", ["asymmetric", "hamming"])
def test_codes_do_not_depend_on_how_they_are_compared(
    query, reference, annotated, method, options
):
    annotate(query, reference, config=options(method=method))
    np.testing.assert_array_equal(query.obsm[KEYS.codes], annotated.obsm[KEYS.codes])


def test_hamming_names_the_type_whose_anchor_differs_in_fewest_bits(query, reference, options):
    annotate(query, reference, config=options(method="hamming"))
    of_type = query.obsm[KEYS.codes][:, : reference.annotator.n_bits // 8]
    distance = hamming(of_type, pack(reference.annotator.anchors > 0))
    order = np.sort(distance.astype(int), axis=1)
    types = np.array(reference.types)
    assert (types[distance.argmin(axis=1)] == query.obs[KEYS.nearest].astype(str)).all()
    np.testing.assert_array_equal(query.obs[KEYS.margin], order[:, 1] - order[:, 0])


def test_conformal_sets_hold_the_truth_as_often_as_they_say(annotated, reference):
    true = pd.Categorical(annotated.obs["cell_type"], categories=reference.types).codes
    held = annotated.obsm[KEYS.sets][np.arange(360), true]
    assert held.mean() > 0.85


def test_force_labels_all_and_leaves_the_rest(query, reference, annotated):
    annotate(query, reference, force=True, config=QUIET)
    assert (query.obs[KEYS.label].astype(str) == query.obs[KEYS.nearest].astype(str)).all()
    assert "unassigned" not in query.obs[KEYS.label].cat.categories
    rest = [KEYS.status, KEYS.reason, *NUMBERS]
    pd.testing.assert_frame_equal(query.obs[rest], annotated.obs[rest])
    assert query.uns[KEYS.provenance]["settings"]["force"]


def test_key_added_names_everything(query, reference):
    annotate(query, reference, key_added="blood", config=QUIET)
    annotate(query, reference, config=QUIET)
    new = (set(query.obs) | set(query.obsm) | set(query.uns)) - {"cell_type", "batch"}
    blood, atlash = ({key for key in new if key.startswith(p)} for p in ("blood", "atlash"))
    assert blood | atlash == new
    assert {key.replace("blood", "atlash") for key in blood} == atlash


def test_a_copy_is_annotated_and_the_original_is_not(query, reference, annotated, same):
    found = annotate(query, reference, config=QUIET, copy=True)
    same(found, annotated)
    assert list(query.obs) == ["cell_type", "batch"]
    assert not query.obsm
    assert not query.uns


def test_in_place_gives_nothing_back_and_replaces_what_was_there(
    query, reference, annotated, same
):
    query.obs[KEYS.label] = "old"
    query.obsm[KEYS.codes] = np.zeros((360, 1))
    query.uns["mine"] = 1
    assert annotate(query, reference, config=QUIET) is None
    same(query, annotated)
    assert query.uns["mine"] == 1


@pytest.mark.parametrize("slot", ["counts", "raw"])
def test_another_matrix_is_read_on_request(query, reference, annotated, slot, same):
    query.layers["counts"] = query.X.copy()
    query.raw = query
    query.X = sp.csr_matrix(query.shape, dtype=np.float32)
    annotate(query, reference, layer=slot, config=QUIET)
    same(query, annotated)
    assert query.uns[KEYS.provenance]["settings"]["layer"] == slot


def test_raw_may_have_other_genes(query, reference, annotated, same):
    query.raw = query
    few = query[:, :40].copy()
    annotate(few, reference, layer="raw", config=QUIET)
    same(few, annotated)


def test_a_column_can_name_the_genes(query, reference, annotated, same):
    query.var["given"] = query.var_names
    query.var_names = [str(number) for number in range(query.n_vars)]
    annotate(query, reference, gene_column="given", config=QUIET)
    same(query, annotated)


@pytest.mark.parametrize("form", ["csc", "dense", "int64", "float64", "uint16", "view", "array"])
def test_storage_does_not_matter(query, reference, annotated, form, same):
    if form == "view":
        found = query[:, :]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ad.ImplicitModificationWarning)
            annotate(found, reference, config=QUIET)
        same(found, annotated)
        return
    change = {
        "csc": sp.csc_matrix,
        "dense": lambda X: X.toarray(),
        "array": sp.csr_array,
    }.get(form, lambda X: X.astype(form))
    query.X = change(query.X)
    annotate(query, reference, config=QUIET)
    same(query, annotated)


@pytest.mark.parametrize("scale", ["normalized", "log1p", "log2p1", "log10p1"])
def test_scale_hardly_matters(query, reference, annotated, scale):
    total = np.asarray(query.X.sum(axis=1))
    linear = query.X.toarray() / total * 1e4
    logs = {"normalized": 1.0, "log1p": 1.0, "log2p1": np.log(2), "log10p1": np.log(10)}
    values = linear if scale == "normalized" else np.log1p(linear) / logs[scale]
    query.X = sp.csr_matrix(values.astype(np.float32))
    annotate(query, reference, config=QUIET)
    assert query.uns[KEYS.provenance]["input"]["scale"] == scale
    assert (query.obs[KEYS.nearest] == annotated.obs[KEYS.nearest]).all()
    np.testing.assert_allclose(query.obs[KEYS.margin], annotated.obs[KEYS.margin], atol=1e-2)


def test_cells_on_disk_are_annotated_where_they_are(
    fresh_counts, reference, annotated, tmp_path, same, *, options
):
    path = tmp_path / "query.h5ad"
    fresh_counts.write_h5ad(path)
    backed = ad.read_h5ad(path, backed="r")
    annotate(backed, reference, config=options(chunk_size=50))
    same(backed, annotated)
    backed.file.close()
    assert list(ad.read_h5ad(path).obs) == ["cell_type", "batch"]


@pytest.mark.parametrize("form", ["h5ad", "zarr"])
def test_what_was_written_survives_a_file(annotated, tmp_path, form, same):
    path = tmp_path / f"annotated.{form}"
    if form == "h5ad":
        annotated.write_h5ad(path)
        found = ad.read_h5ad(path)
    else:
        with warnings.catch_warnings():  # of anndata and zarr, about defaults to come
            warnings.simplefilter("ignore")
            annotated.write_zarr(path)
            found = ad.read_zarr(path)
    same(found, annotated)
    wrote, read = annotated.uns[KEYS.provenance], found.uns[KEYS.provenance]
    assert list(read.pop("types")) == list(wrote["types"])
    assert read == {key: value for key, value in wrote.items() if key != "types"}


def test_provenance_says_what_was_done(annotated, reference):
    told = annotated.uns[KEYS.provenance]
    assert told["reference_fingerprint"] == reference.fingerprint
    assert told["input"]["n_genes_shared"] == told["input"]["n_genes_reference"] == 300
    assert told["input"]["weight_shared"] == pytest.approx(1)
    assert told["settings"]["min_confidence"] == 0.5
    assert not told["transductive"]
