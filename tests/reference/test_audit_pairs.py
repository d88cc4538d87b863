"""Pairs of cells with one code, against all pairs one by one and against simulated chance."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlash.codes.census import code_keys
from atlash.codes.pack import as_words, pack
from atlash.reference.audit_duplicates import repeated
from atlash.reference.audit_pairs import Pairs, all_pairs, equal_pairs, pairs_by_chance

cells = st.lists(st.tuples(st.integers(0, 4), st.integers(-1, 2)), max_size=25)


@given(cells)
def test_pairs_are_counted(drawn):
    keys = np.array([key for key, _ in drawn], dtype=np.uint64)
    batches = np.array([batch for _, batch in drawn], dtype=np.int32)
    every = list(combinations(drawn, 2))
    within = sum(a[1] == b[1] for a, b in every)
    assert all_pairs(batches) == (within, len(every) - within)
    alike = [(a, b) for a, b in every if a[0] == b[0]]
    within = sum(a[1] == b[1] for a, b in alike)
    assert equal_pairs(keys, batches) == (within, len(alike) - within)


@given(st.lists(st.integers(0, 9), max_size=20))
def test_repeated_keys(drawn):
    keys = np.array(drawn, dtype=np.uint64)
    wanted = [place for place, key in enumerate(drawn) if drawn.count(key) > 1]
    assert repeated(keys).tolist() == wanted


def codes(seed, n, n_bits, share):
    """Codes whose bits are independent, so that ``n_pairs (p^2 + q^2)^n_bits`` agree."""
    bits = np.random.default_rng(seed).random((n, n_bits)) < share
    return as_words(pack(bits))


def chance(words, batches, n_bits):
    observed = equal_pairs(code_keys(words), batches)
    return observed, pairs_by_chance(words, batches, n_bits, observed=observed)


@pytest.mark.parametrize(("n_bits", "share"), [(24, 0.5), (64, 0.12), (128, 0.06)])
def test_independent_bits_agree_as_often_as_expected(n_bits, share):
    n = 30_000
    batches = (np.arange(n) % 2).astype(np.int32)
    observed, found = chance(codes(0, n, n_bits, share), batches, n_bits)
    agree = share**2 + (1 - share) ** 2
    for kind in ("within", "across"):
        wanted = getattr(all_pairs(batches), kind) * agree**n_bits
        assert getattr(observed, kind) > 5
        assert getattr(found, kind) == pytest.approx(wanted, rel=0.4, abs=3)


@pytest.mark.parametrize(("n_bits", "share"), [(24, 0.5), (128, 0.2)])
def test_duplicates_are_no_chance(n_bits, share):
    n = 30_000
    batches = (np.arange(n) % 2).astype(np.int32)
    words = codes(0, n, n_bits, share)
    plain, without = chance(words, batches, n_bits)
    words[1:6001:2] = words[0:6000:2]
    observed, found = chance(words, batches, n_bits)
    assert observed.across >= plain.across + 2900
    assert found.across == pytest.approx(without.across, rel=0.5, abs=10)


def test_nothing_but_duplicates():
    words = np.repeat(np.array([[0], [2**64 - 1]], dtype=np.uint64), 4, axis=0)
    batches = np.array([0, 0, 1, 1] * 2, dtype=np.int32)
    observed, found = chance(words, batches, 64)
    assert observed == Pairs(4, 8)
    assert found == Pairs(0, 0)
