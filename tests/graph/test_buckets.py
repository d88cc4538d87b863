import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from atlash.errors import EmptyInputError, InvalidValuesError
from atlash.graph import buckets
from atlash.graph._buckets import add_steps
from atlash.graph.buckets import assign, learn_centres


def nearest_by_hand(Z, centres):
    return np.array([((z - centres) ** 2).sum(axis=1).argmin() for z in Z.astype(np.float64)])


def lattice(seed, n, d):
    """Draw whole numbers, so that distances are exact and often equal."""
    return np.random.default_rng(seed).integers(-3, 4, (n, d)).astype(np.float32)


@given(st.integers(0, 100), st.integers(1, 40), st.integers(1, 9), st.integers(1, 300))
def test_the_nearest_centre_is_found_and_ties_go_to_the_first(seed, n, d, n_centres):
    Z, centres = lattice(seed, n, d), lattice(seed + 1, n_centres, d)
    found = assign(Z, centres, n_threads=1)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, nearest_by_hand(Z, centres))


def test_of_real_numbers_the_nearest_centre_is_found():
    rng = np.random.default_rng(1)
    Z, centres = rng.standard_normal((500, 30)), rng.standard_normal((300, 30))
    np.testing.assert_array_equal(assign(Z, centres), nearest_by_hand(Z, centres))


def test_a_bucket_depends_on_the_cell_alone():
    """Centres that all lie at about the same distance: only equal rounding gives equal buckets."""
    rng = np.random.default_rng(2)
    centres = rng.standard_normal((200, 13)).astype(np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    Z = (1e-6 * rng.standard_normal((611, 13))).astype(np.float32)
    whole = assign(Z, centres, n_threads=1)
    assert len(np.unique(whole)) > 10
    np.testing.assert_array_equal(assign(Z, centres, n_threads=3), whole)
    for cut in (1, 2, 257, 300):
        parts = [assign(Z[:cut], centres), assign(Z[cut:], centres)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(assign(Z[::-1], centres)[::-1], whole)


def test_places_far_away_overflow_to_a_tie():
    assert assign([[3e38, 0.0]], [[-3e38, 0.0], [0.0, 1.0]]).tolist() == [0]


def test_centres_and_cells_must_lie_in_one_space():
    with pytest.raises(ValueError, match="Cells have 3 axes and centres 2"):
        assign(np.zeros((4, 3)), np.zeros((1, 2)))


@pytest.mark.parametrize("function", [lambda Z: learn_centres(Z, 2, random_state=0), assign])
def test_bad_places_are_refused(function):
    arguments = () if function is not assign else (np.zeros((1, 2)),)
    with pytest.raises(EmptyInputError):
        function(np.zeros((0, 2)), *arguments)
    with pytest.raises(InvalidValuesError):
        function([[0.0, np.nan]], *arguments)
    with pytest.raises(ValueError, match="cells x axes"):
        function(np.zeros(4), *arguments)


@pytest.mark.parametrize(("option", "value"), [("n_buckets", 0), ("max_cells", 0)])
def test_options_out_of_range_are_refused(option, value):
    options = {"n_buckets": 2, "random_state": 0, option: value}
    with pytest.raises(ValueError, match=f"`{option}` must be at least 1"):
        learn_centres(np.zeros((4, 2)), **options)


def test_groups_far_apart_get_buckets_of_their_own(groups):
    Z, kind = groups
    centres = learn_centres(Z, 60, random_state=0)
    assert centres.shape == (60, 5)
    assert centres.dtype == np.float32
    bucket = assign(Z, centres)
    assert all(len(set(kind[bucket == b])) == 1 for b in np.unique(bucket))


def test_centres_are_about_as_good_as_those_of_scikit_learn():
    rng = np.random.default_rng(3)
    Z = (rng.standard_normal((3000, 8)) * np.arange(1, 9)).astype(np.float32)
    centres = learn_centres(Z, 100, random_state=0)
    own = ((Z - centres[assign(Z, centres)]) ** 2).sum()
    theirs = KMeans(100, init="random", n_init=1, max_iter=10, random_state=0).fit(Z).inertia_
    assert own < 1.02 * theirs


def test_the_means_of_buckets_do_not_move_when_rounds_suffice(groups):
    Z, _ = groups
    centres = learn_centres(Z[:40], 3, random_state=1)
    bucket = assign(Z[:40], centres)
    means = [Z[:40][bucket == b].astype(float).mean(axis=0) for b in range(3)]
    np.testing.assert_allclose(centres, means, rtol=1e-6)


@given(st.integers(0, 50), st.integers(1, 60), st.integers(1, 20))
def test_no_more_centres_than_different_cells(seed, n, n_buckets):
    Z = lattice(seed, n, 2)
    centres = learn_centres(Z, n_buckets, random_state=seed)
    different = np.unique(Z, axis=0)
    assert 1 <= len(centres) <= min(n_buckets, len(different))
    if len(different) <= n_buckets:
        np.testing.assert_array_equal(centres, different)
    np.testing.assert_array_equal(centres, np.unique(centres, axis=0))


@given(st.integers(0, 50))
def test_neither_order_nor_threads_change_a_bit(seed):
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal((300, 4)).astype(np.float32)
    Z[50:100] = Z[:50]
    once = learn_centres(Z, 20, random_state=seed, n_threads=1)
    again = learn_centres(Z[rng.permutation(300)], 20, random_state=seed, n_threads=2)
    np.testing.assert_array_equal(once, again)


def test_the_seed_decides():
    Z = np.random.default_rng(4).standard_normal((300, 4))
    once, again, other = (learn_centres(Z, 20, random_state=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, other)


def test_no_more_cells_than_asked_are_learned_from():
    Z = np.random.default_rng(5).standard_normal((300, 4)).astype(np.float32)
    centres = learn_centres(Z, 80, random_state=0, max_cells=50)
    assert len(centres) == 50
    assert {tuple(row) for row in centres} <= {tuple(row) for row in Z}


def test_an_empty_bucket_moves_to_the_farthest_cell():
    points = np.array([[0], [1], [10], [100]], dtype=np.float32)
    start = np.array([[0.5], [5000]], dtype=np.float32)
    found = buckets._lloyd(points, np.ones(4, dtype=np.int64), start, n_threads=1)
    assert sorted(found.ravel().tolist()) == pytest.approx([11 / 3, 100])


def test_cells_that_are_alike_weigh_as_often_as_they_are_there():
    Z = np.array([[0.0]] * 9 + [[1.0]] + [[50.0]] * 2)
    centres = learn_centres(Z, 2, random_state=0)
    assert centres.ravel().tolist() == pytest.approx([0.1, 50.0])


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_scale_does_not_matter(scale):
    Z = np.array([[0.0], [1.0], [4.0], [5.0]]) * scale
    centres = learn_centres(Z, 2, random_state=0)
    if scale == 1e-30:  # squared distances are below what float32 holds: all buckets are alike
        assert len(centres) >= 1
    else:
        assert len(centres) == 2


def test_steps_are_added_with_their_weights():
    rng = np.random.default_rng(6)
    steps, weights = rng.integers(-9, 9, (50, 3)), rng.integers(1, 5, 50)
    bucket = rng.integers(0, 4, 50).astype(np.int32)
    sums = np.zeros((4, 3), dtype=np.int64)
    add_steps(steps, weights, bucket, sums)
    wanted = [(steps * weights[:, None])[bucket == b].sum(axis=0) for b in range(4)]
    np.testing.assert_array_equal(sums, wanted)
