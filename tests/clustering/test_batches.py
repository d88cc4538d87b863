import numpy as np
import pytest

from atlash.clustering._batches import add_points, fill_shares, move
from atlash.clustering.batch_estimates import BatchConfig
from atlash.clustering.batch_offsets import BatchOffsets
from atlash.clustering.batches import Points, SoftClusters, correct
from atlash.clustering.mixing import kept_neighbours, mixing
from atlash.errors import EmptyInputError, InvalidValuesError
from atlash.graph.neighbours import nearest

N_TYPES, N_BATCHES, N_AXES = 4, 3, 6


def simulated(n=900, *, shift=3.0, own=0, seed=0):
    """Cells of four types in three batches; the last ``own`` types are in batch 0 alone."""
    rng = np.random.default_rng(seed)
    types = rng.integers(0, N_TYPES, n)
    batches = rng.integers(0, N_BATCHES, n)
    batches[types >= N_TYPES - own] = 0
    middles = 6 * rng.normal(size=(N_TYPES, N_AXES))
    moves = shift * rng.normal(size=(N_BATCHES, N_AXES))
    Z = middles[types] + moves[batches] + rng.normal(size=(n, N_AXES))
    return (Z - Z.mean(axis=0)).astype(np.float32), batches.astype(np.int32), types


def diversity(places, batches):
    return mixing(nearest(places, n_neighbors=30, n_threads=1).rows, batches).ilisi


def purity(places, types):
    near = nearest(places, n_neighbors=15, n_threads=1).rows
    return (types[near] == types[:, None]).mean(axis=1)


def test_batches_are_mixed_and_types_are_not():
    Z, batches, types = simulated()
    places = correct(Z, batches).places
    assert diversity(Z, batches) < 0.3
    assert diversity(places, batches) > 0.85
    assert purity(places, types).mean() > 0.99
    assert kept_neighbours(Z, places, batches) > 0.9


def test_a_type_of_one_batch_stays_apart():
    Z, batches, types = simulated(own=1)
    alone = types == N_TYPES - 1
    places = correct(Z, batches).places
    assert diversity(places[~alone], batches[~alone]) > 0.7
    assert purity(places, types)[alone].mean() > 0.99


def test_cells_that_differ_by_no_batch_hardly_move():
    Z, batches, _ = simulated(shift=0.0)
    moved = np.linalg.norm(correct(Z, batches).places - Z, axis=1)
    assert moved.mean() < 0.1 * np.linalg.norm(Z, axis=1).mean()


def test_one_batch_is_left_alone():
    Z, batches, _ = simulated()
    found = correct(Z, np.zeros_like(batches))
    np.testing.assert_array_equal(found.places, Z)
    np.testing.assert_array_equal(found.offsets.apply(Z[:5], np.zeros(5, int)), Z[:5])


def test_a_batch_of_one_cell_hardly_moves():
    Z, batches, _ = simulated()
    cell = int(np.flatnonzero(batches == 2)[0])
    batches[cell] = 3
    step = np.linalg.norm(correct(Z, batches).places - Z, axis=1)
    assert step[cell] < 0.2 * step[batches == 2].mean()


def test_an_empty_number_of_a_batch_changes_nothing():
    Z, batches, _ = simulated(300)
    gap = np.where(batches == 2, 5, batches)
    np.testing.assert_array_equal(correct(Z, gap).places, correct(Z, batches).places)


@pytest.mark.parametrize("n_buckets", [100, 4096])
def test_order_of_cells_is_nothing_but_rounding(n_buckets):
    Z, batches, _ = simulated()
    order = np.random.default_rng(1).permutation(len(Z))
    config = BatchConfig(n_buckets=n_buckets)
    straight = correct(Z, batches, config=config).places
    mixed = correct(Z[order], batches[order], config=config).places
    np.testing.assert_allclose(mixed, straight[order], atol=1e-4)


@pytest.mark.parametrize("n_buckets", [100, 4096])
def test_threads_change_no_bit(n_buckets):
    Z, batches, _ = simulated()
    config = BatchConfig(n_buckets=n_buckets)
    one, two = (correct(Z, batches, config=config, n_threads=n).places for n in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_means_of_buckets_do_as_well_as_cells():
    Z, batches, types = simulated(2000)
    places = correct(Z, batches, config=BatchConfig(n_buckets=100)).places
    assert diversity(places, batches) > 0.85
    assert purity(places, types).mean() > 0.99


def test_new_cells_go_where_old_ones_did():
    Z, batches, _ = simulated()
    found = correct(Z, batches)
    loaded = BatchOffsets.from_arrays(found.offsets.arrays())
    alone = np.concatenate([loaded.apply(Z[i : i + 1], batches[i : i + 1]) for i in range(50)])
    np.testing.assert_array_equal(alone, found.places[:50])


def test_cells_of_unknown_batches_stay():
    Z, batches, _ = simulated()
    offsets = correct(Z, batches).offsets
    np.testing.assert_array_equal(offsets.apply(Z, np.full(len(Z), -1)), Z)


@pytest.mark.parametrize("n", [1, 2, 20])
def test_few_cells_are_taken(n):
    Z, batches, _ = simulated(n)
    assert np.isfinite(correct(Z, batches).places).all()


def test_identical_cells_stay_finite():
    found = correct(np.zeros((60, 3)), np.arange(60) % 2)
    np.testing.assert_array_equal(found.places, 0)


def test_bad_input_is_refused():
    Z, batches, _ = simulated(60)
    with pytest.raises(ValueError, match="One batch a cell"):
        correct(Z, batches[:-1])
    with pytest.raises(ValueError, match=r"found shape .* of float64"):
        correct(Z, batches.astype(float))
    with pytest.raises(ValueError, match="from 0;"):
        correct(Z, batches - 1)
    with pytest.raises(EmptyInputError):
        correct(Z[:0], batches[:0])
    with pytest.raises(InvalidValuesError):
        correct(np.full_like(Z, np.nan), batches)
    offsets = correct(Z, batches).offsets
    with pytest.raises(ValueError, match="from -1 to 2; found 0 to 3"):
        offsets.apply(Z[:2], [0, 3])
    with pytest.raises(ValueError, match="5 axes, and offsets were learned on 6"):
        offsets.apply(Z[:, 1:], batches)


def test_a_batch_that_differs_by_chance_alone_stays():
    """Types that batches hold unevenly are no offset either."""
    rng = np.random.default_rng(0)
    Z, _, types = simulated(2000, shift=0.0)
    batches = np.array([rng.choice(3, p=np.roll([0.5, 0.3, 0.2], t)) for t in types])
    careless, careful = (
        np.linalg.norm(correct(Z, batches, config=BatchConfig(caution=k)).places - Z, axis=1)
        for k in (0.0, 1.0)
    )
    assert careful.mean() < 0.6 * careless.mean()
    assert careful.mean() < 0.015 * np.linalg.norm(Z, axis=1).mean()


def slow_shares(place, centres, log_weight, sharpness):
    length = np.linalg.norm(place)
    cosine = place @ centres / length if length > 0 else np.zeros(centres.shape[1])
    weight = np.exp(log_weight + sharpness * cosine)
    return weight / weight.sum()


@pytest.fixture
def kernel_input():
    rng = np.random.default_rng(3)
    points = rng.normal(size=(30, N_AXES))
    points[4] = 0
    batch = rng.integers(0, N_BATCHES, 30).astype(np.int32)
    centres = rng.normal(size=(2, N_AXES, 5))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    return points, batch, centres, rng.normal(size=(2, N_BATCHES, 5)), np.array([2.0, 7.0])


def test_shares_are_their_formula(kernel_input):
    points, batch, centres, log_weights, sharpness = kernel_input
    out = np.empty(5)
    for point, b in zip(points, batch, strict=True):
        length = fill_shares(point, centres[0], log_weights[0, b], sharpness[0], out)
        expected = slow_shares(point, centres[0], log_weights[0, b], sharpness[0])
        np.testing.assert_allclose(out, expected, rtol=1e-9)
        assert length == pytest.approx(np.linalg.norm(point))


def test_sums_are_those_of_shares(kernel_input):
    points, batch, centres, log_weights, _ = kernel_input
    weight = np.arange(1.0, 31)
    moved = 2 * points + 1
    mass, sums, directions = np.empty((3, 5)), np.empty((3, 5, N_AXES)), np.empty((5, N_AXES))
    squares, squared = np.empty((3, 5)), np.arange(30.0, 60)
    clusters = SoftClusters(centres[1], log_weights[1], 7.0)
    given_points = Points(points, weight, batch, squared)
    add_points(given_points, moved, clusters, mass, sums, squares, directions)
    shares = np.array(
        [
            slow_shares(z, centres[1], log_weights[1, b], 7.0)
            for z, b in zip(moved, batch, strict=True)
        ]
    )
    part = weight[:, None] * shares
    unit = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    np.testing.assert_allclose(directions, part.T @ unit)
    for b in range(N_BATCHES):
        np.testing.assert_allclose(mass[b], part[batch == b].sum(axis=0))
        np.testing.assert_allclose(squares[b], squared[batch == b] @ part[batch == b])
        np.testing.assert_allclose(sums[b], part[batch == b].T @ points[batch == b])


def test_moves_are_those_of_every_round(kernel_input):
    points, batch, centres, log_weights, sharpness = kernel_input
    offsets = np.random.default_rng(4).normal(size=(2, N_BATCHES, 5, N_AXES))
    moved = points.copy()
    move(points, batch, centres, log_weights, sharpness, offsets, moved)
    for i, b in enumerate(batch):
        expected = points[i]
        for t in range(2):
            shares = slow_shares(expected, centres[t], log_weights[t, b], sharpness[t])
            expected = points[i] - shares @ offsets[t, b]
        np.testing.assert_allclose(moved[i], expected, atol=1e-7)
