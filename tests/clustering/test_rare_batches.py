"""Rare types among batches: found whichever batch they lie in, and no batch is one."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from atlash import HashClusterer
from atlash.clustering.rare import find_rare
from atlash.clustering.rare_profile import PRIOR_CELLS, Crowd, learn_profile

N_CELLS, N_GENES, N_RARE = 1200, 500, 12
SHARES = np.random.default_rng(9).gamma(0.5, 1, N_GENES) + 0.05
WEAK = np.argsort(SHARES)
OF_TYPE, OF_BATCH = WEAK[:25], WEAK[25:50]


def drawn(rare, batch, *, own=2.0, strength=2.0, seed=0):
    """Return counts: rare cells have much of 25 weak genes, those of batch 1 of 25 others."""
    rng = np.random.default_rng(seed)
    shares = np.tile(SHARES, (len(batch), 1))
    shares[np.ix_(rare, OF_TYPE)] = own * SHARES.mean()
    shares[np.ix_(batch == 1, OF_BATCH)] = strength * SHARES.mean()
    mean = shares / shares.sum(axis=1, keepdims=True)
    mean *= rng.lognormal(np.log(600), 0.3, len(batch))[:, None]
    return rng.poisson(mean * rng.gamma(1 / 0.3, 0.3, mean.shape)).astype(np.float32)


def crowd_of(counts, batch=None):
    key = np.random.default_rng(1).integers(0, 2**63, len(counts)).astype(np.uint64)
    return Crowd(sp.csr_array(counts.astype(np.float64)), key, batch)


@pytest.fixture
def search(look, quiet):
    """Look for rare types in cells that are all of one cluster."""

    def run(counts, batch=None):
        genes = pd.DataFrame(index=[f"gene{number}" for number in range(N_GENES)])
        bound = look(ad.AnnData(sp.csr_matrix(counts), var=genes)).bound
        everyone = np.arange(len(counts)), np.zeros(len(counts), dtype=np.int32)
        return find_rare(bound, everyone, quiet(), batches=batch)

    return run


@pytest.fixture
def uneven():
    """A batch of twelve cells, too few to be more than a rare type."""
    batch = (np.arange(N_CELLS) % 100 == 0).astype(np.int32)
    return drawn(np.array([], dtype=int), batch), batch


def test_a_small_batch_is_no_rare_type(search, uneven):
    counts, batch = uneven
    assert len(search(counts)) == 1
    assert search(counts, batch) == []


@pytest.mark.parametrize("step", [1, 2], ids=["in both batches", "in one batch"])
def test_a_rare_type_is_found_in_its_batches(search, step):
    batch = (np.arange(N_CELLS) % 2).astype(np.int32)
    rare = np.arange(N_RARE) * step
    ((kind, told),) = search(drawn(rare, batch), batch)
    assert set(kind.profile.genes) <= {*OF_TYPE, *OF_BATCH}
    assert len(set(kind.profile.genes) & {*OF_TYPE}) >= 15
    assert told.agreement > 0.9


def test_batches_brought_together_leave_a_rare_type(quiet):
    batch = np.arange(N_CELLS) % 2
    rare = np.arange(N_RARE)
    cells = ad.AnnData(
        sp.csr_matrix(drawn(rare, batch, own=3.0, strength=0.25, seed=2)),
        obs=pd.DataFrame({"batch": batch.astype(str)}, index=[f"c{n}" for n in range(N_CELLS)]),
        var=pd.DataFrame(index=[f"gene{number}" for number in range(N_GENES)]),
    )
    found = HashClusterer(config=quiet()).fit(cells, batch_key="batch")
    (told,) = found.facts_["rare"]
    members = np.flatnonzero(found.clusters_.labels == told["cluster"])
    np.testing.assert_array_equal(members, rare)
    predicted = found.predict(cells, batch_key="batch").labels
    np.testing.assert_array_equal(predicted, found.clusters_.labels)
    order = np.random.default_rng(3).permutation(N_CELLS)
    other = HashClusterer(config=quiet(n_threads=2)).fit(cells[order].copy(), batch_key="batch")
    np.testing.assert_array_equal(other.clusters_.labels, found.clusters_.labels[order])


def test_a_batch_is_no_profile(uneven):
    counts, batch = uneven
    first = np.flatnonzero(batch)[:6]
    profile, _ = learn_profile(crowd_of(counts), first)
    assert len(set(profile.genes) & {*OF_BATCH}) > 15
    many = (np.arange(N_CELLS) % 10 == 0).astype(np.int32)
    counts = drawn(np.array([], dtype=int), many)
    assert learn_profile(crowd_of(counts, many), np.flatnonzero(many)[:6]) is None


def shares_of(counts, batch, prior):
    """Return each gene's share in each batch, drawn to that of all, the slow way."""
    pooled = counts.sum(axis=0) / counts.sum()
    whole = np.stack([counts[batch == b].sum(axis=0) for b in range(3)])
    return (whole + prior * pooled) / (whole.sum(axis=1)[:, None] + prior)


def test_what_is_expected_of_cells_beside_their_batch():
    counts = drawn(np.arange(5), np.arange(60) % 3).astype(float)
    batch = (np.arange(60) % 3).astype(np.int32)
    crowd, few = crowd_of(counts, batch), np.arange(60) < 20
    prior = PRIOR_CELLS * counts.sum() / 60
    depth = counts.sum(axis=1, keepdims=True)
    expected = depth * shares_of(counts, batch, prior)[batch]
    np.testing.assert_allclose(crowd.expected(), expected[counts > 0])
    others = shares_of(counts[~few], batch[~few], prior)
    pooled = counts[~few].sum(axis=0) / counts[~few].sum()
    np.testing.assert_allclose(
        crowd.expected_of(few, pooled), (depth * others[batch])[few].sum(axis=0)
    )
    assert crowd.share_of_batches(few) == pytest.approx((49 + 49 + 36) / 20 / 20)


def test_one_batch_is_as_none():
    counts = drawn(np.arange(N_RARE), np.zeros(N_CELLS, dtype=int))
    plain, one = crowd_of(counts), crowd_of(counts, np.zeros(N_CELLS, dtype=np.int32))
    np.testing.assert_allclose(plain.expected(), one.expected())
    first = np.arange(6)
    for a, b in zip(learn_profile(plain, first), learn_profile(one, first), strict=True):
        if isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b)
        else:
            np.testing.assert_array_equal(a.genes, b.genes)
