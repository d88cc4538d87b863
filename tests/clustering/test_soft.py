import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlash.clustering.soft import refine, soft_assignment, target_of
from atlash.errors import EmptyInputError, InvalidValuesError


def blobs(n=60, k=3, d=4, seed=0, spread=1.0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % k
    centres = 6 * rng.normal(size=(k, d))
    return (centres[labels] + spread * rng.normal(size=(n, d))).astype(np.float32), labels


def divergence(E, centres, scale, freedom):
    """KL(p || q) a cell, by its formula."""
    squared = np.square(E[:, None].astype(float) - centres[None]).sum(axis=2)
    q = (1 + squared / (freedom * scale)) ** (-(freedom + 1) / 2)
    q /= q.sum(axis=1, keepdims=True)
    p = q**2 / q.sum(axis=0)
    p /= p.sum(axis=1, keepdims=True)
    return (p * np.log(p / q)).sum() / len(E), q, p


@given(st.integers(1, 20), st.integers(1, 5), st.sampled_from([1.0, 3.0, 30.0]))
def test_shares_and_target_are_their_formulas(n, k, freedom):
    E, _ = blobs(n, k)
    centres = np.random.default_rng(1).normal(size=(k, 4))
    found = soft_assignment(E, centres, scale=7.0, freedom=freedom)
    _, q, p = divergence(E, centres, 7.0, freedom)
    np.testing.assert_allclose(found, q, rtol=1e-9, atol=1e-300)
    np.testing.assert_allclose(target_of(found), p, rtol=1e-8, atol=1e-300)
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_shares_stay_finite_far_from_every_centre():
    shares = soft_assignment(np.array([[1e18, 0], [0, 0]]), np.eye(2), freedom=200.0)
    assert np.isfinite(shares).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1)


def test_shares_do_not_depend_on_company():
    E, _ = blobs(50)
    centres = E[:3].astype(np.float64)
    together = soft_assignment(E, centres)
    alone = np.vstack([soft_assignment(cell[None], centres) for cell in E])
    np.testing.assert_array_equal(together, alone)


def test_one_step_follows_the_gradient():
    E, labels = blobs(spread=3.0)
    before, after = refine(E, labels, n_steps=0), refine(E, labels, n_steps=1, rate=1e-3)
    _, _, p = divergence(E, before.centres, before.scale, 1.0)
    numeric = np.empty_like(before.centres)
    for j, d in np.ndindex(numeric.shape):
        sides = []
        for sign in (-1, 1):
            moved = before.centres.copy()
            moved[j, d] += sign * 1e-4
            q = soft_assignment(E, moved, scale=before.scale)
            sides.append(-(p * np.log(q)).sum())  # the target stays, as in the paper
        numeric[j, d] = (sides[1] - sides[0]) / 2e-4
    moves = after.centres - before.centres
    for step, slope in zip(moves, numeric, strict=True):
        cosine = -step @ slope / np.linalg.norm(step) / np.linalg.norm(slope)
        assert cosine == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("freedom", [1.0, 4.0])
def test_a_step_comes_nearer_to_the_target(freedom):
    E, labels = blobs(spread=3.0)
    start, found = refine(E, labels, n_steps=0), refine(E, labels, n_steps=1, freedom=freedom)
    expected, q, p = divergence(E, start.centres, found.scale, freedom)
    assert found.divergence == pytest.approx([expected], rel=1e-6)
    after = soft_assignment(E, found.centres, scale=found.scale, freedom=freedom)
    assert (p * np.log(p / after)).sum() < (p * np.log(p / q)).sum()


def test_no_cluster_dies():
    rng = np.random.default_rng(0)
    E, labels = rng.normal(size=(60, 1)), np.arange(60) % 8  # nothing to tell them apart by
    start = refine(E, labels, n_steps=0, freedom=30.0)
    found = refine(E, labels, n_steps=50, rate=1.0, freedom=30.0)
    assert len(found.divergence) < 50  # it had to stop

    def alive(clusters):
        shares = soft_assignment(E, clusters.centres, scale=clusters.scale, freedom=30.0)
        return set(shares.argmax(axis=1))

    assert alive(found) >= alive(start)


def test_one_cluster_keeps_its_mean():
    E, _ = blobs()
    found = refine(E, np.zeros(60, dtype=int), n_steps=10)
    np.testing.assert_allclose(found.centres[0], E.mean(axis=0), atol=1e-5)
    assert found.divergence == ()
    assert (soft_assignment(E, found.centres) == 1).all()


def test_cells_without_a_cluster_change_nothing():
    E, labels = blobs()
    wider = np.vstack([E, np.full((5, 4), 1e3, np.float32)])
    found = refine(wider, np.append(labels, [-1] * 5))
    np.testing.assert_array_equal(found.centres, refine(E, labels).centres)


def test_identical_cells_have_a_scale():
    found = refine(np.ones((4, 2)), np.array([0, 0, 0, 0]))
    assert found.scale == 1.0


def test_no_cells_and_no_centres():
    assert soft_assignment(np.empty((0, 4)), np.zeros((3, 4))).shape == (0, 3)
    with pytest.raises(EmptyInputError, match="no centres"):
        soft_assignment(np.zeros((2, 4)), np.empty((0, 4)))
    with pytest.raises(EmptyInputError, match="No cell has a cluster"):
        refine(np.zeros((2, 4)), np.array([-1, -1]))


def test_a_gap_in_the_labels_is_refused():
    with pytest.raises(InvalidValuesError, match="Cluster 1 of 3 has no cell"):
        refine(np.zeros((2, 4)), np.array([0, 2]))
