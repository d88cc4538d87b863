import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlash.codes.pack import as_words
from atlash.codes.planes import empty_planes, fill_planes, make_planes, take


def codes(seed, n, n_bytes):
    return np.random.default_rng(seed).integers(0, 256, (n, n_bytes), dtype=np.uint8)


@given(st.integers(0, 99), st.integers(0, 20), st.integers(1, 32))
def test_planes_are_the_words_in_columns(seed, n, n_bytes):
    planes = make_planes(codes(seed, n, n_bytes))
    assert planes.flags.c_contiguous
    assert planes.dtype == np.uint64
    np.testing.assert_array_equal(planes.T, as_words(codes(seed, n, n_bytes)))


@given(st.integers(0, 99), st.lists(st.integers(0, 9), max_size=5), st.integers(1, 32))
def test_filled_in_chunks_they_are_the_same(seed, sizes, n_bytes):
    whole = codes(seed, sum(sizes), n_bytes)
    planes = empty_planes(len(whole), n_bytes)
    start = 0
    for size in sizes:
        fill_planes(planes, start, whole[start : start + size])
        start += size
    np.testing.assert_array_equal(planes, make_planes(whole))


def test_more_codes_than_are_turned_at_once():
    many = codes(0, 70_000, 9)
    np.testing.assert_array_equal(make_planes(many).T, as_words(many))


def test_a_file_is_filled_in_place(tmp_path):
    whole = codes(1, 50, 24)
    path = tmp_path / "planes.npy"
    planes = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint64, shape=(3, 50))
    fill_planes(planes, 0, whole[:20])
    fill_planes(planes, 20, whole[20:])
    planes.flush()
    np.testing.assert_array_equal(np.load(path), make_planes(whole))


def test_rows_are_gathered_in_the_order_given():
    planes = make_planes(codes(2, 30, 16))
    rows = np.array([7, 3, 3, 29])
    np.testing.assert_array_equal(take(planes, rows), planes[:, rows])


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (np.zeros((3, 8), np.int64), "uint8"),
        (np.zeros(8, np.uint8), "uint8"),
        (np.zeros((3, 0), np.uint8), "8 to 256 bits; found 0"),
        (np.zeros((3, 33), np.uint8), "8 to 256 bits; found 264"),
    ],
    ids=["dtype", "flat", "empty", "wide"],
)
def test_refuses_what_are_no_codes(bad, match):
    with pytest.raises(ValueError, match=match):
        make_planes(bad)


@pytest.mark.parametrize(
    ("planes", "match"),
    [
        (np.zeros((5, 9), np.uint64), "1 to 4 words"),
        (np.zeros((2, 9), np.int64), "int64"),
        (np.zeros((9, 2), np.uint64).T, "C-contiguous"),
        (np.zeros(9, np.uint64), "make_planes"),
    ],
    ids=["words", "dtype", "order", "flat"],
)
def test_refuses_what_are_no_planes(planes, match):
    with pytest.raises(ValueError, match=match):
        fill_planes(planes, 0, np.zeros((1, 16), np.uint8))


@pytest.mark.parametrize("start", [-1, 8, 10])
def test_refuses_codes_beyond_the_end(start):
    with pytest.raises(ValueError, match="do not fit planes of 10 codes"):
        fill_planes(empty_planes(10, 16), start, np.zeros((3, 16), np.uint8))


@pytest.mark.parametrize("n_bytes", [8, 17])
def test_refuses_another_width(n_bytes):
    with pytest.raises(ValueError, match="hold codes of 72 to 128 bits"):
        fill_planes(empty_planes(10, 16), 0, np.zeros((3, n_bytes), np.uint8))
