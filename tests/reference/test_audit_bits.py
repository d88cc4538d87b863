"""Association of bits with batches, against contingency tables and real shuffles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from atlash.codes.pack import as_words, pack
from atlash.reference.audit_bits import audit_bits, batch_association, dead_within_types
from atlash.reference.audit_counts import GroupCounts

N_BITS = 64


def counted(bits, labels, batches):
    counts = GroupCounts(N_BITS)
    counts.add(as_words(pack(bits)), labels.astype(np.int32), batches.astype(np.int32))
    order = np.lexsort((counts.groups[:, 1], counts.groups[:, 0]))
    return counts.groups[order], counts.sizes[order], counts.ones[order]


def drawn(seed, n, n_types, n_batches):
    rng = np.random.default_rng(seed)
    shares = rng.random((n_types, N_BITS))
    labels, batches = rng.integers(0, n_types, n), rng.integers(0, n_batches, n)
    return rng.random((n, N_BITS)) < shares[labels], labels, batches


@pytest.mark.parametrize("n_batches", [2, 5])
def test_in_one_type_it_is_the_corrected_v_of_cramer(n_batches):
    bits, labels, batches = drawn(0, 900, 1, n_batches)
    bits[:, :32] |= (batches == 1)[:, None]
    found, _, n_types = batch_association(*counted(bits, labels, batches))
    assert n_types == 1
    for bit in range(N_BITS):
        table = [
            [(bits[batches == b, bit] == one).sum() for one in (0, 1)] for b in range(n_batches)
        ]
        phi = chi2_contingency(np.array(table), correction=False).statistic / 900
        wanted = np.sqrt(max(0, phi - (n_batches - 1) / 899))
        assert found[bit] == pytest.approx(wanted)


def test_types_are_pooled_by_their_variance():
    bits, labels, batches = drawn(1, 2000, 4, 3)
    bits[:, 5] ^= (batches == 0) & (labels == 2)
    found = batch_association(*counted(bits, labels, batches))[0]
    between = whole = 0.0
    for kind in range(4):
        mine = bits[labels == kind, 5].astype(float)
        of = batches[labels == kind]
        total = ((mine - mine.mean()) ** 2).sum()
        means = [mine[of == b].mean() for b in range(3)]
        sizes = [(of == b).sum() for b in range(3)]
        between += sum(n * (m - mine.mean()) ** 2 for n, m in zip(sizes, means, strict=True))
        between -= 2 * total / (len(mine) - 1)
        whole += total
    assert found[5] == pytest.approx(np.sqrt(between / whole))


def test_chance_is_what_shuffles_do():
    """One bit of all passes the limit in about 5 % of shuffles."""
    bits, labels, batches = drawn(2, 1500, 3, 4)
    limit = batch_association(*counted(bits, labels, batches))[1]
    rng = np.random.default_rng(0)
    passed = 0
    for _ in range(400):
        shuffled = batches.copy()
        for kind in range(3):
            mine = np.flatnonzero(labels == kind)
            shuffled[mine] = rng.permutation(shuffled[mine])
        passed += (batch_association(*counted(bits, labels, shuffled))[0] > limit).any()
    assert 0.02 < passed / 400 < 0.09


def test_small_groups_and_lone_batches_tell_nothing():
    bits, labels, batches = drawn(3, 300, 2, 2)
    batches[labels == 1] = 0
    batches[labels == 0] = 0
    batches[np.flatnonzero(labels == 0)[:19]] = 1
    found, limit, n_types = batch_association(*counted(bits, labels, batches))
    assert n_types == 0
    assert np.isnan(found).all()
    assert np.isnan(limit).all()
    batches[np.flatnonzero(labels == 0)[:20]] = 1
    found, limit, n_types = batch_association(*counted(bits, labels, batches))
    assert n_types == 1
    assert np.isfinite(found).all()
    assert np.isfinite(limit).all()


def test_constant_bits_tell_nothing():
    bits, labels, batches = drawn(4, 500, 2, 2)
    bits[:, 0], bits[:, 1] = True, labels == 0
    found, limit, _ = batch_association(*counted(bits, labels, batches))
    assert found[:2].tolist() == limit[:2].tolist() == [0, 0]


def test_cells_without_label_are_of_no_type():
    bits, labels, batches = drawn(5, 800, 2, 2)
    bits[:, 3] = batches == 0
    bits[:, 4] = labels == 0
    groups, sizes, ones = counted(bits, np.where(labels == 0, -1, labels), batches)
    assert batch_association(groups, sizes, ones)[2] == 1
    within = dead_within_types(groups[:, 0], sizes, ones)
    assert (within[3], within[4]) == (0, 1)


@pytest.mark.parametrize(("share", "dead"), [(0, 1), (9, 1), (10, 0), (990, 0), (991, 1)])
def test_dead_is_less_than_one_in_a_hundred(share, dead):
    bits, _, batches = drawn(6, 1000, 1, 1)
    bits[:, 8] = np.arange(1000) < share
    counts = GroupCounts(N_BITS)
    counts.add(as_words(pack(bits)), np.zeros(1000, np.int32), batches.astype(np.int32))
    _, table = audit_bits(counts, N_BITS, 8)
    assert table["dead"][8] == bool(dead)
    assert table["ones"][8] == share / 1000


@given(st.integers(0, 2**32), st.integers(1, 40))
def test_chunks_do_not_matter(seed, size):
    bits, labels, batches = drawn(seed, 100, 3, 3)
    labels, batches = (labels - 1).astype(np.int32), (batches - 1).astype(np.int32)
    words = as_words(pack(bits))
    whole, parts = GroupCounts(N_BITS), GroupCounts(N_BITS)
    whole.add(words, labels, batches)
    for first in range(0, 100, size):
        rows = slice(first, first + size)
        parts.add(words[rows], labels[rows], batches[rows])
    as_dicts = [
        {
            tuple(g): (s, tuple(o))
            for g, s, o in zip(c.groups.tolist(), c.sizes, c.ones, strict=True)
        }
        for c in (whole, parts)
    ]
    assert as_dicts[0] == as_dicts[1]
    assert whole.sizes.sum() == 100
