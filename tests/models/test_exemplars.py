import numpy as np
import pytest
import scipy.sparse as sp

from atlash.models.exemplars import (
    MAX_EXEMPLARS,
    MAX_OF_NEW,
    MIN_OF_TYPE,
    NO_BATCH,
    STEPS,
    describe,
    fit_exemplars,
)
from atlash.models.pc_space import UPPER, fit_pc_space

N_FEATURES = 50


def draw(n, seed=0):
    rng = np.random.default_rng(seed)
    dense = rng.uniform(0, 9.2, (n, N_FEATURES)) * (rng.random((n, N_FEATURES)) < 0.4)
    return sp.csr_array(dense.astype(np.float32))


def test_rare_types_are_kept_whole_and_frequent_ones_in_proportion():
    labels = np.repeat([0, 1, 2], [9000, 2970, 30])
    found = fit_exemplars(draw(12_000), labels, random_state=0)
    counts = np.bincount(found.labels)
    assert counts[2] == 30
    assert counts[0] == pytest.approx(9000 * MAX_EXEMPLARS / 12_000, abs=1)
    assert (counts[:2] >= MIN_OF_TYPE).all()


def test_expression_comes_back_but_for_rounding():
    X = draw(300)
    found = fit_exemplars(X, np.arange(300) % 3, random_state=0)
    np.testing.assert_array_equal(found.labels, np.arange(300) % 3)
    back = found.expression(N_FEATURES)
    np.testing.assert_allclose(back.toarray(), X.toarray(), atol=0.5 / STEPS + 1e-6)
    assert found.data.dtype == np.uint8
    assert found.indices.dtype == np.uint8  # 50 features


def test_the_greatest_log_count_fits():
    X = sp.csr_array(np.full((2, 300), np.log1p(1e4), dtype=np.float32))
    found = fit_exemplars(X, np.array([0, 1]), random_state=0)
    np.testing.assert_allclose(found.expression(300).toarray(), X.toarray(), atol=0.5 / STEPS)
    assert found.indices.dtype == np.uint16


def test_new_cells_join_the_others_and_many_are_drawn():
    first = fit_exemplars(draw(90), np.arange(90) % 3, random_state=0)
    new = draw(700, seed=1)
    joined = first.joined(new[np.arange(20)], 3, np.random.default_rng(0))
    together = joined.expression(N_FEATURES).toarray()
    np.testing.assert_array_equal(together[:90], first.expression(N_FEATURES).toarray())
    np.testing.assert_allclose(together[90:], new.toarray()[:20], atol=0.5 / STEPS + 1e-6)
    assert (joined.labels[90:] == 3).all()
    assert len(first.joined(new, 3, np.random.default_rng(0)).labels) == 90 + MAX_OF_NEW


def test_each_cell_keeps_its_batch_and_new_ones_have_none():
    X, labels = draw(4000), np.arange(4000) % 3
    batches = np.random.default_rng(1).integers(5, size=4000)
    rows = X.copy()
    rows.data[:] = np.repeat(batches / 5, np.diff(X.indptr))  # each cell tells its batch
    found = fit_exemplars(rows, labels, batches, random_state=0)
    assert found.batches.dtype == np.int32
    told = found.expression(N_FEATURES).max(axis=1).toarray() * 5
    np.testing.assert_array_equal(found.batches, np.rint(told))
    joined = found.joined(draw(20), 3, np.random.default_rng(0))
    np.testing.assert_array_equal(joined.batches[-20:], np.full(20, NO_BATCH))
    np.testing.assert_array_equal(joined.batches[:-20], found.batches)
    np.testing.assert_array_equal(
        fit_exemplars(X, labels, random_state=0).batches, np.full(len(found.labels), NO_BATCH)
    )


def test_features_that_are_not_measured_are_typical():
    X = draw(200)
    space = fit_pc_space(X, np.arange(200) % 2, random_state=0)
    measured = np.arange(N_FEATURES) < 40
    found = describe(X, measured, space)
    standard = np.minimum((X.toarray() - space.mean) * space.inverse_scale, UPPER)
    np.testing.assert_allclose(found.standard[:, :40], standard[:, :40], rtol=1e-5, atol=1e-5)
    assert (found.standard[:, 40:] == 0).all()
    white = np.where(measured, standard, 0) @ space.axes[:, : len(space.middle)] @ space.middle
    np.testing.assert_allclose(found.white, white, rtol=1e-3, atol=1e-3)
