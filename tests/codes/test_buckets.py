import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlash.codes import buckets, scan
from atlash.codes.buckets import anchor_walk, choose_method, make_buckets
from atlash.codes.pack import unpack
from atlash.codes.planes import make_planes

PATHS = ("vector", "portable")
WEIGHTS = (None, (1, 1), (65, 1), (1, 0), (0, 1), (3, 2))


def make_codes(seed, n, n_bytes=16, n_centres=5):
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 256, (n_centres, n_bytes), dtype=np.uint8)
    flips = rng.integers(0, 256, (4, n, n_bytes), dtype=np.uint8)
    return centres[rng.integers(0, n_centres, n)] ^ np.bitwise_and.reduce(flips)


def assert_same(answer, expected):
    np.testing.assert_array_equal(answer.distances, expected.distances)
    np.testing.assert_array_equal(answer.rows, expected.rows)
    assert answer.distances.dtype == np.int32
    assert answer.rows.dtype == np.int64


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 2),
    n=st.integers(1, 400),
    n_distinct=st.integers(1, 60),
    n_centres=st.integers(1, 12),
    k=st.integers(1, 60),
    made_with=st.sampled_from(WEIGHTS),
    asked_with=st.sampled_from(WEIGHTS),
    path=st.sampled_from(PATHS),
)
def test_pruned_is_flat(*, seed, n, n_distinct, n_centres, k, made_with, asked_with, path):
    pool = make_codes(seed, n)
    codes = pool[np.random.default_rng(seed).integers(0, min(n, n_distinct), n)]
    queries = np.concatenate([codes[:3], make_codes(seed + 1, 4)])
    planes = make_planes(codes)
    made = make_buckets(
        planes, n_centres=n_centres, part_weights=made_with, random_state=seed, _path=path
    )
    answer = buckets.nearest(queries, made, k, part_weights=asked_with, _path=path)
    assert_same(answer, scan.nearest(queries, planes, k, part_weights=asked_with))


@pytest.mark.parametrize("n_bytes", [1, 8, 11, 24, 32])
@pytest.mark.parametrize("path", PATHS)
def test_any_width(n_bytes, path):
    codes, queries = make_codes(0, 5000, n_bytes), make_codes(0, 6, n_bytes)
    planes = make_planes(codes)
    made = make_buckets(planes, n_centres=20, _path=path)
    for k in (1, 30):
        assert_same(
            buckets.nearest(queries, made, k, _path=path), scan.nearest(queries, planes, k)
        )


def test_threads_change_nothing():
    codes, queries = make_codes(3, 6000), make_codes(3, 11)
    planes = make_planes(codes)
    made = [make_buckets(planes, n_threads=n_threads) for n_threads in (1, 2, 3)]
    for other in made[1:]:
        np.testing.assert_array_equal(other.rows, made[0].rows)
        np.testing.assert_array_equal(other.centres, made[0].centres)
        assert other.expected == made[0].expected
    expected = scan.nearest(queries, planes, 20)
    for n_threads in (1, 2, 3):
        assert_same(buckets.nearest(queries, made[0], 20, n_threads=n_threads), expected)


def test_clustered_codes_are_mostly_left_out():
    rng = np.random.default_rng(4)
    centres = rng.integers(0, 256, (50, 16), dtype=np.uint8)
    codes = centres[rng.integers(0, 50, 20_000)]
    codes[np.arange(20_000), rng.integers(0, 16, 20_000)] ^= 1
    made = make_buckets(make_planes(codes), centres=centres)
    answer = buckets.nearest(codes[:20], made, 10)
    assert answer.scanned.max() < 0.05
    assert 0 < made.expected < 0.05
    assert choose_method(20_000, 1, n_centres=50, expected=made.expected) == "pruned"


def test_random_codes_are_scanned_and_said_to_be():
    codes = np.random.default_rng(5).integers(0, 256, (3000, 16), dtype=np.uint8)
    planes = make_planes(codes)
    made = make_buckets(planes)
    answer = buckets.nearest(codes[:9] ^ 85, made, 10)
    assert answer.scanned.min() > 0.9
    assert_same(answer, scan.nearest(codes[:9] ^ 85, planes, 10))
    assert choose_method(3000, 1, n_centres=len(made.centres), expected=0.95) == "flat"


def test_buckets_are_in_order_of_distance_then_row():
    codes = make_codes(6, 700)
    made = make_buckets(make_planes(codes), n_centres=9)
    np.testing.assert_array_equal(np.sort(made.rows), np.arange(700))
    np.testing.assert_array_equal(made.planes, make_planes(codes)[:, made.rows])
    apart = (unpack(codes)[:, None] != unpack(made.centres)[None]).sum(axis=2)
    centre, far = apart.argmin(axis=1), apart.min(axis=1)
    np.testing.assert_array_equal(made.rows, np.lexsort((np.arange(700), far, centre)))
    assert made.bounds.shape == (len(made.centres), 130)
    for i, bounds in enumerate(made.bounds):
        counts = np.bincount(far[centre == i], minlength=129)
        np.testing.assert_array_equal(np.diff(bounds), counts)


def test_anchors_of_one_word_bucket_codes_of_two():
    codes, queries = make_codes(7, 3000), make_codes(7, 8)
    anchors = np.zeros((6, 16), np.uint8)
    anchors[:, :8] = make_codes(7, 6)[:, :8]
    planes = make_planes(codes)
    made = make_buckets(planes, centres=anchors, part_weights=(1, 0))
    for weights in WEIGHTS:
        answer = buckets.nearest(queries, made, 15, part_weights=weights)
        assert_same(answer, scan.nearest(queries, planes, 15, part_weights=weights))


def walk_oracle(query, codes, centres, k):
    to_centres = (unpack(query[None]) != unpack(centres)).sum(axis=1)
    centre = (unpack(codes)[:, None] != unpack(centres)[None]).sum(axis=2).argmin(axis=1)
    seen = np.empty(0, int)
    for each in np.lexsort((np.arange(len(centres)), to_centres)):
        if len(seen) >= k:
            break
        seen = np.concatenate([seen, np.flatnonzero(centre == each)])
    apart = (unpack(query[None]) != unpack(codes[seen])).sum(axis=1)
    order = np.lexsort((seen, apart))[:k]
    return apart[order], seen[order], len(seen)


@pytest.mark.parametrize("k", [1, 20, 150, 400])
@pytest.mark.parametrize("path", PATHS)
def test_the_walk_sees_the_closest_buckets_only(k, path):
    codes, queries = make_codes(8, 400), make_codes(9, 5)
    centres = make_codes(8, 12)
    made = make_buckets(make_planes(codes), centres=centres)
    answer = anchor_walk(queries, made, k, _path=path)
    for i, query in enumerate(queries):
        distances, rows, n_seen = walk_oracle(query, codes, centres, k)
        np.testing.assert_array_equal(answer.distances[i], distances)
        np.testing.assert_array_equal(answer.rows[i], rows)
        assert answer.scanned[i] == n_seen / 400


def test_fewer_codes_than_asked_for():
    codes = make_codes(10, 3)
    made = make_buckets(make_planes(codes))
    for search in (buckets.nearest, anchor_walk):
        answer = search(codes[:2], made, 5)
        assert answer.rows[:, 3:].tolist() == answer.distances[:, 3:].tolist() == [[-1, -1]] * 2
        assert answer.distances[:, 0].tolist() == [0, 0]
        assert np.sort(answer.rows[:, :3], axis=1).tolist() == [[0, 1, 2]] * 2


def test_no_codes():
    made = make_buckets(make_planes(make_codes(0, 0)), centres=make_codes(0, 2))
    answer = buckets.nearest(make_codes(0, 2), made, 3)
    assert answer.rows.tolist() == [[-1] * 3] * 2
    assert answer.scanned.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("n_codes", "n_queries", "expected", "method"),
    [
        (10**7, 1000, None, "flat"),
        (10**7, 1000, 0.01, "pruned"),
        (10**7, 1000, 0.4, "flat"),
        (10**7, 1, 0.4, "pruned"),
        (10**7, 1, 0.9, "flat"),
        (1000, 1, 0.01, "flat"),
    ],
)
def test_the_choice_follows_what_is_left_out(n_codes, n_queries, expected, method):
    assert choose_method(n_codes, n_queries, n_centres=1000, expected=expected) == method


@pytest.mark.parametrize(
    ("how", "match"),
    [
        ({"centres": np.zeros((0, 16), np.uint8)}, "0 centres"),
        ({"centres": np.zeros((2, 8), np.uint8)}, "64 bits do not fit"),
        ({"part_weights": (1, 2, 3)}, "each of the 2 words"),
        ({"n_centres": 0}, "n_centres=0"),
    ],
)
def test_refuses_what_makes_no_buckets(how, match):
    with pytest.raises(ValueError, match=match):
        make_buckets(make_planes(make_codes(0, 9)), **how)


def test_refuses_no_neighbours():
    made = make_buckets(make_planes(make_codes(0, 9)))
    with pytest.raises(ValueError, match="k=0"):
        buckets.nearest(make_codes(0, 1), made, 0)
