"""Cells kept with their counts: drawn and dealt into halves by what they hold alone."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, kstest

from atlash.clustering._rows import halve, thin
from atlash.clustering.places import places_on
from atlash.clustering.sketch import draw_share, join, keep, keys_of
from atlash.data.normalize import Projected


def halved(counts, key, split=0):
    X = sp.csr_array(np.atleast_2d(np.asarray(counts, dtype=np.float32)))
    first = np.empty_like(X.data)
    halve(X.indptr.astype(np.int64), X.indices, X.data, key, split, first)
    return sp.csr_array((first, X.indices, X.indptr), X.shape).toarray(), X.toarray()


def keys(n, seed=0):
    return np.random.default_rng(seed).integers(0, 2**63, n).astype(np.uint64)


@given(st.lists(st.floats(0, 3000, width=32), min_size=1, max_size=12), st.integers(0, 9))
def test_halves_are_parts_of_the_whole(counts, split):
    first, whole = halved([counts], keys(1), split)
    assert (first >= 0).all()
    assert (first <= whole).all()
    rest = whole - np.floor(whole)
    thrown = np.round(first - np.floor(first), 3)
    assert ((thrown == 0) | np.isclose(thrown, rest, atol=2e-3)).all()


@pytest.mark.parametrize("count", [1, 7, 63, 64, 65, 130])
def test_halves_are_binomial(count):
    n = 4000
    first, _ = halved(np.full((n, 1), count), keys(n))
    drawn = binom(count, 0.5)
    assert abs(first.mean() - drawn.mean()) < 4 * drawn.std() / np.sqrt(n)
    assert abs(first.var() / drawn.var() - 1) < 4 * np.sqrt(2 / n)
    smooth = first[:, 0] + np.random.default_rng(0).random(n) - 0.5
    expected = np.random.default_rng(1)
    like = expected.binomial(count, 0.5, 20_000) + expected.random(20_000) - 0.5
    assert kstest(smooth, like).pvalue > 1e-3


def thinned(counts, key, sixteenths):
    X = sp.csr_array(np.atleast_2d(np.asarray(counts, dtype=np.float32)))
    kept = np.empty_like(X.data)
    thin(X.indptr.astype(np.int64), X.indices, X.data, key, sixteenths, kept)
    return sp.csr_array((kept, X.indices, X.indptr), X.shape).toarray(), X.toarray()


@pytest.mark.parametrize("sixteenths", [1, 4, 7, 15])
@pytest.mark.parametrize("count", [1, 40, 64, 130])
def test_what_thinning_keeps_is_binomial(count, sixteenths):
    n = 6000
    kept, _ = thinned(np.full((n, 1), count), keys(n), sixteenths)
    drawn = binom(count, sixteenths / 16)
    assert abs(kept.mean() - drawn.mean()) < 4 * drawn.std() / np.sqrt(n)
    assert abs(kept.var() / drawn.var() - 1) < 5 * np.sqrt((2 + 1 / drawn.var()) / n)
    smooth = kept[:, 0] + np.random.default_rng(0).random(n) - 0.5
    expected = np.random.default_rng(1)
    like = expected.binomial(count, sixteenths / 16, 20_000) + expected.random(20_000) - 0.5
    assert kstest(smooth, like).pvalue > 1e-3


@given(st.lists(st.floats(0, 300, width=32), min_size=1, max_size=12), st.integers(1, 15))
def test_what_thinning_keeps_is_part_of_the_whole(counts, sixteenths):
    kept, whole = thinned([counts], keys(1), sixteenths)
    assert (kept >= 0).all()
    assert (kept <= whole * (1 + 1e-6)).all()


def test_what_is_no_whole_molecule_is_kept_or_lost_as_one():
    kept, _ = thinned(np.full((4000, 1), 0.5), keys(4000), 4)
    assert set(np.unique(kept)) == {0.0, 0.5}
    assert abs((kept > 0).mean() - 1 / 4) < 4 * np.sqrt(1 / 4 * 3 / 4 / 4000)


def test_thinned_cells_lie_around_the_whole_in_any_company(dealt, surveyed):
    axes, sketch = dealt
    on_axes = places_on(axes.matrix, surveyed.genes)
    whole, found = on_axes.of(sketch.logged), sketch.thinned(on_axes, 8)
    assert np.corrcoef(whole[:, 0], found[:, 0])[0, 1] > 0.9
    alone = sketch[np.array([7, 3])].thinned(on_axes, 8)
    np.testing.assert_array_equal(alone, found[[7, 3]])


def test_halves_of_genes_cells_and_splits_are_thrown_each_by_itself():
    counts = np.full((3000, 2), 40)
    first, _ = halved(counts, keys(3000))
    again, _ = halved(counts, keys(3000), split=1)
    pairs = [(first[:, 0], first[:, 1]), (first[:, 0], again[:, 0]), (first[1:, 0], first[:-1, 0])]
    for a, b in pairs:
        assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(3000)


def test_the_same_cell_has_the_same_halves_in_any_company(dealt, surveyed):
    axes, sketch = dealt
    on_axes = places_on(axes.matrix, surveyed.genes)
    together = sketch.halves(on_axes, 2)
    rows = np.array([17, 3, 200])
    for found, expected in zip(sketch[rows].halves(on_axes, 2), together, strict=True):
        np.testing.assert_array_equal(found, expected[rows])


def test_halves_lie_around_the_whole(dealt, surveyed):
    axes, sketch = dealt
    on_axes = places_on(axes.matrix, surveyed.genes)
    whole = on_axes.of(sketch.logged)[:, 0]
    for half in sketch.halves(on_axes, 0):
        assert np.corrcoef(whole, half[:, 0])[0, 1] > 0.9


def test_a_key_is_what_a_cell_holds():
    rng = np.random.default_rng(0)
    X = sp.random_array((300, 20), density=0.3, format="csr", rng=rng, dtype=np.float32)
    found = keys_of(X)
    shuffled = X.copy()
    for row in range(300):  # entries of a cell in another order
        part = slice(*X.indptr[row : row + 2])
        order = rng.permutation(part.stop - part.start)
        shuffled.indices[part] = X.indices[part][order]
        shuffled.data[part] = X.data[part][order]
    np.testing.assert_array_equal(keys_of(shuffled), found)
    np.testing.assert_array_equal(keys_of(X[[4, 4, 9]]), found[[4, 4, 9]])
    n_kinds = len({X[[row]].toarray().tobytes() for row in range(300)})
    assert len(np.unique(found)) == n_kinds
    moved = sp.csr_array((X.data, (X.indices + 1) % 20, X.indptr), X.shape)
    filled = np.diff(X.indptr) > 0
    assert (keys_of(moved) != found)[filled].all()


def test_folds_and_shares_are_even():
    key = keys_of(sp.csr_array(np.random.default_rng(0).random((4000, 3), dtype=np.float32)))
    empty = np.zeros(4000)
    for share in (0.1, 0.5, 1.0):
        part = Projected(slice(0, 4000), None, empty + 1, None)
        drawn = draw_share(part, key, share)
        assert abs(drawn.mean() - share) < 4 * np.sqrt(share * (1 - share) / 4000) + 1e-12
    assert not draw_share(Projected(slice(0, 4000), None, empty, None), key, 1.0).any()


def test_folds_hold_all_cells_and_are_about_alike(dealt):
    _, sketch = dealt
    sizes = np.bincount(sketch.folds(2), minlength=2)
    assert sizes.sum() == 360
    assert abs(sizes[0] - 180) < 4 * np.sqrt(90)


@pytest.mark.parametrize("kind", ["counts", "normalised", "log1p"])
def test_counts_are_recovered(look, atlas_counts, kind):
    """From logarithms too: the least value of a cell stands for one molecule."""
    cells = atlas_counts.copy()
    counts = atlas_counts.X.toarray()
    linear = counts / counts.sum(axis=1, keepdims=True) * 1e4
    values = {"counts": counts, "normalised": linear, "log1p": np.log1p(linear)}[kind]
    cells.X = sp.csr_matrix(values.astype(np.float32))
    bound = look(cells).bound
    part = bound.rows(np.arange(0, 360, 7))
    found = keep(bound, part, key=keys_of(part.X), chosen=np.ones(52, dtype=bool))
    expected = counts[::7][:, bound.recipe.features]
    ones = (np.where(counts > 0, counts, np.inf).min(axis=1) == 1)[::7]
    assert ones.mean() > 0.9
    np.testing.assert_array_equal(found.counts.toarray()[ones], expected[ones])


def test_sketches_are_joined_by_key(dealt):
    _, sketch = dealt
    parts = [sketch[np.arange(200, 360)], sketch[np.arange(200)]]
    found = join(parts)
    assert (np.diff(found.key.astype(object)) >= 0).all()
    np.testing.assert_array_equal(found.rows, sketch.rows)
    np.testing.assert_array_equal(found.counts.toarray(), sketch.counts.toarray())
    np.testing.assert_array_equal(found.factor, sketch.factor)
