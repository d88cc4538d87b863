import numpy as np
import pytest

from atlash.models.boundaries import Known, fit_boundaries
from atlash.models.exemplars import Described

N_AXES, N_FEATURES = 6, 30


def draw(seed, n=200, *, marker=0.0, apart=0.0):
    """Two known types on either side of the first axis; new cells in between, if apart."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(n) % 2).astype(np.int32)
    white = rng.normal(size=(n, N_AXES))
    white[:, 0] += np.where(labels, 4, -4) * (marker == 0) * (apart == 0)
    white[:, 1] += apart
    standard = rng.normal(size=(n, N_FEATURES))
    standard[:, 3] += marker
    return Described(white.astype(np.float32), standard.astype(np.float32)), labels


@pytest.fixture(scope="module")
def known():
    return Known.measure(*draw(0))


def test_scores_are_differences_of_squared_distances(known):
    few, _ = draw(1, 20, apart=4.0)
    found = fit_boundaries(few, known)
    cells, _ = draw(2)
    points = np.column_stack([cells.white, cells.standard @ found.direction])
    old = np.column_stack([known.cells.white, known.cells.standard @ found.direction])
    centres = np.stack([old[known.labels == kind].mean(axis=0) for kind in range(2)])
    to_old = ((points[:, None] - centres) ** 2).sum(axis=2)
    to_new = ((points - found.centre) ** 2).sum(axis=1)
    apart = np.linalg.norm(found.centre - centres, axis=1)
    expected = ((to_old - to_new[:, None]) / apart).min(axis=1)
    np.testing.assert_allclose(found.score(cells), expected, rtol=1e-3, atol=1e-3)
    distance = ((cells.white - found.centre[:-1]) ** 2).sum(axis=1)
    np.testing.assert_allclose(found.squared_distance(cells), distance, rtol=1e-4)


def test_what_the_axes_do_not_hold_the_direction_finds(known):
    few, _ = draw(3, 20, marker=6.0)
    found = fit_boundaries(few, known)
    assert np.abs(found.direction).argmax() == 3
    assert (known.within @ found.direction).std() == pytest.approx(1, rel=1e-4)
    new, _ = draw(4, marker=6.0)
    assert np.median(found.score(new)) > np.quantile(found.score(known.cells), 0.99)


def test_a_centre_is_not_further_out_than_its_noise_allows(known):
    few, _ = draw(5, 5, apart=4.0)
    found = fit_boundaries(few, known)
    plain = few.white.mean(axis=0)
    nearest = min(
        (known.cells.white[known.labels == kind].mean(axis=0) for kind in range(2)),
        key=lambda centre: np.linalg.norm(centre - plain),
    )
    assert np.linalg.norm(found.centre[:-1] - nearest) < np.linalg.norm(plain - nearest)


def test_cells_all_alike_at_a_known_centre_have_no_direction(known):
    centre = known.centres[1]
    few = Described(
        np.tile(known.cells.white[known.labels == 1].mean(axis=0), (6, 1)),
        np.tile(centre, (6, 1)).astype(np.float32),
    )
    found = fit_boundaries(few, known)
    assert (found.direction == 0).all()
    assert np.isfinite(found.score(known.cells)).all()
