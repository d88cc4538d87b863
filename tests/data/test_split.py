import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlash.data.split import group_folds


def check(folds, labels):
    """Hold what every split promises."""
    seen = np.concatenate([valid for _, valid in folds])
    assert len(seen) == len(set(seen))
    for train, valid in folds:
        assert sorted([*train, *valid]) == list(range(len(labels)))
        assert set(labels[train]) == set(labels)
    counts = dict(zip(*np.unique(labels, return_counts=True), strict=True))
    lone = {row for row, label in enumerate(labels) if counts[label] == 1}
    assert set(seen) == set(range(len(labels))) - lone


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.sampled_from("uvwxyz")), min_size=4, max_size=60
    ),
    st.integers(2, 6),
    st.integers(0, 3),
)
def test_promises(cells, n_folds, seed):
    labels, groups = (np.array(column) for column in zip(*cells, strict=True))
    for batches in (groups, None):
        folds = group_folds(labels, batches, n_folds=n_folds, random_state=seed)
        check(folds, labels)
        again = group_folds(labels, batches, n_folds=n_folds, random_state=seed)
        for (train, valid), (train2, valid2) in zip(folds, again, strict=True):
            np.testing.assert_array_equal(train, train2)
            np.testing.assert_array_equal(valid, valid2)


def test_groups_stay_whole():
    rng = np.random.default_rng(0)
    groups = rng.integers(8, size=800)
    labels = rng.choice(["a", "b", "c"], 800, p=[0.7, 0.25, 0.05])
    folds = group_folds(labels, groups, n_folds=4, random_state=0)
    assert len(folds) == 4
    for train, valid in folds:
        assert not set(groups[train]) & set(groups[valid])
        assert 100 <= len(valid) <= 300
        assert set(labels[valid]) == {"a", "b", "c"}


def test_two_batches_give_two_folds():
    labels, groups = np.array(list("abab") * 10), np.array(list("xxyy") * 10)
    folds = group_folds(labels, groups, n_folds=5, random_state=0)
    assert [sorted(set(groups[valid])) for _, valid in folds] in ([["x"], ["y"]], [["y"], ["x"]])


def test_a_type_of_one_batch_is_dealt_cell_by_cell():
    labels = np.array(["a", "b"] * 20 + ["rare"] * 6)
    groups = np.array(["x"] * 20 + ["y"] * 20 + ["y"] * 6)
    folds = group_folds(labels, groups, n_folds=2, random_state=0)
    check(folds, labels)
    for train, valid in folds:
        assert (labels[valid] == "rare").sum() == 3
        common = labels != "rare"
        assert len(set(groups[valid][common[valid]])) == 1
        assert not set(groups[train][common[train]]) & set(groups[valid][common[valid]])


def test_batches_that_are_types_are_ignored():
    labels = np.repeat(["a", "b", "c"], 20)
    folds = group_folds(labels, labels, n_folds=5, random_state=0)
    assert len(folds) == 5
    for _, valid in folds:
        assert dict(
            zip(*np.unique(labels[valid], return_counts=True), strict=True)
        ) == dict.fromkeys("abc", 4)


def test_the_seed_matters():
    labels = np.repeat(["a", "b"], 50)
    first, second = (group_folds(labels, None, n_folds=2, random_state=s)[0][1] for s in (0, 1))
    assert list(first) != list(second)


def test_one_fold_is_no_split():
    with pytest.raises(ValueError, match="At least 2 folds"):
        group_folds(np.array(["a"]), None, n_folds=1, random_state=0)
