import numpy as np
import pytest
import scipy.sparse as sp

from atlash.codes.anchors import make_anchors
from atlash.codes.similarity import similarity
from atlash.config import TrainConfig
from atlash.models.detail import (
    N_DIRECTIONS,
    Detail,
    _signal_and_noise,
    components,
    fit_detail,
)
from atlash.models.prepare import LabelledCounts, freeze, normalised_features
from atlash.nn.train import single_thread

N_GENES, N_LATENT = 200, 6
CONFIG = TrainConfig(n_features=N_GENES, n_components=30)


def draw(seed, n=600, n_types=3, n_batches=2, *, strength=0.35, along=0.0):
    """Cells of types that differ along six programmes inside each type, and by batch.

    Batches differ by a random factor of each gene, and ``along`` the first programme.
    """
    fixed, rng = np.random.default_rng(0), np.random.default_rng(seed)
    base = fixed.gamma(1.0, 1.0, (n_types, N_GENES))
    programmes = strength * fixed.standard_normal((N_LATENT, N_GENES))
    shift = 0.3 * fixed.standard_normal((n_batches, N_GENES))
    shift += along * np.linspace(-1, 1, n_batches)[:, None] * programmes[0]
    labels, groups = np.arange(n) % n_types, np.arange(n) // n_types % n_batches
    latent = rng.standard_normal((n, N_LATENT))
    rate = base[labels] * np.exp(latent @ programmes + shift[groups])
    counts = rng.poisson(1500 * rate / rate.sum(axis=1, keepdims=True))
    sparse = sp.csr_array(counts.astype(np.float32))
    return LabelledCounts(sparse, labels, groups if n_batches > 1 else None, n_types), latent


def agreement_with_own(labels, n_types, *, certainty=0.9):
    """What an encoder says that knows each cell's type."""
    anchors = make_anchors(n_types, 64, random_state=0)[0]
    z = np.arctanh(certainty) * anchors[labels].astype(np.float32)
    return similarity(z, anchors, "asymmetric")


def learned(cells, seed=0, **options):
    with single_thread():
        frozen = freeze(cells, CONFIG)
        return frozen, fit_detail(cells, frozen, random_state=seed, **options)


def encoded(cells, frozen, detail, measured=None):
    places = components(normalised_features(cells, frozen), frozen, measured)
    return detail.encode(places, agreement_with_own(cells.labels, cells.n_types))


@pytest.fixture(scope="module")
def cells():
    return draw(1)[0]


@pytest.fixture(scope="module")
def fitted(cells):
    return learned(cells)


def recall(bits, latent, labels, *, k=20):
    """Share of a cell's nearest in the latent space that are among its nearest by bits."""
    shares = []
    for kind in np.unique(labels):
        own = labels == kind
        sign = np.where(bits[own], 1, -1)
        apart = (latent[own][:, None] - latent[own][None]) ** 2
        near, true = -(sign @ sign.T), apart.sum(axis=2)
        for row in range(own.sum()):
            ranked = [np.argsort(d[row], kind="stable") for d in (near, true)]
            found, sought = (order[order != row][:k] for order in ranked)
            shares.append(len(np.intersect1d(found, sought)) / k)
    return np.mean(shares)


def slow_encode(detail, places, agreement):
    """What the docstring says, in float64 and with whole matrices."""
    power = np.exp(detail.sharpness[0] * agreement.astype(np.float64))
    share = power / power.sum(axis=1, keepdims=True)
    return places.astype(np.float64) @ detail.projection - share @ detail.centres


def test_codes_are_what_is_said_of_them():
    rng = np.random.default_rng(0)
    shapes = (30, 64), (4, 64)
    projection, centres = (rng.standard_normal(shape).astype(np.float32) for shape in shapes)
    detail = Detail(projection, centres, np.array([8.0], dtype=np.float32))
    places = rng.standard_normal((25, 32)).astype(np.float32)
    agreement = rng.uniform(-1, 1, (25, 4)).astype(np.float32)
    found = detail.encode(places, agreement)  # two more columns than it reads
    assert found.dtype == np.float32
    expected = slow_encode(detail, places[:, :30], agreement)
    np.testing.assert_allclose(found, expected, rtol=1e-2, atol=5e-2)


def test_components_are_the_standardised_features_along_the_axes(cells, fitted):
    frozen, _ = fitted
    X = normalised_features(cells, frozen)
    measured = np.random.default_rng(0).random(X.shape[1]) < 0.7
    s = frozen.standardiser
    standard = np.minimum((X.toarray() - s.mean) * s.inverse_scale, s.upper)
    whole = components(X, frozen)
    np.testing.assert_allclose(whole, standard @ frozen.axes, rtol=1e-2, atol=2e-2)
    standard[:, ~measured] = 0
    part = components(sp.csr_array(X.toarray() * measured), frozen, measured)
    np.testing.assert_allclose(part, standard @ frozen.axes, rtol=1e-2, atol=2e-2)


def test_a_cell_is_encoded_on_its_own(cells, fitted):
    frozen, detail = fitted
    together = encoded(cells, frozen, detail)
    rows = np.arange(0, 600, 40)
    alone = [encoded(cells[[row]], frozen, detail) for row in rows]
    np.testing.assert_array_equal(np.concatenate(alone), together[rows])


def test_no_cells_have_no_codes(cells, fitted):
    assert encoded(cells[np.arange(0)], *fitted).shape == (0, 64)


def test_the_seed_decides(cells, fitted):
    _, same = learned(cells)
    _, other = learned(cells, seed=1)
    np.testing.assert_array_equal(fitted[1].projection, same.projection)
    np.testing.assert_array_equal(fitted[1].centres, same.centres)
    assert not np.array_equal(same.projection, other.projection)


def test_bits_are_balanced_inside_types(fitted):
    fresh, _ = draw(2, n=1500)
    bits = encoded(fresh, *fitted) > 0
    shares = np.stack([bits[fresh.labels == kind].mean(axis=0) for kind in range(3)])
    assert np.abs(shares - 0.5).mean() < 0.08
    assert shares.min() > 0.2
    assert shares.max() < 0.8


def test_continuous_codes_are_of_size_one(cells, fitted):
    size = np.abs(encoded(cells, *fitted)).mean(axis=0)
    np.testing.assert_allclose(size, 1, atol=0.1)


def test_neighbours_inside_types_are_kept(fitted):
    fresh, latent = draw(3)
    random = np.random.default_rng(0).random((600, 64)) < 0.5
    chance = recall(random, latent, fresh.labels)
    kept = recall(encoded(fresh, *fitted) > 0, latent, fresh.labels)
    assert kept > 2.5 * chance


def test_signal_is_preferred_to_noise(cells, fitted):
    """Hyperplanes in the components themselves, as wide, keep fewer neighbours."""
    frozen, detail = fitted
    fresh, latent = draw(3)
    places = components(normalised_features(fresh, frozen), frozen)
    for kind in range(3):
        places[fresh.labels == kind] -= places[fresh.labels == kind].mean(axis=0)
    axes = np.random.default_rng(0).standard_normal((places.shape[1], 64))
    raw = recall(places @ axes > 0, latent, fresh.labels)
    assert recall(encoded(fresh, frozen, detail) > 0, latent, fresh.labels) > 1.1 * raw


def batch_spread(cells, known):
    """How far the batches' mean codes lie from 0, as learned from ``known``."""
    codes = encoded(cells, *learned(known))
    batches = np.unique(cells.groups)
    return np.mean([np.abs(codes[cells.groups == b].mean(axis=0)).mean() for b in batches])


def test_batches_are_kept_out():
    """Told of the batches, bits hold less of them than if they had not been told."""
    cells, _ = draw(1, n=900, n_batches=3)
    blind = LabelledCounts(cells.counts, cells.labels, None, cells.n_types)
    assert batch_spread(cells, cells) < 0.5 * batch_spread(cells, blind)


def test_what_differs_between_batches_is_noise_even_where_it_is_seen_again(monkeypatch):
    cells, _ = draw(1, n=900, n_batches=3, along=3.0)
    with_it = batch_spread(cells, cells)
    monkeypatch.setattr("atlash.models.detail.BATCH_WEIGHT", 0.0)
    assert with_it < 0.7 * batch_spread(cells, cells)


@pytest.mark.parametrize("strength", [0.0, 0.5])
def test_signal_is_what_two_sequencings_share(strength):
    """The signal grows with what cells have in themselves; noise is that of one sequencing."""
    cells, _ = draw(1, strength=strength)
    frozen, _ = learned(draw(2, strength=0.35)[0])  # axes that did not see these cells
    signal, noise = _signal_and_noise(cells, frozen, np.random.default_rng(0))
    places = components(normalised_features(cells, frozen), frozen).astype(np.float64)
    stratum = cells.labels * 2 + cells.groups
    for k in range(6):
        places[stratum == k] -= places[stratum == k].mean(axis=0)
    ratio = np.trace(signal) / np.trace(places.T @ places / (len(places) - 6))
    total = np.trace(signal + noise) / np.trace(places.T @ places / (len(places) - 6))
    assert 0.8 < total < 1.3
    assert (ratio > 0.6) if strength else (ratio < 0.25)


@pytest.mark.parametrize("n_bits", [8, 32, 128])
def test_any_number_of_bits(cells, n_bits):
    frozen, detail = learned(cells, n_bits=n_bits)
    assert detail.n_bits == n_bits
    bits = encoded(cells, frozen, detail) > 0
    assert bits.shape == (600, n_bits)
    assert 0.3 < bits.mean() < 0.7
    assert np.linalg.matrix_rank(detail.projection) == min(n_bits, N_DIRECTIONS)


@pytest.mark.parametrize(
    ("n", "n_types", "n_batches"), [(30, 2, 1), (30, 2, 2), (200, 2, 1), (60, 20, 1), (8, 4, 2)]
)
def test_few_cells_and_types_make_bits_too(n, n_types, n_batches):
    cells, _ = draw(1, n=n, n_types=n_types, n_batches=n_batches)
    codes = encoded(cells, *learned(cells))
    assert np.isfinite(codes).all()
    assert 0.2 < (codes > 0).mean() < 0.8


def test_a_type_of_one_cell_each_leaves_no_signal_and_yet_bits():
    cells, _ = draw(1, n=6, n_types=6, n_batches=1)
    codes = encoded(cells, *learned(cells))
    assert np.isfinite(codes).all()


def test_a_type_without_cells_has_the_centre_of_all(cells):
    more = LabelledCounts(cells.counts, cells.labels, cells.groups, 4)
    frozen, detail = learned(more)
    places = components(normalised_features(more, frozen), frozen).astype(np.float64)
    expected = places.mean(axis=0) @ detail.projection
    np.testing.assert_allclose(detail.centres[3], expected, rtol=1e-2, atol=2e-2)


def test_counts_need_not_be_whole():
    cells, latent = draw(1)
    halved = LabelledCounts(cells.counts * np.float32(0.7), cells.labels, cells.groups, 3)
    bits = encoded(halved, *learned(halved)) > 0
    random = np.random.default_rng(0).random((600, 64)) < 0.5
    assert recall(bits, latent, cells.labels) > 2 * recall(random, latent, cells.labels)


def test_features_that_were_not_measured_cost_neighbours_only_gradually(fitted):
    frozen, detail = fitted
    fresh, latent = draw(4)
    measured = np.random.default_rng(0).random(len(frozen.features)) < 0.7
    counts = fresh.counts.toarray()
    counts[:, frozen.features[~measured]] = 0
    part = LabelledCounts(sp.csr_array(counts), fresh.labels, fresh.groups, 3)
    whole = recall(encoded(fresh, frozen, detail) > 0, latent, fresh.labels)
    few = recall(encoded(part, frozen, detail, measured) > 0, latent, fresh.labels)
    assert few > 0.6 * whole
