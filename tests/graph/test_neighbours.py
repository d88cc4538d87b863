import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlash.errors import EmptyInputError, InvalidValuesError
from atlash.graph.buckets import assign, learn_centres
from atlash.graph.neighbours import nearest


def by_hand(Z, k, candidates=None):
    """Return neighbours by (distance, row) among the candidates of each cell."""
    places = np.asarray(Z, dtype=np.float64)
    rows, squared = [], []
    for i, place in enumerate(places):
        among = np.arange(len(places)) if candidates is None else np.sort(candidates[i])
        among = among[among != i]
        far = ((places[among] - place) ** 2).sum(axis=1)
        order = np.lexsort((among, far))[:k]
        rows.append(among[order])
        squared.append(far[order])
    return np.array(rows), np.array(squared)


def lattice(seed, n, d):
    """Draw whole numbers, so that distances are exact and often equal."""
    return np.random.default_rng(seed).integers(-3, 4, (n, d)).astype(np.float32)


@given(st.integers(0, 100), st.integers(2, 300), st.integers(1, 9), st.integers(1, 20))
def test_all_with_all_finds_the_nearest_by_distance_and_row(seed, n, d, k):
    Z = lattice(seed, n, d)
    rows, squared = by_hand(Z, min(k, n - 1))
    found = nearest(Z, n_neighbors=k, n_threads=1)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_array_equal(found.squared_distances, squared)
    assert (found.rows.dtype, found.squared_distances.dtype) == (np.int32, np.float32)


def test_more_cells_than_a_block_are_compared_with_all():
    Z = lattice(0, 4500, 3)
    some = np.array([0, 1, 4095, 4096, 4499])
    far = ((Z[some, None] - Z) ** 2).sum(axis=2)
    far[np.arange(5), some] = np.inf
    wanted = np.argsort(far, axis=1, kind="stable")[:, :15]
    np.testing.assert_array_equal(nearest(Z).rows[some], wanted)


def test_real_distances_are_near_to_exact_ones():
    Z = np.random.default_rng(1).standard_normal((200, 30)).astype(np.float32)
    rows, squared = by_hand(Z, 15)
    found = nearest(Z)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.squared_distances, squared, rtol=1e-5)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("n_probe", [1, 3])
@pytest.mark.parametrize("most", [8, 40, 100])
def test_within_buckets_the_probed_cells_are_compared(most, n_probe, seed):
    """With so few candidates wanted, cells of the nearest buckets in order, cut at the most."""
    rng = np.random.default_rng(seed)
    Z = lattice(seed, 420, 3)
    centres = rng.integers(-3, 4, (60, 3)).astype(np.float32) + rng.random((60, 3))
    centres = centres.astype(np.float32)
    bucket = assign(Z, centres)
    sizes = np.bincount(bucket, minlength=60)
    least = min(4096, most)
    candidates, uncut = [], []
    for b in bucket:
        far = ((centres - centres[b]) ** 2).sum(axis=1, dtype=np.float64)
        order = [c for c in np.lexsort((np.arange(60), far)) if sizes[c]]
        taken, fits = [], True
        for n_probed, c in enumerate(order):
            if n_probed >= n_probe and len(taken) >= least:
                break
            taken += np.flatnonzero(bucket == c).tolist()
            fits &= bool(sizes[c] <= most)
        uncut.append(fits)
        candidates.append(np.array(taken[:most]))
    rows, squared = by_hand(Z, 7, candidates)
    options = {"n_neighbors": 7, "n_probe": n_probe, "max_candidates": most}
    found = nearest(Z, bucket, centres, **options)
    assert np.count_nonzero(uncut) >= 20
    np.testing.assert_array_equal(found.rows[uncut], rows[uncut])
    np.testing.assert_array_equal(found.squared_distances[uncut], squared[uncut])


@pytest.fixture(scope="module")
def cells():
    """Return 20,000 places on 3 factors in 10 groups, and their buckets."""
    rng = np.random.default_rng(2)
    kind = rng.integers(0, 10, 20_000)
    shape = rng.standard_normal((10, 3, 12))
    Z = 4 * rng.standard_normal((10, 12))[kind]
    Z += np.einsum("nf,nfd->nd", rng.standard_normal((20_000, 3)), shape[kind])
    Z = (Z + 0.3 * rng.standard_normal(Z.shape)).astype(np.float32)
    centres = learn_centres(Z, 500, random_state=0, max_cells=5000)
    return Z, assign(Z, centres), centres


def recall(found, true):
    return np.mean([len(np.intersect1d(a, b)) for a, b in zip(found, true, strict=True)]) / 15


def test_buckets_find_nearly_all_neighbours(cells):
    Z, bucket, centres = cells
    true = nearest(Z).rows
    found = nearest(Z, bucket, centres)
    assert recall(found.rows, true) > 0.97
    fewer = nearest(Z, bucket, centres, max_candidates=200)
    assert 0.3 < recall(fewer.rows, true) < recall(found.rows, true)


@pytest.mark.parametrize("most", [60, 4096])
def test_threads_change_nothing(cells, most):
    one, two = (nearest(*cells, max_candidates=most, n_threads=n) for n in (1, 3))
    np.testing.assert_array_equal(one.rows, two.rows)
    np.testing.assert_array_equal(one.squared_distances, two.squared_distances)


def test_the_order_of_cells_changes_nothing_but_rows(cells):
    """No two distances are equal here, and no bucket is taken in part."""
    Z, bucket, centres = cells
    order = np.random.default_rng(3).permutation(len(Z))
    one = nearest(Z, bucket, centres)
    two = nearest(Z[order], bucket[order], centres)
    np.testing.assert_array_equal(order[two.rows], one.rows[order])
    np.testing.assert_array_equal(two.squared_distances, one.squared_distances[order])


def test_a_bucket_with_too_many_cells_is_cut_along_its_widest_axis():
    rng = np.random.default_rng(4)
    Z = rng.random((3000, 3)).astype(np.float32) * [1, 100, 1]
    bucket, centres = np.zeros(3000, dtype=np.int32), np.array([[0.5, 50, 0.5]])
    found = nearest(Z, bucket, centres, max_candidates=200)
    assert recall(found.rows, nearest(Z).rows) > 0.99


def test_few_cells_beside_a_bucket_with_too_many_get_all_neighbours():
    Z = np.concatenate([np.zeros((1000, 2)), np.ones((2, 2))])
    bucket = np.repeat([0, 1], [1000, 2])
    found = nearest(Z, bucket, [[0, 0], [1, 1]], max_candidates=50, n_probe=1)
    assert found.rows.shape == (1002, 15)
    assert found.squared_distances[1000, :3].tolist() == [0, 2, 2]
    assert (found.rows != np.arange(1002)[:, None]).all()


@pytest.mark.parametrize("given_buckets", [False, True])
def test_identical_cells_are_their_own_neighbours_in_order_of_rows(given_buckets):
    Z = np.full((500, 4), 0.1, dtype=np.float32)
    buckets = (np.zeros(500, dtype=int), Z[:1]) if given_buckets else ()
    found = nearest(Z, *buckets, n_neighbors=3, max_candidates=4096)
    assert found.rows[[0, 1, 2, 499]].tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]
    assert not found.squared_distances.any()
    cut = nearest(Z, np.zeros(500, dtype=int), Z[:1], n_neighbors=3, max_candidates=20)
    assert not cut.squared_distances.any()
    assert all(len({i, *row}) == 4 for i, row in enumerate(cut.rows.tolist()))


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_cells_have_few_neighbours(n):
    found = nearest(np.arange(n, dtype=float)[:, None])
    assert found.rows.shape == found.squared_distances.shape == (n, n - 1)


def test_buckets_in_small_data_make_no_difference(groups):
    Z, kind = groups
    centres = np.stack([Z[kind == k].mean(axis=0) for k in range(6)])
    found, wanted = nearest(Z, kind, centres, n_probe=1), nearest(Z)
    np.testing.assert_array_equal(found.rows, wanted.rows)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"n_neighbors": 0}, "`n_neighbors` must be at least 1"),
        ({"n_probe": 0}, "`n_probe` must be at least 1"),
        ({"max_candidates": 15}, "`max_candidates` must be at least 16"),
        ({"bucket": [0, 0, 0]}, "Buckets need their centres"),
        ({"bucket": [0, 0, 2], "centres": [[0, 0]]}, "from 0 to 0; found 0 to 2"),
        ({"bucket": [0, 0], "centres": [[0, 0]]}, "3 whole numbers"),
        ({"bucket": [0, 0, 0], "centres": [[0]]}, "Cells have 2 axes and centres 1"),
    ],
)
def test_input_that_does_not_fit_is_refused(options, wanted):
    with pytest.raises(ValueError, match=wanted):
        nearest(np.zeros((3, 2)), **options)


def test_bad_places_are_refused():
    with pytest.raises(EmptyInputError):
        nearest(np.zeros((0, 2)))
    with pytest.raises(InvalidValuesError, match="first in row 1"):
        nearest([[0.0], [np.nan]])
