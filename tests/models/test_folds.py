from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from atlash.data.split import group_folds
from atlash.models.folds import inner_folds, seen_beside
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


def test_a_fold_sees_no_unlabelled_cell_of_batches_that_it_holds_out(cells):
    folds = group_folds(cells.labels, cells.groups, n_folds=3, random_state=SEED)
    assert len(folds) == 3
    for train, held_out in folds:
        (batch,) = np.unique(cells.groups[held_out])
        seen = seen_beside(cells, train)
        assert set(seen.groups) == {0, 1, 2, 3} - {batch}
        np.testing.assert_array_equal(seen.counts[:, [0]].toarray().ravel(), 1 + seen.groups)
        assert len(seen.groups) == 30


def test_a_batch_is_held_out_even_if_a_type_of_it_alone_is_not(cells):
    """What a batch has to itself is dealt cell by cell."""
    labels = cells.labels.copy()
    labels[:30] = 2
    own = replace(cells, labels=labels, n_types=3)
    for train, held_out in group_folds(labels, cells.groups, n_folds=3, random_state=SEED):
        whole = set(cells.groups[held_out[labels[held_out] < 2]])
        assert set(seen_beside(own, train).groups) == {0, 1, 2, 3} - whole


@pytest.mark.parametrize("n", [119, 120])
def test_cells_of_one_batch_are_dealt_one_by_one_and_hold_out_none(cells, n):
    one = replace(cells, groups=np.zeros(120, dtype=np.int64))[np.arange(n)]
    more = replace(cells.unlabelled, groups=np.zeros(40, dtype=np.int64))
    one = replace(one, unlabelled=more)
    for train, _ in group_folds(one.labels, one.groups, n_folds=2, random_state=SEED):
        assert len(seen_beside(one, train).groups) == 40


def test_without_batches_all_folds_see_all_unlabelled_cells(cells):
    more = replace(cells.unlabelled, groups=None)
    blind = replace(cells, groups=None, unlabelled=more)
    assert seen_beside(blind, np.arange(80)) is more


def test_folds_are_frozen_with_unlabelled_cells_and_do_not_keep_them(cells, tiny):
    alone = inner_folds(replace(cells, unlabelled=None), tiny.train, SEED)
    for fold, blind in zip(inner_folds(cells, tiny.train, SEED), alone, strict=True):
        assert fold.train.unlabelled is None
        np.testing.assert_array_equal(fold.rows, blind.rows)
        assert (fold.frozen.fraction != blind.frozen.fraction).any()
