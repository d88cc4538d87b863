import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlash.codes._table_scan import aligned, lay_out, make_tables
from atlash.codes.planes import make_planes

SEEDS = st.integers(0, 2**32 - 1)


def make_codes(seed, n, n_words):
    return np.random.default_rng(seed).integers(0, 256, (n, 8 * n_words), dtype=np.uint8)


@given(seed=SEEDS, n_words=st.integers(1, 4), start=st.integers(0, 70), n=st.integers(1, 200))
def test_codes_are_laid_out_byte_by_byte(seed, n_words, start, n):
    codes = make_codes(seed, start + n + 5, n_words)
    planes = make_planes(codes)
    addresses = tuple(plane.ctypes.data for plane in planes)
    tile = np.full((-(-n // 64), 8 * n_words, 64), 7, np.uint8)
    lay_out(addresses, (start, start + n), tile)
    laid = tile.transpose(0, 2, 1).reshape(-1, 8 * n_words)
    np.testing.assert_array_equal(laid[:n], codes[start : start + n])
    assert (laid[n:] == 7).all()


@given(seed=SEEDS, n_words=st.integers(1, 4), n=st.integers(1, 5))
def test_tables_hold_distances_of_half_bytes(seed, n_words, n):
    codes = make_codes(seed, n, n_words)
    tables = np.empty((n, 16 * n_words, 16), np.uint8)
    make_tables(codes.ctypes.data, tables)
    halves = np.stack([codes & 15, codes >> 4], axis=2).reshape(n, -1)
    expected = np.bitwise_count(halves[:, :, None] ^ np.arange(16, dtype=np.uint8))
    np.testing.assert_array_equal(tables, expected)


@pytest.mark.parametrize("n_bytes", [0, 1, 512])
def test_reserved_bytes_start_at_a_cache_line(n_bytes):
    reserved = aligned(n_bytes)
    assert (reserved.ctypes.data % 64, len(reserved)) == (0, n_bytes)
