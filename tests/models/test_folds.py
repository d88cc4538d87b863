from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from atlash.models.folds import inner_folds
from atlash.models.prepare import LabelledCounts, UnlabelledCounts

SEED = 0


@pytest.fixture(scope="module")
def cells():
    """Three batches with labels, and beside them cells of these and of a fourth one.

    Each cell's first gene tells its batch.
    """
    rng = np.random.default_rng(0)
    groups, more = np.repeat([0, 1, 2], 40), np.repeat([0, 1, 2, 3], 10)
    counts, others = (
        np.column_stack([1 + of, rng.poisson(2.0, (len(of), 20))]).astype(np.float32)
        for of in (groups, more)
    )
    return LabelledCounts(
        sp.csr_array(counts),
        np.tile([0, 1], 60),
        groups,
        2,
        UnlabelledCounts(sp.csr_array(others), more),
    )


def test_a_fold_sees_no_unlabelled_cell_of_batches_that_it_holds_out(cells, tiny):
    folds = inner_folds(cells, replace(tiny.train, n_folds=3), SEED)
    assert len(folds) == 3
    for fold in folds:
        (held_out,) = np.unique(fold.held_out.groups)
        seen = fold.train.unlabelled
        assert set(seen.groups) == {0, 1, 2, 3} - {held_out}
        np.testing.assert_array_equal(seen.counts[:, [0]].toarray().ravel(), 1 + seen.groups)
        assert len(seen.groups) == 30


def test_without_batches_all_folds_see_all_unlabelled_cells(cells, tiny):
    more = replace(cells.unlabelled, groups=None)
    for fold in inner_folds(replace(cells, groups=None, unlabelled=more), tiny.train, SEED):
        assert fold.train.n_unlabelled == 40


def test_without_unlabelled_cells_there_are_none_in_the_folds(cells, tiny):
    for fold in inner_folds(replace(cells, unlabelled=None), tiny.train, SEED):
        assert fold.train.unlabelled is None
