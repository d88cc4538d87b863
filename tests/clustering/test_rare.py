"""Rare types: found where they are, not where there is noise, and told in new cells."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from atlash import HashClusterer
from atlash.clustering._rare import likelihood_ratio, most_alike
from atlash.clustering.rare import MIN_CELLS, _some_of_each, find_rare
from atlash.clustering.rare_profile import Crowd, Profile, learn_profile
from atlash.clustering.rare_seeds import seeds
from atlash.clustering.rare_types import RareType, rare_among, rare_arrays, rare_from_arrays

N_COMMON, N_OTHER, N_RARE = 1100, 388, 12
N_CELLS, N_GENES, N_MARKERS = 1500, 500, 25
KIND = np.repeat(["common", "other", "rare"], [N_COMMON, N_OTHER, N_RARE])


def counts_of(kind, *, dispersion=0.3, seed=0):
    """Two types that differ in many genes, and few cells like the first but for 25 genes."""
    shares = np.random.default_rng(9).gamma(0.5, 1, N_GENES) + 0.05
    profiles = {"common": shares, "other": shares.copy(), "rare": shares.copy()}
    profiles["other"][:100] *= np.random.default_rng(8).lognormal(0, 1.5, 100)
    markers = np.argsort(shares)[:N_MARKERS]
    profiles["rare"][markers] = 2 * shares.mean()
    rng = np.random.default_rng(seed)
    mean = np.stack([profiles[name] / profiles[name].sum() for name in kind])
    mean *= rng.lognormal(np.log(600), 0.3, len(kind))[:, None]
    noise = rng.gamma(1 / dispersion, dispersion, mean.shape) if dispersion else 1
    return rng.poisson(mean * noise).astype(np.float32)


def cells_of(counts):
    genes = pd.DataFrame(index=[f"gene{number}" for number in range(counts.shape[1])])
    return ad.AnnData(sp.csr_matrix(counts), var=genes)


def crowd_of(counts):
    key = np.random.default_rng(1).integers(0, 2**63, len(counts)).astype(np.uint64)
    return Crowd(sp.csr_array(counts.astype(np.float64)), key)


@pytest.fixture(scope="module")
def cells():
    return cells_of(counts_of(KIND))


@pytest.fixture(scope="module")
def found(cells, quiet):
    """A clusterer fitted to `cells`; shared, not to be changed."""
    return HashClusterer(config=quiet()).fit(cells)


@pytest.fixture
def crowd():
    return crowd_of(counts_of(KIND[KIND != "other"]))


@pytest.fixture
def search(look, quiet):
    """Look for rare types in cells that are all of one cluster."""

    def run(counts, **changes):
        bound = look(cells_of(counts)).bound
        everyone = np.arange(len(counts)), np.zeros(len(counts), dtype=np.int32)
        return bound, find_rare(bound, everyone, quiet(**changes))

    return run


def test_a_rare_type_is_a_cluster_and_the_others_stay(cells, found, quiet):
    labels = found.clusters_.labels
    table = pd.crosstab(KIND, labels)
    assert table.to_numpy().tolist() == [[N_COMMON, 0, 0], [0, N_OTHER, 0], [0, 0, N_RARE]]
    without = HashClusterer(config=quiet(rare_types=False)).fit(cells)
    assert len(np.unique(without.clusters_.labels)) == 2
    assert without.facts_["rare"] == []


def test_the_evidence_is_told(found):
    (told,) = found.facts_["rare"]
    assert told["cluster"] == 2
    assert told["parent"] == 0
    assert told["n_cells"] == N_RARE
    assert 15 <= told["n_genes"] <= N_MARKERS + 2
    assert 0.9 <= told["agreement"] <= 1
    assert told["distance"] > 12
    assert told["between"] <= 0.5
    assert told["p_value"] < 1e-3


def test_a_rare_type_has_a_bucket_that_no_place_falls_into(found):
    model, bucket = found.model_, found.clusters_.bucket
    last = len(model.centres) - 1
    np.testing.assert_array_equal(bucket == last, KIND == "rare")
    assert model.sizes[last] == N_RARE
    assert model.sizes.sum() == N_CELLS
    np.testing.assert_array_equal(found.clusters_.labels, model.cluster[bucket])
    by_place = model.bucket_of(model.centres[[last, last]], 1)
    assert (by_place < last).all()


@pytest.mark.parametrize("change", [{"n_threads": 2}, {"chunk_size": 97}], ids=str)
def test_order_threads_and_chunks_change_nothing(cells, found, quiet, change):
    order = np.random.default_rng(3).permutation(N_CELLS)
    other = HashClusterer(config=quiet(**change)).fit(cells[order].copy())
    for name in ("labels", "membership", "stability", "bucket"):
        expected = getattr(found.clusters_, name)[order]
        np.testing.assert_array_equal(getattr(other.clusters_, name), expected)
    assert other.facts_["rare"] == found.facts_["rare"]


def test_new_cells_are_told(found, tmp_path):
    kind = np.repeat(["common", "rare"], [50, 20])
    new = cells_of(counts_of(kind, seed=4))
    told = found.predict(new).labels
    np.testing.assert_array_equal(told, np.where(kind == "rare", 2, 0))
    np.testing.assert_array_equal(found.predict(new[:, ::-1].copy()).labels, told)
    found.save(tmp_path / "saved")
    loaded = HashClusterer.load(tmp_path / "saved")
    np.testing.assert_array_equal(loaded.predict(new).labels, told)


def test_training_cells_are_told_alike(found, cells):
    np.testing.assert_array_equal(found.predict(cells).labels, found.clusters_.labels)


@pytest.mark.parametrize("options", [{"n_clusters": 2}, {"resolution": 0.3}], ids=str)
def test_what_the_user_decides_is_left_as_it_is(cells, quiet, options):
    assert HashClusterer(**options, config=quiet()).fit(cells).facts_["rare"] == []


def test_normalised_values_will_do(cells, quiet):
    scaled = cells.copy()
    scaled.X = scaled.X.multiply(1e4 / scaled.X.sum(axis=1)).tocsr().log1p()
    labels = HashClusterer(config=quiet()).fit(scaled).clusters_.labels
    np.testing.assert_array_equal(labels == labels[-1], KIND == "rare")


@pytest.mark.parametrize("dispersion", [0, 0.3, 2.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_there_is_nothing_rare_in_noise(search, dispersion, seed):
    kind = np.repeat("common", 1000)
    assert search(counts_of(kind, dispersion=dispersion, seed=seed))[1] == []


def test_a_gradient_holds_no_rare_type(search):
    """The far end of a programme that varies from cell to cell is not apart from the rest."""
    rng = np.random.default_rng(5)
    strength = rng.exponential(0.5, 1000)
    moved = np.arange(N_GENES) < 40
    mean = np.exp(strength[:, None] * moved) * 600 / N_GENES
    assert search(rng.poisson(mean).astype(np.float32))[1] == []


def test_too_few_cells_are_no_type(search):
    kind = np.repeat(["common", "rare"], [991, MIN_CELLS - 1])
    assert search(counts_of(kind))[1] == []


def test_a_type_of_many_cells_is_not_rare(search):
    kind = np.repeat(["common", "rare"], [1000, 30])
    assert search(counts_of(kind))[1] == []


def test_rare_cells_are_told_in_their_cluster_only(search, quiet):
    kind = np.repeat(["common", "rare"], [1000, 10])
    bound, found = search(counts_of(kind))
    types = [told for told, _ in found]
    assert len(types) == 1
    nobody = np.full(1010, -1)
    assert (rare_among(bound, types, nobody, config=quiet()) == -1).all()
    assert (rare_among(bound, [], np.zeros(1010, int), config=quiet()) == -1).all()
    told = rare_among(bound, types, np.arange(1010) % 2, config=quiet())
    np.testing.assert_array_equal(told == 0, (kind == "rare") & (np.arange(1010) % 2 == 0))


def test_seeds_are_rare_cells(crowd):
    order, alike = seeds(crowd)
    assert (order[:6] >= N_COMMON).all()
    assert (alike[order[:6]] >= N_COMMON).mean() > 0.9


def test_a_profile_finds_the_others_of_its_kind(crowd):
    profile, is_rare = learn_profile(crowd, np.arange(N_COMMON, N_COMMON + 5))
    np.testing.assert_array_equal(is_rare, np.arange(N_COMMON + N_RARE) >= N_COMMON)
    assert len(profile.genes) >= 15
    assert (profile.own > profile.other).all()


def test_cells_with_nothing_in_common_have_no_profile(crowd):
    assert learn_profile(crowd, np.arange(5)) is None


def test_most_alike_against_numpy():
    rng = np.random.default_rng(2)
    X = sp.random_array((30, 40), density=0.3, rng=rng, format="csr")
    rows, products = np.zeros((30, 4), dtype=np.int64), np.zeros((30, 4))
    C = X.tocsc()
    most_alike(
        *(X.indptr.astype(np.int64), X.indices.astype(np.int32), X.data),
        *(C.indptr.astype(np.int64), C.indices.astype(np.int32), C.data),
        rows,
        products,
    )
    expected = (X @ X.T).toarray()
    np.fill_diagonal(expected, -1)
    np.testing.assert_array_equal(rows, np.argsort(-expected, axis=1, kind="stable")[:, :4])
    np.testing.assert_allclose(products, -np.sort(-expected, axis=1)[:, :4])


def test_likelihood_ratio_against_scipy():
    from scipy.stats import nbinom

    rng = np.random.default_rng(3)
    own, other = rng.uniform(0.001, 0.01, (2, 6))
    depth, dispersion = rng.uniform(100, 2000, 20), 0.7
    counts = rng.poisson(2, (20, 6)).astype(np.float64)
    X, ratio = sp.csr_array(counts), np.empty((20, 3))
    bounds, genes = X.indptr.astype(np.int64), X.indices.astype(np.int32)
    likelihood_ratio(bounds, genes, X.data, depth, own, other, dispersion, ratio)

    def likelihood(share):
        mean = depth[:, None] * share
        p = 1 / (1 + dispersion * mean)
        return nbinom.logpmf(counts, 1 / dispersion, p).sum(axis=1)

    np.testing.assert_allclose(ratio[:, 0], likelihood(own) - likelihood(other), atol=1e-9)
    assert (ratio[:, 1] < 0).all()  # Gibbs' inequality
    assert (ratio[:, 2] > 0).all()


def test_cells_without_counts_lie_with_the_crowd():
    profile = Profile(np.arange(5, dtype=np.int32), np.full(5, 0.1), np.full(5, 0.01), 0.5, -3.0)
    is_rare, position = profile.told(sp.csr_array((2, 5)), np.array([0.0, 100.0]))
    assert not is_rare.any()
    assert position[0] == 0
    assert position[1] < 0


def test_types_as_arrays_and_back():
    profiles = [
        Profile(np.arange(n, dtype=np.int32), np.full(n, 0.2), np.full(n, 0.1), 0.5 * n, -float(n))
        for n in (5, 7)
    ]
    types = tuple(RareType(number, profile) for number, profile in enumerate(profiles))
    back = rare_from_arrays(rare_arrays(types))
    assert [kind.parent for kind in back] == [0, 1]
    for found, expected in zip(back, types, strict=True):
        for name, value in vars(expected.profile).items():
            np.testing.assert_array_equal(getattr(found.profile, name), value)
    assert rare_from_arrays(rare_arrays(())) == ()


def test_large_clusters_give_way_to_small_ones(monkeypatch):
    monkeypatch.setattr("atlash.clustering.rare.MAX_CELLS", 300)
    monkeypatch.setattr("atlash.clustering.rare.MAX_OF_CLUSTER", 200)
    labels = np.repeat([0, 1, 2], [1000, 500, 20])
    picked = labels[_some_of_each(labels)]
    sizes = np.bincount(picked)
    assert sizes[2] == 20
    assert sizes[0] == sizes[1]
    assert 240 < sizes.sum() <= 300
