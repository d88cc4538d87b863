"""Stems of names, against a regular expression."""

import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlash.reference.stems import stem_keys


def stem(name):
    runs = re.findall("[ACGT]+", name)
    longest = max(runs, key=len, default="")
    if len(longest) >= 12:
        return longest
    return re.sub(r"(?s)^(.+)[-_][0-9]+\Z", r"\1", name)


def fnv(text):
    state = 0xCBF29CE484222325
    for byte in text.encode():
        state = ((state ^ byte) * 0x100000001B3) % 2**64
    return state


names = st.text(st.sampled_from("ACGTacé-_.019"), max_size=30)


@given(st.lists(names, max_size=20))
def test_a_key_is_the_hash_of_the_stem(given_names):
    found = stem_keys(pa.array(given_names, type=pa.string()))
    assert found.tolist() == [fnv(stem(name)) for name in given_names]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("AAACATACAACCAC-1", "s2_AAACATACAACCAC-1-donor2", True),
        ("AAACATACAACCAC-1", "AAACATACAACCAG-1", False),
        ("cell7", "cell7-1", True),
        ("cell-7", "cell-8", True),
        ("cell7", "cell8", False),
        ("1", "2", False),
        ("", "-1", False),
        ("ACGT-1", "ACGT-2", True),
    ],
)
def test_names_of_one_cell(one, other, same):
    first, second = stem_keys(pa.array([one, other]))
    assert (first == second) == same


def test_slices_and_chunks():
    given_names = ["a-1", "b", "ACGTACGTACGTA_2", "", "c"]
    whole = stem_keys(pa.array(given_names)).tolist()
    assert stem_keys(pa.array(given_names)[2:]).tolist() == whole[2:]
    chunked = pa.chunked_array([given_names[:2], given_names[2:]])
    assert stem_keys(chunked).tolist() == whole
    assert len(stem_keys(pa.chunked_array([], type=pa.string()))) == 0
