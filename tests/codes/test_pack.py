import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from atlash.codes.pack import as_words, pack, unpack

bits = st.tuples(st.integers(0, 9), st.integers(1, 40)).flatmap(
    lambda shape: hnp.arrays(np.bool_, (shape[0], 8 * shape[1]))
)


@given(bits)
def test_unpack_inverts_pack(bits):
    np.testing.assert_array_equal(unpack(pack(bits)), bits)


@given(bits)
def test_bit_order_is_little(bits):
    codes = pack(bits)
    for row, code in zip(bits, codes, strict=True):
        number = int.from_bytes(code.tobytes(), "little")
        assert number == sum(1 << place for place in np.flatnonzero(row).tolist())


@given(bits)
def test_words_hold_the_bytes_and_zeros(bits):
    codes = pack(bits)
    words = as_words(codes)
    assert words.dtype == np.uint64
    for code, word in zip(codes, words, strict=True):
        assert word.astype("<u8").tobytes() == code.tobytes().ljust(8 * words.shape[1], b"\0")


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((2, 7), bool),
        np.zeros(8, bool),
        np.zeros((2, 8), np.uint8),
        np.zeros((2, 8), float),
    ],
    ids=["odd-width", "flat", "uint8", "float"],
)
def test_pack_refuses_what_is_not_bits(bad):
    with pytest.raises(ValueError, match="multiple of 8"):
        pack(bad)
