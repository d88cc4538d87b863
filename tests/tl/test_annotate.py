"""What annotating writes, and what its options change."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from atlash.codes.hamming import hamming
from atlash.codes.pack import pack
from atlash.config import AnnotateConfig
from atlash.data.matching import DuplicateGenesWarning
from atlash.errors import GeneMismatchError, InputError, KeyNotFoundError
from atlash.keys import REASONS, AnnotationKeys
from atlash.tl import annotate
from atlash.tl.annotate import Request, annotate_cells

QUIET = AnnotateConfig(progress=False, n_threads=1)
KEYS = AnnotationKeys()
CATEGORIES = [KEYS.label, KEYS.nearest, KEYS.runner_up, KEYS.status, KEYS.reason]
NUMBERS = [KEYS.confidence, KEYS.margin, KEYS.novelty]


def options(**changes):
    return AnnotateConfig(**({"progress": False, "n_threads": 1} | changes))


@pytest.fixture
def query(fresh_counts):
    """Other cells than those learned from, to do with as a test likes."""
    return fresh_counts.copy()


@pytest.fixture(scope="module")
def annotated(fresh_counts, reference):
    """The other cells, annotated with the defaults; shared."""
    return annotate(fresh_counts, reference, config=QUIET, copy=True)


def same(one, other):
    """Raise unless two annotated AnnData hold the same answers, to the bit."""
    for key in (*CATEGORIES, *NUMBERS):
        np.testing.assert_array_equal(one.obs[key].to_numpy(), other.obs[key].to_numpy(), key)
    for key in (KEYS.codes, KEYS.sets):
        np.testing.assert_array_equal(one.obsm[key], other.obsm[key], key)


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


def test_a_label_unused_is_no_category(query, reference):
    one = query[query.obs["cell_type"] == "T cell"].copy()
    annotate(one, reference, config=options(max_lost=1e-6, min_confidence=0))
    assert list(one.obs[KEYS.label].cat.categories) == ["T cell"]


@pytest.mark.parametrize("method", ["asymmetric", "hamming"])
def test_codes_do_not_depend_on_how_they_are_compared(query, reference, annotated, method):
    annotate(query, reference, config=options(method=method))
    np.testing.assert_array_equal(query.obsm[KEYS.codes], annotated.obsm[KEYS.codes])


def test_hamming_names_the_type_whose_anchor_differs_in_fewest_bits(query, reference):
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


def test_a_copy_is_annotated_and_the_original_is_not(query, reference, annotated):
    found = annotate(query, reference, config=QUIET, copy=True)
    same(found, annotated)
    assert list(query.obs) == ["cell_type", "batch"]
    assert not query.obsm
    assert not query.uns


def test_in_place_gives_nothing_back_and_replaces_what_was_there(query, reference, annotated):
    query.obs[KEYS.label] = "old"
    query.obsm[KEYS.codes] = np.zeros((360, 1))
    query.uns["mine"] = 1
    assert annotate(query, reference, config=QUIET) is None
    same(query, annotated)
    assert query.uns["mine"] == 1


@pytest.mark.parametrize("slot", ["counts", "raw"])
def test_another_matrix_is_read_on_request(query, reference, annotated, slot):
    query.layers["counts"] = query.X.copy()
    query.raw = query
    query.X = sp.csr_matrix(query.shape, dtype=np.float32)
    annotate(query, reference, layer=slot, config=QUIET)
    same(query, annotated)
    assert query.uns[KEYS.provenance]["settings"]["layer"] == slot


def test_raw_may_have_other_genes(query, reference, annotated):
    query.raw = query
    few = query[:, :40].copy()
    annotate(few, reference, layer="raw", config=QUIET)
    same(few, annotated)


def test_a_column_can_name_the_genes(query, reference, annotated):
    query.var["given"] = query.var_names
    query.var_names = [str(number) for number in range(query.n_vars)]
    annotate(query, reference, gene_column="given", config=QUIET)
    same(query, annotated)


@pytest.mark.parametrize("form", ["csc", "dense", "int64", "float64", "uint16", "view", "array"])
def test_storage_does_not_matter(query, reference, annotated, form):
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


def test_cells_on_disk_are_annotated_where_they_are(fresh_counts, reference, annotated, tmp_path):
    path = tmp_path / "query.h5ad"
    fresh_counts.write_h5ad(path)
    backed = ad.read_h5ad(path, backed="r")
    annotate(backed, reference, config=options(chunk_size=50))
    same(backed, annotated)
    backed.file.close()
    assert list(ad.read_h5ad(path).obs) == ["cell_type", "batch"]


@pytest.mark.parametrize("form", ["h5ad", "zarr"])
def test_what_was_written_survives_a_file(annotated, tmp_path, form):
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


def test_a_query_needs_no_obs(query, reference, annotated):
    bare = ad.AnnData(query.X, var=query.var)
    annotate(bare, reference, config=QUIET)
    same(bare, annotated)


def test_one_cell_is_enough(query, reference, annotated):
    lone = query[7].copy()
    annotate(lone, reference, config=QUIET)
    same(lone, annotated[7])


def test_cells_without_counts_are_kept_and_unassigned(query, reference, annotated):
    X = query.X.toarray()
    X[[3, 100]] = 0
    query.X = sp.csr_matrix(X)
    annotate(query, reference, config=QUIET)
    empty = query.obs.iloc[[3, 100]]
    assert (empty[KEYS.label] == "unassigned").all()
    assert (empty[KEYS.reason] == "too few genes").all()
    assert (empty[KEYS.confidence] == 0).all()
    assert query.obsm[KEYS.sets][[3, 100]].all()
    others = np.setdiff1d(np.arange(360), [3, 100])
    same(query[others], annotated[others])


def test_a_query_of_nothing_but_empty_cells(query, reference):
    query.X = sp.csr_matrix(query.shape, dtype=np.float32)
    annotate(query, reference, config=QUIET)
    assert (query.obs[KEYS.reason] == "too few genes").all()


def test_cell_ids_may_repeat(query, reference, annotated):
    query.obs_names = ["same"] * 360
    annotate(query, reference, config=QUIET)
    same(query, annotated)
    assert list(query.obs_names) == ["same"] * 360


def test_columns_of_one_gene_are_summed_and_said_to_be(query, reference, annotated):
    X = query.X.toarray()
    split = np.floor(X[:, :10] / 2)
    X[:, :10] -= split
    names = [*query.var_names, *query.var_names[:10]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # anndata, too, says that names repeat
        doubled = ad.AnnData(sp.csr_matrix(np.hstack([X, split])), var=pd.DataFrame(index=names))
    with pytest.warns(
        DuplicateGenesWarning, match=r"10 columns repeat .* 'GENE1'; they are summed"
    ):
        annotate(doubled, reference, config=QUIET)
    same(doubled, annotated)


def test_genes_that_lack_hardly_change_labels(query, reference, annotated):
    few = query[:, np.random.default_rng(0).permutation(300)[:200]].copy()
    annotate(few, reference, config=options(min_shared=0.1))
    told = few.uns[KEYS.provenance]["input"]
    assert told["n_genes_shared"] == 200
    assert 0.1 < told["weight_shared"] < 1
    agree = few.obs[KEYS.nearest].astype(str) == annotated.obs[KEYS.nearest].astype(str)
    assert agree.mean() > 0.9


def test_min_shared_refuses_too_few_genes(query, reference):
    few = query[:, 100:].copy()
    with pytest.raises(GeneMismatchError, match="at least 99% is needed"):
        annotate(few, reference, config=options(min_shared=0.99))
    assert not few.obsm


def test_min_genes(query, reference):
    detected = np.asarray((query.X > 0).sum(axis=1)).ravel()
    least = int(np.median(detected))
    annotate(query, reference, config=options(min_genes=least))
    too_few = query.obs[KEYS.reason] == "too few genes"
    np.testing.assert_array_equal(too_few, detected < least)


def test_max_lost(query, reference, annotated):
    annotate(query, reference, config=options(max_lost=0.2))
    out = query.obs[KEYS.reason] == "out of reach"
    np.testing.assert_array_equal(out, annotated.obs[KEYS.novelty] > -np.log10(0.2))
    assert out.sum() > (annotated.obs[KEYS.reason] == "out of reach").sum()
    annotate(query, reference, config=options(max_lost=0))
    assert not (query.obs[KEYS.reason] == "out of reach").any()


def test_a_cluster_takes_its_most_probable_type(query, reference, annotated):
    rng = np.random.default_rng(0)
    query.obs["cluster"] = pd.Categorical(rng.choice(["a", "b", "c", None], 360))
    annotate(query, reference, force=True, config=options(vote="cluster"))
    own, voted = (
        a.obs[key].astype(str).to_numpy()
        for a, key in ((annotated, KEYS.nearest), (query, KEYS.label))
    )
    sure = annotated.obs[KEYS.confidence].to_numpy()
    votes = (annotated.obs[KEYS.status] == "assigned").to_numpy()
    for name in "abc":
        members = (query.obs["cluster"] == name).to_numpy()
        weight = {t: sure[members & votes & (own == t)].sum() for t in reference.types}
        assert set(voted[members]) == {max(weight, key=weight.get)}
    alone = query.obs["cluster"].isna().to_numpy()
    assert alone.any()
    np.testing.assert_array_equal(voted[alone], own[alone])
    assert query.uns[KEYS.provenance]["transductive"]
    for key in (KEYS.nearest, KEYS.runner_up, KEYS.confidence, KEYS.status):
        assert (query.obs[key] == annotated.obs[key]).all()  # the cell's own answer stays


def test_cells_of_one_code_vote_together(query, reference):
    annotate(query, reference, force=True, config=options(vote="code"))
    label = pd.Series(query.obs[KEYS.label].astype(str).to_numpy())
    of_type = query.obsm[KEYS.codes][:, : reference.annotator.n_bits // 8]
    code = [row.tobytes() for row in of_type]
    assert label.groupby(code).nunique().max() == 1
    assert len(set(code)) < 360


def test_a_cluster_column_that_is_missing_is_named_with_its_neighbour(query, reference):
    with pytest.raises(KeyNotFoundError, match=r"'bach'.*Did you mean 'batch'\?"):
        annotate(query, reference, config=options(vote="bach"))


def test_match_query_is_transductive_and_says_so(query, reference, annotated):
    X = query.X.toarray()
    X[:, ::3] = np.rint(X[:, ::3] * 3)  # a batch effect that matching undoes
    query.X = sp.csr_matrix(X)
    annotate(query, reference, config=options(match_query=True))
    right = query.obs[KEYS.nearest].astype(str) == query.obs["cell_type"].astype(str)
    assert right.mean() > 0.8
    assert query.uns[KEYS.provenance]["transductive"]
    assert (query.obs[KEYS.margin].to_numpy() != annotated.obs[KEYS.margin].to_numpy()).any()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("min_confidence", -0.1),
        ("min_confidence", 1.5),
        ("min_confidence", float("nan")),
        ("max_lost", -0.1),
        ("max_lost", 2),
        ("min_shared", -1),
        ("min_shared", 1.1),
        ("min_genes", -1),
        ("chunk_size", 0),
        ("method", "euclid"),
    ],
)
def test_an_option_out_of_range_is_refused_before_the_work(query, reference, name, value):
    with pytest.raises(InputError, match=name) as caught:
        annotate(query, reference, config=options(**{name: value}))
    assert str(value) in str(caught.value)
    assert not query.obsm


def test_the_summary_counts_what_was_written(fresh_counts, reference, annotated):
    summary = annotate_cells(fresh_counts, reference, Request(config=QUIET)).summary
    counts = annotated.obs[KEYS.label].value_counts()
    assert {row["label"]: row["cells"] for row in summary["labels"]} == counts.to_dict()
    sizes = [row["cells"] for row in summary["labels"]]
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) == summary["cells"] == 360
    assert sum(row["share"] for row in summary["labels"]) == pytest.approx(1)
    reasons = annotated.obs[KEYS.reason].value_counts()
    assert summary["unassigned"] == {reason: reasons[reason] for reason in REASONS[1:]}
    assert summary["genes"] == {"shared": 300, "reference": 300, "weight_shared": pytest.approx(1)}
    assert summary["scale"] == "counts"
