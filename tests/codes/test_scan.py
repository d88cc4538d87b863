import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlash.codes._tables import are_faster, can_be_used
from atlash.codes.pack import unpack
from atlash.codes.planes import make_planes
from atlash.codes.scan import count_within, nearest, within

PATHS = ("vector", "portable", *(["tables"] if can_be_used() else []))
needs_tables = pytest.mark.skipif(
    not can_be_used(), reason="looking up needs a processor with AVX2"
)


def make_codes(seed, n, n_bytes, n_distinct=None):
    """Random codes near few centres, so that distances are small and ties are many."""
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 256, (3, n_bytes), dtype=np.uint8)
    flips = rng.integers(0, 256, (4, n, n_bytes), dtype=np.uint8)
    codes = centres[rng.integers(0, 3, n)] ^ np.bitwise_and.reduce(flips)
    return codes if n_distinct is None else codes[rng.integers(0, n_distinct, n)]


def all_distances(queries, codes, weights=None):
    apart = unpack(queries)[:, None] != unpack(codes)[None]
    weights = weights or (1,) * 4
    each = np.repeat(weights, 64)[: apart.shape[2]]
    return (apart * each).sum(axis=2)


def oracle(queries, codes, k, weights=None):
    distances = all_distances(queries, codes, weights)
    found = np.full((2, len(queries), k), -1)
    for i, row in enumerate(distances):
        order = np.lexsort((np.arange(len(codes)), row))[:k]
        found[:, i, : len(order)] = row[order], order
    return found


def assert_nearest(answer, expected):
    assert answer.distances.dtype == np.int32
    assert answer.rows.dtype == np.int64
    np.testing.assert_array_equal(answer.distances, expected[0])
    np.testing.assert_array_equal(answer.rows, expected[1])


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("n_bytes", [1, 8, 11, 16, 24, 31, 32])
def test_nearest_equals_sorting_everything(path, n_bytes):
    codes, queries = make_codes(0, 700, n_bytes), make_codes(1, 7, n_bytes)
    for k in (1, 10, 200):
        answer = nearest(queries, make_planes(codes), k, _path=path)
        assert_nearest(answer, oracle(queries, codes, k))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(0, 300),
    n_queries=st.integers(0, 10),
    k=st.integers(1, 70),
    n_distinct=st.integers(1, 40),
    weights=st.sampled_from([None, (1, 1), (65, 1), (1, 0), (0, 1), (3, 2)]),
    n_threads=st.integers(1, 3),
    path=st.sampled_from(PATHS),
)
def test_nearest_on_ties(*, seed, n, n_queries, k, n_distinct, weights, n_threads, path):
    pool = make_codes(seed, max(n, 1), 16)
    codes = pool[np.random.default_rng(seed).integers(0, min(n_distinct, len(pool)), n)]
    queries = pool[:n_queries]
    answer = nearest(
        queries, make_planes(codes), k, part_weights=weights, n_threads=n_threads, _path=path
    )
    assert_nearest(answer, oracle(queries, codes, k, weights))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("n_queries", [1, 3, 23])
def test_threads_change_nothing(path, n_queries):
    codes, queries = make_codes(2, 9000, 16, 500), make_codes(3, n_queries, 16)
    planes = make_planes(codes)
    expected = oracle(queries, codes, 40)
    for n_threads in (0, 1, 2, 3):
        assert_nearest(nearest(queries, planes, 40, n_threads=n_threads, _path=path), expected)
        near = within(queries, planes, 12, n_threads=n_threads, _path=path)
        assert_within(near, all_distances(queries, codes), 12)


def test_limits_fall_over_many_tiles():
    """Each code is nearer than those before it: every one is a candidate."""
    bits = np.tril(np.ones((257, 256), dtype=bool))[::-1]
    codes = np.repeat(np.packbits(bits, axis=1, bitorder="little"), 40, axis=0)
    queries = np.zeros((1, 32), dtype=np.uint8)
    for path in PATHS:
        answer = nearest(queries, make_planes(codes), 50, _path=path)
        assert_nearest(answer, oracle(queries, codes, 50))


@needs_tables
@pytest.mark.parametrize("n_bytes", [8, 16, 24, 32])
@pytest.mark.parametrize("n_codes", [1, 64, 4095, 4097, 9000])
def test_tables_find_what_vectors_find(n_bytes, n_codes):
    """Last tiles and groups are filled up, and as many codes as are wanted are equal."""
    codes, queries = (
        make_codes(20, n_codes, n_bytes, min(n_codes, 300)),
        make_codes(21, 46, n_bytes),
    )
    queries[:20] = codes[np.arange(20) % n_codes]
    planes = make_planes(codes)
    for k in (1, 30, 5000):
        expected = nearest(queries, planes, k, _path="vector")
        assert_nearest(nearest(queries, planes, k, _path="tables"), expected)


@pytest.mark.parametrize(
    ("n_queries", "n_threads", "weights", "tables"),
    [
        (32, 1, None, True),
        (32, 1, (1, 1), True),
        (31, 1, None, False),
        (32, 2, None, False),
        (64, 2, None, True),
        (32, 1, (65, 1), False),
    ],
)
def test_many_queries_without_weights_are_looked_up(
    *, n_queries, n_threads, weights, tables, monkeypatch
):
    chosen = []
    monkeypatch.setattr("atlash.codes._tables.are_faster", lambda: True)
    monkeypatch.setattr("atlash.codes._scan.scan_nearest", lambda *_: chosen.append(False))
    monkeypatch.setattr("atlash.codes._table_scan.scan_by_tables", lambda *_: chosen.append(True))
    codes = make_codes(22, n_queries, 16)
    nearest(codes, make_planes(codes), 1, part_weights=weights, n_threads=n_threads)
    assert set(chosen) == {tables}


@pytest.mark.parametrize(
    ("features", "possible", "faster"),
    [
        ("+sse2,+avx2,-avx512bw", True, True),
        ("+avx2,+avx512f,+avx512bw", True, False),
        ("+ssse3,-avx2", False, False),
        ("", False, False),
    ],
)
def test_tables_follow_what_is_compiled_for(*, features, possible, faster, monkeypatch):
    from numba.core.registry import cpu_target

    codegen = type(cpu_target.target_context.codegen())
    monkeypatch.setattr(codegen, "magic_tuple", lambda _: ("x86_64", "some", features))
    assert (can_be_used(), are_faster()) == (possible, faster)


def test_weights_rank_by_the_first_word_then_by_the_second():
    codes, queries = make_codes(4, 500, 16), make_codes(5, 4, 16)
    rows = nearest(queries, make_planes(codes), 500, part_weights=(65, 1)).rows
    for query, order in zip(queries, rows, strict=True):
        first, second = (
            (unpack(codes[:, part]) != unpack(query[None, part])).sum(axis=1)
            for part in (slice(8), slice(8, 16))
        )
        np.testing.assert_array_equal(order, np.lexsort((np.arange(500), second, first)))


def test_a_file_opened_for_reading_is_searched(tmp_path):
    codes, queries = make_codes(6, 3000, 24), make_codes(7, 5, 24)
    np.save(tmp_path / "planes.npy", make_planes(codes))
    planes = np.load(tmp_path / "planes.npy", mmap_mode="r")
    for path in PATHS:
        assert_nearest(nearest(queries, planes, 9, _path=path), oracle(queries, codes, 9))
        assert_within(within(queries, planes, 20, _path=path), all_distances(queries, codes), 20)


def test_a_lone_code_and_none():
    one = make_codes(8, 1, 16)
    answer = nearest(one, make_planes(one), 3)
    assert_nearest(answer, [[[0, -1, -1]], [[0, -1, -1]]])
    none = make_planes(one[:0])
    assert_nearest(nearest(one, none, 2), [[[-1, -1]], [[-1, -1]]])
    assert len(within(one, none, 5).rows) == 0
    assert count_within(one, none, 5).tolist() == [[0]]
    assert nearest(one[:0], make_planes(one), 2).rows.shape == (0, 2)


def test_queries_may_be_a_view():
    codes = make_codes(9, 400, 32)
    queries = codes[::-7, 8:24]
    answer = nearest(queries, make_planes(codes[:, 8:24]), 5)
    assert_nearest(answer, oracle(queries, np.ascontiguousarray(codes[:, 8:24]), 5))


def test_blocks_of_queries_change_nothing(monkeypatch):
    codes, queries = make_codes(10, 900, 8), make_codes(11, 50, 8)
    planes = make_planes(codes)
    whole = nearest(queries, planes, 8)
    monkeypatch.setattr("atlash.codes.scan.STATE_BYTES", 2000)
    assert_nearest(nearest(queries, planes, 8), whole)


def assert_within(answer, distances, radius):
    assert answer.rows.dtype == answer.bounds.dtype == np.int64
    assert answer.distances.dtype == np.int32
    assert answer.bounds[0] == 0
    assert answer.bounds[-1] == len(answer.rows) == len(answer.distances)
    for i, row in enumerate(distances):
        order = np.lexsort((np.arange(len(row)), row))
        order = order[row[order] <= radius]
        part = slice(answer.bounds[i], answer.bounds[i + 1])
        np.testing.assert_array_equal(answer.rows[part], order)
        np.testing.assert_array_equal(answer.distances[part], row[order])


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(0, 300),
    n_queries=st.integers(0, 9),
    n_bytes=st.integers(9, 16),
    radius=st.one_of(st.integers(0, 40), st.just(10**6)),
    weights=st.sampled_from([None, (65, 1), (1, 0)]),
    n_threads=st.integers(1, 3),
    path=st.sampled_from(PATHS),
)
def test_within_and_counts(*, seed, n, n_queries, n_bytes, radius, weights, n_threads, path):
    codes, queries = make_codes(seed, n, n_bytes), make_codes(seed + 1, n_queries, n_bytes)
    planes, distances = make_planes(codes), all_distances(queries, codes, weights)
    how = {"part_weights": weights, "n_threads": n_threads, "_path": path}
    assert_within(within(queries, planes, radius, **how), distances, radius)

    near = distances <= radius
    total = count_within(queries, planes, radius, **how)
    assert total.dtype == np.int64
    np.testing.assert_array_equal(total, near.sum(axis=1, keepdims=True))

    groups = np.random.default_rng(seed).integers(-1, 3, n).astype(np.int32)
    counts = count_within(queries, planes, radius, groups=groups, n_groups=4, **how)
    expected = np.stack([(near & (groups == g)).sum(axis=1) for g in range(4)], axis=1)
    np.testing.assert_array_equal(counts, expected)


@pytest.mark.parametrize(
    ("question", "match"),
    [
        ({"k": 0}, "k=0"),
        ({"part_weights": (1,)}, "each of the 2 words"),
        ({"part_weights": (1.5, 1)}, "whole number"),
        ({"part_weights": (-1, 5)}, "not be negative"),
        ({"part_weights": (0, 0)}, "add up to 1"),
        ({"part_weights": (1000, 1000)}, "add up to 1"),
        ({"queries": np.zeros((1, 8), np.uint8)}, "64 bits do not fit"),
        ({"queries": np.zeros(16, np.uint8)}, "uint8"),
        ({"planes": np.zeros((4, 2), np.uint64).T}, "C-contiguous"),
    ],
)
def test_nearest_refuses(question, match):
    base = {
        "queries": np.zeros((1, 16), np.uint8),
        "planes": np.zeros((2, 4), np.uint64),
        "k": 1,
    }
    with pytest.raises(ValueError, match=match):
        nearest(**(base | question))


@pytest.mark.parametrize(
    ("groups", "match"),
    [
        (np.zeros(3, np.int32), "one a code"),
        (np.zeros(4, np.int64), "int32"),
        (np.array([0, 1, 2, 0], np.int32), "found 0 to 2"),
        (np.array([0, 1, -2, 0], np.int32), "found -2 to 1"),
    ],
)
def test_counting_refuses(groups, match):
    query, planes = np.zeros((1, 16), np.uint8), np.zeros((2, 4), np.uint64)
    with pytest.raises(ValueError, match=match):
        count_within(query, planes, 3, groups=groups, n_groups=2)


@pytest.mark.parametrize("search", [within, count_within])
def test_a_negative_radius_is_refused(search):
    with pytest.raises(ValueError, match="negative"):
        search(np.zeros((1, 16), np.uint8), np.zeros((2, 4), np.uint64), -1)
