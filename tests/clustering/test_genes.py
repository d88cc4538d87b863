"""The first pass: moments in whole numbers, and the genes chosen by them."""

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from atlash.clustering._rows import add_moments
from atlash.clustering.genes import LINEAR_STEPS, LOG_STEPS, MOST_STEPS, UPPER
from atlash.data.variable import variable_genes
from atlash.errors import EmptyInputError, InvalidValuesError


@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 8), st.integers(1, 3))
def test_moments_against_slow_loops(seed, n, n_genes, n_groups):
    rng = np.random.default_rng(seed)
    X = sp.random_array((n, n_genes), density=0.4, format="csr", rng=rng, dtype=np.float32)
    X.data = np.log1p(1000 * X.data)
    group = rng.integers(0, n_groups, n).astype(np.int32)
    found = np.zeros((5, n_groups, n_genes), dtype=np.int64)
    add_moments(
        X.indptr.astype(np.int64), X.indices, X.data, group, LOG_STEPS, LINEAR_STEPS, found
    )
    expected = np.zeros_like(found)
    for row, gene, value in zip(*X.tocoo().coords, X.data, strict=True):
        log = round(float(LOG_STEPS * value))
        linear = round(LINEAR_STEPS * float(np.expm1(np.float64(value))))
        expected[:, group[row], gene] += [1, log, log**2, linear, linear**2]
    np.testing.assert_array_equal(found, expected)


def test_moments_of_the_chosen_genes(surveyed, dense):
    """As numpy finds them in values rounded to steps."""
    steps = np.rint(LOG_STEPS * dense) / LOG_STEPS
    np.testing.assert_allclose(surveyed.genes.mean, steps.mean(axis=0), rtol=1e-3)
    np.testing.assert_allclose(surveyed.genes.inverse_scale, 1 / steps.std(axis=0), rtol=1e-4)
    most = np.floor(LOG_STEPS * (steps.mean(axis=0) + UPPER * steps.std(axis=0)))
    most = np.minimum(most, MOST_STEPS)
    assert np.abs(surveyed.genes.most - most).max() <= 1  # a floor at a whole number
    assert (surveyed.genes.most == most).mean() > 0.9


def test_library_sizes_are_those_of_all_genes(surveyed, atlas_counts):
    np.testing.assert_array_equal(surveyed.library, atlas_counts.X.toarray().sum(axis=1))


def test_the_most_variable_genes_are_chosen(surveyed, atlas_counts):
    counts = atlas_counts.X.toarray().astype(np.float64)
    depth = counts.sum(axis=1, keepdims=True)
    normalised = sp.csr_array(np.median(depth) * counts / depth)
    often = np.flatnonzero((counts > 0).sum(axis=0) >= 3)
    order = variable_genes(normalised[:, often], np.zeros(360, dtype=int), n_top=120)
    shared = np.intersect1d(surveyed.genes.recipe.features, often[order[:120]])
    assert len(shared) >= 115  # linear values are counted in steps of 1/16
    assert (np.diff(surveyed.genes.recipe.features) > 0).all()
    assert np.isin(np.arange(36), shared).mean() > 0.8  # the markers; by chance 0.4


def test_genes_of_fewer_than_three_cells_are_left_out(look, atlas):
    X = atlas.X.toarray()
    X[:, :3] = 0
    X[:1, 0] = X[:2, 1] = X[:3, 2] = 500
    atlas.X = sp.csr_matrix(X)
    features = look(atlas).genes.recipe.features
    assert not np.isin([0, 1], features).any()
    assert 2 in features


def test_batches_choose_their_genes_and_small_ones_have_no_say(look, atlas):
    """A gene that only tells batches apart varies within none of them."""
    X = np.maximum(atlas.X.toarray(), 1)
    batch = (atlas.obs["batch"] == "b2").to_numpy().astype(np.int32)
    X[:, 100] = np.where(batch, 15, 1)
    atlas.X = sp.csr_matrix(X)
    assert 100 in look(atlas, n_genes=120).genes.recipe.features
    within = look(atlas, batch, n_genes=120).genes.recipe.features
    assert 100 not in within
    one = batch.copy()
    one[:19] = 2
    rest = look(atlas[19:].copy(), batch[19:], n_genes=120).genes.recipe.features
    np.testing.assert_array_equal(look(atlas, one, n_genes=120).genes.recipe.features, rest)


def test_where_all_batches_are_small_cells_choose_together(look, atlas_counts):
    alone = look(atlas_counts, np.arange(360, dtype=np.int32), n_genes=50)
    together = look(atlas_counts, n_genes=50)
    np.testing.assert_array_equal(alone.genes.recipe.features, together.genes.recipe.features)


@pytest.mark.parametrize("change", [{"chunk_size": 17}, {"n_threads": 2}], ids=str)
def test_neither_chunks_nor_threads_nor_order_matter(look, surveyed, atlas_counts, change):
    order = np.random.default_rng(0).permutation(360)
    found = look(atlas_counts[order].copy(), n_genes=120, **change)
    np.testing.assert_array_equal(found.library, surveyed.library[order])
    for name in ("mean", "inverse_scale", "most"):
        np.testing.assert_array_equal(getattr(found.genes, name), getattr(surveyed.genes, name))
    mine, theirs = found.genes.recipe, surveyed.genes.recipe
    np.testing.assert_array_equal(mine.features, theirs.features)
    np.testing.assert_array_equal(mine.fraction, theirs.fraction)


def test_constant_genes_have_no_scale(look):
    cells = ad.AnnData(np.tile(np.array([[3, 5, 2]], dtype=np.float32), (60, 1)))
    found = look(cells)
    assert not found.genes.inverse_scale.any()
    np.testing.assert_array_equal(found.genes.most, np.floor(LOG_STEPS * found.genes.mean))


def test_no_counts_at_all(look):
    with pytest.raises(EmptyInputError, match=r"None of the 60 cells .* has counts"):
        look(ad.AnnData(np.zeros((60, 4), dtype=np.float32)))


def test_no_gene_in_three_cells(look):
    with pytest.raises(EmptyInputError, match=r"No gene .* is found in 3 of its 60 cells"):
        look(ad.AnnData(np.eye(60, dtype=np.float32) * 7))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_none(look, atlas, value):
    X = atlas.X.toarray()
    X[5, 7] = value
    atlas.X = sp.csr_matrix(X)
    with pytest.raises(InvalidValuesError, match=r"'GENE8'.*row 5"):
        look(atlas)
