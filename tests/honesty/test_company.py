"""A cell's answer depends on the cell and the reference, never on the cells beside it."""

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

from atlash.config import AnnotateConfig
from atlash.keys import AnnotationKeys
from atlash.tl import annotate

KEYS = AnnotationKeys()
ANSWERS = [
    KEYS.label, KEYS.confidence, KEYS.nearest, KEYS.runner_up, KEYS.margin, KEYS.novelty,
    KEYS.status, KEYS.reason,
]  # fmt: skip


@pytest.fixture(scope="module", params=["counts", "log1p", "normalised to the median"])
def cells(request, fresh_counts):
    """Sixty cells on different scales, whose scale each must show by itself."""
    some = fresh_counts[:60].copy()
    if request.param == "counts":
        return some
    total = np.asarray(some.X.sum(axis=1))
    linear = some.X.toarray() / total * (1e4 if request.param == "log1p" else np.median(total))
    some.X = sp.csr_matrix(np.log1p(linear).astype(np.float32))
    return some


@pytest.fixture(scope="module")
def together(cells, reference):
    """The cells annotated in one go."""
    return annotated(cells, reference)


def annotated(cells, reference, **options):
    config = AnnotateConfig(**({"progress": False, "n_threads": 1} | options))
    return annotate(cells, reference, config=config, copy=True)


def alike(one, other):
    """Raise unless two annotations are the same to the bit."""
    for key in ANSWERS:
        np.testing.assert_array_equal(one.obs[key].to_numpy(), other.obs[key].to_numpy(), key)
    for key in (KEYS.codes, KEYS.sets):
        np.testing.assert_array_equal(one.obsm[key], other.obsm[key], key)


def parts(cells, reference, size):
    """Annotate the cells ``size`` at a time, each part as a query of its own."""
    found = [annotated(cells[k : k + size].copy(), reference) for k in range(0, cells.n_obs, size)]
    return ad.concat(found, merge="same")


@pytest.mark.parametrize("size", [1, 7, 30])
def test_apart_and_together_are_one(cells, reference, together, size):
    alike(parts(cells, reference, size), together)


def test_order_does_not_matter(cells, reference, together):
    order = np.random.default_rng(0).permutation(cells.n_obs)
    shuffled = annotated(cells[order].copy(), reference)
    alike(shuffled, together[order])


def test_strange_company_does_not_matter(cells, reference, together):
    """Not even cells that look like nothing known, nor empty ones."""
    strange = cells.copy()
    strange.X = sp.csr_matrix(cells.X.toarray()[:, ::-1])
    empty = cells.copy()
    empty.X = sp.csr_matrix(cells.shape, dtype=np.float32)
    mixed = ad.concat([strange, cells, empty], index_unique="-")
    found = annotated(mixed, reference)[60:120]
    alike(found, together)


@pytest.mark.parametrize(
    "options",
    [{"chunk_size": 1}, {"chunk_size": 13}, {"n_threads": 2}, {"n_threads": 2, "chunk_size": 11}],
    ids=str,
)
def test_how_the_work_is_cut_up_does_not_matter(cells, reference, together, options):
    alike(annotated(cells, reference, **options), together)


@pytest.mark.parametrize("method", ["hamming", "asymmetric"])
def test_both_methods_keep_to_the_cell(cells, reference, method):
    whole = annotated(cells, reference, method=method)
    halves = [annotated(cells[k::2].copy(), reference, method=method) for k in (0, 1)]
    for k, half in enumerate(halves):
        alike(half, whole[k::2])


def test_the_query_that_teaches_is_called_transductive(cells, reference):
    """The one case where company counts, on request, is written down."""
    for options in ({"vote": "code"}, {"match_query": True}):
        assert annotated(cells, reference, **options).uns[KEYS.provenance]["transductive"]
