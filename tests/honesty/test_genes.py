"""Genes are known by name: neither their order nor strangers among them change an answer."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from atlash.config import AnnotateConfig
from atlash.keys import AnnotationKeys
from atlash.reference import Reference
from atlash.tl import annotate

KEYS = AnnotationKeys()
ANSWERS = [KEYS.label, KEYS.confidence, KEYS.nearest, KEYS.runner_up, KEYS.margin, KEYS.novelty]
ENSEMBL = [f"ENSG{number:011d}" for number in range(1, 301)]


def annotated(cells, reference):
    return annotate(
        cells, reference, config=AnnotateConfig(progress=False, n_threads=1), copy=True
    )


@pytest.fixture(scope="module")
def plain(fresh_counts, reference):
    return annotated(fresh_counts, reference)


def alike(one, other):
    for key in ANSWERS:
        np.testing.assert_array_equal(one.obs[key].to_numpy(), other.obs[key].to_numpy(), key)
    np.testing.assert_array_equal(one.obsm[KEYS.codes], other.obsm[KEYS.codes])


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("form", ["csr", "csc", "dense"])
def test_the_order_of_genes_does_not_matter(fresh_counts, reference, plain, seed, form):
    shuffled = fresh_counts[:, np.random.default_rng(seed).permutation(300)].copy()
    if form != "csr":
        shuffled.X = sp.csc_matrix(shuffled.X) if form == "csc" else shuffled.X.toarray()
    alike(annotated(shuffled, reference), plain)


def test_genes_that_the_reference_lacks_do_not_matter(fresh_counts, reference, plain):
    """Not even when they hold most of a cell's counts."""
    rng = np.random.default_rng(0)
    unknown = rng.poisson(20, (360, 200))
    order = rng.permutation(500)
    names = np.array([*fresh_counts.var_names, *(f"NEW{k}" for k in range(200))])
    X = np.hstack([fresh_counts.X.toarray(), unknown])[:, order].astype(np.float32)
    more = ad.AnnData(sp.csr_matrix(X), var=pd.DataFrame(index=names[order]))
    alike(annotated(more, reference), plain)


def test_entries_of_a_row_may_stand_in_any_order(fresh_counts, reference, plain):
    X = sp.csr_matrix(fresh_counts.X)
    for row in range(X.shape[0]):
        part = slice(X.indptr[row], X.indptr[row + 1])
        X.indices[part] = X.indices[part][::-1].copy()
        X.data[part] = X.data[part][::-1].copy()
    X.has_sorted_indices = False
    alike(annotated(ad.AnnData(X, var=fresh_counts.var), reference), plain)


@pytest.fixture(scope="module")
def by_ensembl(atlas_counts, tiny):
    """A reference whose genes are Ensembl ids."""
    cells = atlas_counts.copy()
    cells.var_names = ENSEMBL
    return Reference.build(cells, "cell_type", "batch", config=tiny)


@pytest.mark.parametrize("where", ["names", "column"])
def test_versions_of_ensembl_ids_do_not_matter(fresh_counts, by_ensembl, where):
    cells = fresh_counts.copy()
    cells.var_names = ENSEMBL
    expected = annotated(cells, by_ensembl)
    versioned = [f"{name}.{number % 17 + 1}" for number, name in enumerate(ENSEMBL)]
    if where == "names":
        cells.var_names = versioned
    else:
        cells.var_names = fresh_counts.var_names
        cells.var["gene_ids"] = versioned
    alike(annotated(cells, by_ensembl), expected)


def test_case_is_not_folded(fresh_counts, reference):
    """CD3E and Cd3e are genes of two species."""
    from atlash.errors import GeneMismatchError

    cells = fresh_counts.copy()
    cells.var_names = [name.capitalize() for name in cells.var_names]
    with pytest.raises(GeneMismatchError):
        annotated(cells, reference)
