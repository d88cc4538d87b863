"""Annotating odd queries, and what options change."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from atlash.config import AnnotateConfig
from atlash.data.matching import DuplicateGenesWarning
from atlash.errors import GeneMismatchError, InputError, KeyNotFoundError
from atlash.keys import REASONS, AnnotationKeys
from atlash.tl import annotate
from atlash.tl.annotate import Request, annotate_cells

KEYS = AnnotationKeys()
QUIET = AnnotateConfig(progress=False, n_threads=1)
CATEGORIES = [KEYS.label, KEYS.nearest, KEYS.runner_up, KEYS.status, KEYS.reason]
NUMBERS = [KEYS.confidence, KEYS.margin, KEYS.novelty]


@pytest.fixture
def query(fresh_counts):
    """Other cells than those learned from, to do with as a test likes."""
    return fresh_counts.copy()


def test_a_query_needs_no_obs(query, reference, annotated, same):
    bare = ad.AnnData(query.X, var=query.var)
    annotate(bare, reference, config=QUIET)
    same(bare, annotated)


def test_one_cell_is_enough(query, reference, annotated, same):
    lone = query[7].copy()
    annotate(lone, reference, config=QUIET)
    same(lone, annotated[7])


def test_cells_without_counts_are_kept_and_unassigned(query, reference, annotated, same):
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


def test_cell_ids_may_repeat(query, reference, annotated, same):
    query.obs_names = ["same"] * 360
    annotate(query, reference, config=QUIET)
    same(query, annotated)
    assert list(query.obs_names) == ["same"] * 360


def test_columns_of_one_gene_are_summed_and_said_to_be(query, reference, annotated, same):
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


def test_genes_that_lack_hardly_change_labels(query, reference, annotated, options):
    few = query[:, np.random.default_rng(0).permutation(300)[:200]].copy()
    annotate(few, reference, config=options(min_shared=0.1))
    told = few.uns[KEYS.provenance]["input"]
    assert told["n_genes_shared"] == 200
    assert 0.1 < told["weight_shared"] < 1
    agree = few.obs[KEYS.nearest].astype(str) == annotated.obs[KEYS.nearest].astype(str)
    assert agree.mean() > 0.9


def test_min_shared_refuses_too_few_genes(query, reference, options):
    few = query[:, 100:].copy()
    with pytest.raises(GeneMismatchError, match="at least 99% is needed"):
        annotate(few, reference, config=options(min_shared=0.99))
    assert not few.obsm


def test_min_genes(query, reference, options):
    detected = np.asarray((query.X > 0).sum(axis=1)).ravel()
    least = int(np.median(detected))
    annotate(query, reference, config=options(min_genes=least))
    too_few = query.obs[KEYS.reason] == "too few genes"
    np.testing.assert_array_equal(too_few, detected < least)


def test_max_lost(query, reference, annotated, options):
    annotate(query, reference, config=options(max_lost=0.2))
    out = query.obs[KEYS.reason] == "out of reach"
    np.testing.assert_array_equal(out, annotated.obs[KEYS.novelty] > -np.log10(0.2))
    assert out.sum() > (annotated.obs[KEYS.reason] == "out of reach").sum()
    annotate(query, reference, config=options(max_lost=0))
    assert not (query.obs[KEYS.reason] == "out of reach").any()


def test_a_cluster_takes_its_most_probable_type(query, reference, annotated, options):
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


def test_cells_of_one_code_vote_together(query, reference, options):
    annotate(query, reference, force=True, config=options(vote="code"))
    label = pd.Series(query.obs[KEYS.label].astype(str).to_numpy())
    of_type = query.obsm[KEYS.codes][:, : reference.annotator.n_bits // 8]
    code = [row.tobytes() for row in of_type]
    assert label.groupby(code).nunique().max() == 1
    assert len(set(code)) < 360


def test_a_cluster_column_that_is_missing_is_named_with_its_neighbour(query, reference, options):
    with pytest.raises(KeyNotFoundError, match=r"'bach'.*Did you mean 'batch'\?"):
        annotate(query, reference, config=options(vote="bach"))


def test_match_query_is_transductive_and_says_so(query, reference, annotated, options):
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
def test_an_option_out_of_range_is_refused_before_the_work(query, reference, name, value, options):
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
