"""Search against sorting all distances: every ranking and method, filtered and not."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlash.codes.pack import pack, unpack
from atlash.config import SearchConfig
from atlash.reference.cell_writing import searchable, write_cells
from atlash.reference.columns import cells_table
from atlash.reference.found import Asked
from atlash.reference.search import SearchIndex

RANKINGS = ["asymmetric", "code", "anchor-first"]
PARTS = [(64, 64), (40, 64), (64, 0), (40, 24)]
N, N_QUERIES, N_TYPES = 700, 12, 5


def options(ranking="asymmetric", method="auto", n_threads=1):
    return SearchConfig(ranking=ranking, method=method, n_threads=n_threads, progress=False)


def draw(parts=(64, 64), n=N, seed=0):
    """Draw anchors, codes around them and queries; bits to be expected are eighths.

    Sums of eighths are exact, so that ties are ties in any order of adding.
    """
    n_anchor, n_detail = parts
    rng = np.random.default_rng(seed)
    anchors = np.where(rng.random((N_TYPES, n_anchor)) < 0.5, 1, -1).astype(np.int8)
    kind = rng.integers(0, N_TYPES, n + N_QUERIES)
    bits = np.hstack([anchors[kind] > 0, rng.random((len(kind), n_detail)) < 0.5])
    bits ^= rng.random(bits.shape) < 0.1
    codes = pack(bits)
    codes[1:n:7] = codes[0]  # many cells of one code
    codes[n] = codes[0]
    sure = rng.integers(0, 9, (N_QUERIES, n_anchor + n_detail)) / 8
    expected = np.where(unpack(codes[n:]), sure, -sure).astype(np.float32)
    return anchors, codes[:n], Asked(codes[n:], expected)


def table(codes):
    names = [f"cell{place}" for place in range(len(codes))]
    return cells_table(names, codes, ["B"] * len(codes), obs=pd.DataFrame(index=names))


def index_of(anchors, codes):
    return SearchIndex(searchable(table(codes)), anchors)


def oracle(codes, asked, n_anchor, *, among=None):
    """Return a function of a ranking that sorts all cells of each query, and their scores."""
    rows = np.arange(len(codes)) if among is None else among
    cells, queries = unpack(codes)[rows], unpack(asked.codes)
    apart = cells[None] != queries[:, None]
    distances = apart.sum(axis=2)
    first = apart[:, :, :n_anchor].sum(axis=2)
    weights = np.where(np.arange(cells.shape[1]) < n_anchor, 2, 1)
    signs = np.where(cells, 1.0, -1.0)
    score = ((1 - asked.expected[:, None] * signs) / 2 * weights).sum(axis=2)

    def sort(query, ranking, k=None):
        """Return rows, distances, scores; of the short list where there is one."""
        if ranking == "anchor-first":
            order = np.lexsort((rows, distances[query], first[query]))
        else:
            order = np.lexsort((rows, distances[query]))
        if ranking == "asymmetric":
            order = order[: max(4 * k, 200)] if k else order
            order = order[np.argsort(score[query][order], kind="stable")]
        return rows[order], distances[query][order], score[query][order]

    return sort


def of_query(found, query):
    part = slice(found.bounds[query], found.bounds[query + 1])
    return found.rows[part], found.distances[part], found.scores[part]


def is_right(found, sort, ranking, k):
    assert len(found.bounds) == N_QUERIES + 1
    for query in range(N_QUERIES):
        rows, distances, scores = of_query(found, query)
        wanted = sort(query, ranking, k)
        np.testing.assert_array_equal(rows, wanted[0][:k])
        np.testing.assert_array_equal(distances, wanted[1][:k])
        assert (np.diff(scores) >= 0).all()
        if ranking == "asymmetric":
            np.testing.assert_array_equal(scores, wanted[2][:k])
        if ranking == "code":
            np.testing.assert_array_equal(scores, distances)


def same(one, other):
    for name in ("bounds", "rows", "distances", "scores"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)


def test_types():
    anchors, codes, asked = draw()
    found = index_of(anchors, codes).nearest(asked, 5, among=None, config=options())
    kinds = [str(part.dtype) for part in found[:4]]
    assert kinds == ["int64", "int64", "int32", "float32"]
    assert (found.method, found.scanned) == ("flat", 1.0)


@pytest.mark.parametrize("method", ["flat", "pruned"])
@pytest.mark.parametrize("ranking", RANKINGS)
@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("filtered", [False, True])
def test_the_nearest_are_those_of_sorting(parts, ranking, method, filtered):
    anchors, codes, asked = draw(parts)
    among = np.sort(np.random.default_rng(1).permutation(N)[:350]) if filtered else None
    index = index_of(anchors, codes)
    sort = oracle(codes, asked, parts[0], among=among)
    for k in (1, 10, 77):
        found = index.nearest(asked, k, among=among, config=options(ranking, method))
        is_right(found, sort, ranking, k)
        assert found.method == ("flat" if filtered else method)
        assert 0 < found.scanned <= 1


@given(st.integers(0, 10_000), st.sampled_from(RANKINGS), st.integers(1, 90), st.integers(1, 150))
def test_any_cells_among_any_others(seed, ranking, k, n):
    anchors, codes, asked = draw((8, 8), n=n, seed=seed)  # so few bits that most are ties
    among = np.flatnonzero(np.random.default_rng(seed).random(n) < 0.5)
    index = SearchIndex(searchable(table(codes)), anchors)
    for some in (None, among):
        sort = oracle(codes, asked, 8, among=some)
        is_right(index.nearest(asked, k, among=some, config=options(ranking)), sort, ranking, k)


@pytest.mark.parametrize("ranking", RANKINGS)
@pytest.mark.parametrize("method", ["flat", "pruned", "anchor-walk"])
@pytest.mark.parametrize("k", [N, N + 1, 10**12])
def test_all_are_found_if_more_are_asked_for(ranking, method, k):
    anchors, codes, asked = draw()
    found = index_of(anchors, codes).nearest(asked, k, among=None, config=options(ranking, method))
    np.testing.assert_array_equal(np.diff(found.bounds), N)
    is_right(found, oracle(codes, asked, 64), ranking, N)


@pytest.mark.parametrize("among", [[], [3], [3, 5]])
@pytest.mark.parametrize("ranking", RANKINGS)
@pytest.mark.parametrize("method", ["flat", "pruned", "anchor-walk"])
def test_hardly_any_cells_may_be_found(among, ranking, method):
    anchors, codes, asked = draw()
    some = np.array(among, dtype=np.int64)
    index = index_of(anchors, codes)
    found = index.nearest(asked, 10, among=some, config=options(ranking, method))
    np.testing.assert_array_equal(np.diff(found.bounds), len(some))
    is_right(found, oracle(codes, asked, 64, among=some), ranking, 10)


@pytest.mark.parametrize("ranking", RANKINGS)
@pytest.mark.parametrize("filtered", [False, True])
def test_the_walk_finds_enough_and_says_what_it_is(ranking, filtered):
    anchors, codes, asked = draw()
    among = np.arange(0, N, 2) if filtered else None
    config = options(ranking, "anchor-walk")
    found = index_of(anchors, codes).nearest(asked, 10, among=among, config=config)
    assert found.method == "anchor-walk"
    assert 0 < found.scanned < 1
    np.testing.assert_array_equal(np.diff(found.bounds), 10)
    if filtered:
        assert np.isin(found.rows, among).all()
    every = oracle(codes, asked, 64, among=among)
    n_right = 0
    for query in range(N_QUERIES):
        rows, distances, _ = of_query(found, query)
        assert len(set(rows.tolist())) == 10
        all_rows, all_distances, _ = every(query, "code")
        distance_of = dict(zip(all_rows, all_distances, strict=True))
        np.testing.assert_array_equal(distances, [distance_of[row] for row in rows])
        n_right += np.isin(rows, every(query, ranking, 10)[0][:10]).sum()
    assert n_right > 0.5 * len(found.rows)


@pytest.mark.parametrize("ranking", RANKINGS)
@pytest.mark.parametrize("radius", [0, 20, 45, 10**9])
@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("filtered", [False, True])
def test_all_within_a_radius(ranking, radius, parts, filtered):
    anchors, codes, asked = draw(parts)
    among = np.arange(0, N, 3) if filtered else None
    index = index_of(anchors, codes)
    found = index.within(asked, radius, among=among, config=options(ranking))
    sort = oracle(codes, asked, parts[0], among=among)
    for query in range(N_QUERIES):
        rows, distances, scores = sort(query, ranking)
        inside = distances <= radius
        np.testing.assert_array_equal(of_query(found, query)[0], rows[inside])
        np.testing.assert_array_equal(of_query(found, query)[1], distances[inside])
        if ranking == "asymmetric":
            np.testing.assert_array_equal(of_query(found, query)[2], scores[inside])


@pytest.mark.parametrize("ranking", RANKINGS)
@pytest.mark.parametrize("method", ["flat", "pruned"])
@pytest.mark.parametrize(("radius", "k"), [(0, 3), (25, 4), (40, 30), (70, 5), (128, N)])
def test_the_nearest_of_those_within_a_radius(ranking, method, radius, k):
    """A cell outside, however it is ranked, takes no place of one inside."""
    anchors, codes, asked = draw()
    config = options(ranking, method)
    found = index_of(anchors, codes).nearest(asked, k, among=None, config=config, radius=radius)
    sort = oracle(codes, asked, 64)
    for query in range(N_QUERIES):
        if ranking == "asymmetric":  # the short list is of cells inside
            short, distances, _ = sort(query, "code")
            listed = set(short[distances <= radius][: max(4 * k, 200)].tolist())
            wanted = [row for row in sort(query, ranking)[0] if row in listed]
        else:
            rows, distances, _ = sort(query, ranking)
            wanted = rows[distances <= radius]
        np.testing.assert_array_equal(of_query(found, query)[0], wanted[:k])
        assert (of_query(found, query)[1] <= radius).all()


def test_counts_are_those_of_finding():
    anchors, codes, asked = draw()
    index = index_of(anchors, codes)
    groups = np.random.default_rng(0).integers(-1, 4, N).astype(np.int32)
    counts = index.count_within(asked, 40, groups, n_groups=4, config=options())
    found = index.within(asked, 40, among=None, config=options())
    assert counts.dtype == np.int64
    for query in range(N_QUERIES):
        near = groups[of_query(found, query)[0]]
        np.testing.assert_array_equal(counts[query], [(near == g).sum() for g in range(4)])


@pytest.mark.parametrize("ranking", RANKINGS)
@pytest.mark.parametrize("method", ["flat", "pruned", "anchor-walk"])
def test_threads_change_nothing(ranking, method):
    anchors, codes, asked = draw(n=5000)
    index = index_of(anchors, codes)
    one, two = (
        index.nearest(asked, 10, among=None, config=options(ranking, method, n_threads=n))
        for n in (1, 2)
    )
    same(one, two)
    one, two = (
        index.within(asked, 30, among=None, config=options(ranking, n_threads=n)) for n in (1, 2)
    )
    same(one, two)


@pytest.mark.parametrize("method", ["auto", "flat", "pruned", "anchor-walk"])
def test_a_query_does_not_depend_on_the_others(method):
    anchors, codes, asked = draw()
    index = index_of(anchors, codes)
    config = options(method=method)
    together = index.nearest(asked, 10, among=None, config=config)
    for query in range(N_QUERIES):
        only = Asked(asked.codes[query : query + 1], asked.expected[query : query + 1])
        alone = index.nearest(only, 10, among=None, config=config)
        for one, other in zip(of_query(alone, 0), of_query(together, query), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("parts", PARTS)
def test_saved_and_in_memory_are_one(tmp_path, parts):
    anchors, codes, asked = draw(parts)
    held = index_of(anchors, codes)
    (tmp_path / "pbmc.atlash").mkdir()
    saved = SearchIndex(
        write_cells(table(codes), tmp_path / "pbmc.atlash" / "cells.00000000.lance"), anchors
    )
    again = SearchIndex(saved.cells, anchors)  # finds the cache of the planes
    wanted = held.nearest(asked, 10, among=None, config=options())
    for index in (saved, again):
        same(index.nearest(asked, 10, among=None, config=options()), wanted)
    assert not again.planes.flags.writeable


def test_the_choice_is_automatic():
    """Buckets are taken only when they are at hand, are quicker and nothing is filtered."""
    anchors, codes, asked = draw((64, 0), n=20_000)
    index = index_of(anchors, codes)
    lone = Asked(asked.codes[:1], asked.expected[:1])
    assert index.nearest(lone, 1, among=None, config=options("code")).method == "flat"
    index.nearest(lone, 1, among=None, config=options("code", "pruned"))
    chosen = index.nearest(lone, 1, among=None, config=options("code"))
    assert index.buckets.expected < 0.3
    assert chosen.method == "pruned"
    assert chosen.scanned < 0.5
    some = np.arange(0, 20_000, 2)
    assert index.nearest(lone, 1, among=some, config=options("code")).method == "flat"
