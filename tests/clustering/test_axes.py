"""Axes: the exact principal axes of quantised expression, weighted by what halves agree on."""

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

from atlash.clustering.axes import MIN_AXES, NOISE, SIGNAL, learn_axes
from atlash.clustering.genes import LOG_STEPS


def test_the_axes_are_those_of_dense_numpy(surveyed, dealt, dense):
    axes, _ = dealt
    genes = surveyed.genes
    steps = np.minimum(np.rint(LOG_STEPS * dense), genes.most)
    covariance = np.cov(steps * genes.inverse_scale, rowvar=False, bias=True)
    vectors = np.linalg.eigh(covariance)[1][:, ::-1]
    weight = np.linalg.norm(axes.matrix, axis=0)
    n_axes = axes.matrix.shape[1]
    cosines = (axes.matrix / weight * vectors[:, :n_axes]).sum(axis=0)
    assert (np.abs(cosines) > 0.9999).all()
    greatest = np.abs(axes.matrix).argmax(axis=0)
    assert (axes.matrix[greatest, np.arange(n_axes)] > 0).all()


def test_weights_are_told_by_reliability(dealt):
    axes, _ = dealt
    weight = np.clip((axes.reliability - NOISE) / (SIGNAL - NOISE), 0, 1)
    weight[:MIN_AXES] = np.maximum(weight[:MIN_AXES], 0.5)
    np.testing.assert_allclose(np.linalg.norm(axes.matrix, axis=0), weight[weight > 0], rtol=1e-5)
    assert axes.reliability[0] > 0.9  # three types, and two batches
    assert np.median(axes.reliability) < 0.3
    assert axes.any_signal


def test_the_sketch_holds_all_cells_where_they_are_few(dealt, atlas_counts, surveyed):
    _, sketch = dealt
    assert sorted(sketch.rows) == list(range(360))
    expected = atlas_counts.X.toarray()[sketch.rows][:, surveyed.genes.recipe.features]
    np.testing.assert_array_equal(sketch.counts.toarray(), expected)


def test_noise_has_no_signal(look, quiet):
    """Cells of one kind and depth: their axes are their own noise, and other cells say so."""
    rng = np.random.default_rng(0)
    share = rng.gamma(0.6, 1, 300)
    X = rng.poisson(np.tile(1500 * share / share.sum(), (400, 1))).astype(np.float32)
    axes, _ = learn_axes(look(ad.AnnData(sp.csr_matrix(X))), quiet())
    assert np.abs(axes.reliability).max() < 0.25
    assert not axes.any_signal
    assert axes.matrix.shape[1] == MIN_AXES


@pytest.mark.parametrize("change", [{"chunk_size": 17}, {"n_threads": 2}], ids=str)
def test_neither_chunks_nor_threads_nor_order_matter(look, quiet, dealt, atlas_counts, change):
    order = np.random.default_rng(1).permutation(360)
    found = look(atlas_counts[order].copy(), n_genes=120)
    axes, sketch = learn_axes(found, quiet(**change))
    np.testing.assert_array_equal(axes.matrix, dealt[0].matrix)
    np.testing.assert_array_equal(axes.reliability, dealt[0].reliability)
    np.testing.assert_array_equal(order[sketch.rows], dealt[1].rows)


def test_more_cells_than_a_tile(look, quiet, monkeypatch, dealt, atlas_counts):
    """Tiles are added without rounding, so that their size is nothing."""
    monkeypatch.setattr("atlash.clustering.gram.TILE_CELLS", 50)
    axes, _ = learn_axes(look(atlas_counts, n_genes=120), quiet())
    np.testing.assert_array_equal(axes.matrix, dealt[0].matrix)


def test_few_cells_get_few_axes(look, quiet, atlas_counts):
    axes, _ = learn_axes(look(atlas_counts[:50].copy()), quiet())
    assert len(axes.reliability) == 16
    assert axes.any_signal


def test_identical_cells(look, quiet):
    cells = ad.AnnData(np.tile(np.array([[3, 5, 2]], dtype=np.float32), (60, 1)))
    axes, _ = learn_axes(look(cells), quiet())
    assert not axes.any_signal
    assert np.isfinite(axes.matrix).all()
