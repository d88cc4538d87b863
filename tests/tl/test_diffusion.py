"""Walks on a graph: against dense algebra, and walks of groups against those of cells."""

import numpy as np
import pytest
import scipy.sparse as sp

from atlash.tl.diffusion import density_normalised, diffusion_space, linked_nodes, lumped


def ring(n, seed=0):
    """Return random weights between near places of a ring ``(n, n)``."""
    rng = np.random.default_rng(seed)
    weights = np.zeros((n, n))
    for step in (1, 2, 3):
        rows = np.arange(n)
        weights[rows, (rows + step) % n] = rng.random(n) + 0.1
    return sp.csr_array(weights + weights.T)


def dense_distances(weights, n_components):
    """Return the distances of all pairs, straight from the formula."""
    degree = weights.sum(axis=1)
    kernel = weights / np.outer(degree, degree)
    root = np.sqrt(kernel.sum(axis=1))
    values, vectors = np.linalg.eigh(kernel / np.outer(root, root))
    values, vectors = values[::-1][1:n_components], vectors[:, ::-1][:, 1:n_components]
    total = (vectors * values / (1 - values)) @ vectors.T
    return np.sqrt(np.square(total[:, None] - total[None]).sum(axis=2))


def distances(space):
    return np.sqrt(np.square(space[:, None] - space[None]).sum(axis=2))


@pytest.mark.parametrize("n", [30, 130])
@pytest.mark.parametrize("n_components", [2, 6])
def test_distances_are_those_of_summed_walks(n, n_components):
    weights = ring(n)
    ones = np.ones(n, dtype=int)
    space, values = diffusion_space(density_normalised(weights), ones, n_components)
    assert space.shape == (n, n_components - 1)
    assert (np.diff(values) <= 0).all()
    assert 0 < values[0] < 1
    wanted = dense_distances(weights.toarray(), n_components)
    np.testing.assert_allclose(distances(space), wanted, rtol=1e-6, atol=1e-8)


def test_more_components_than_nodes():
    space, values = diffusion_space(density_normalised(ring(8)), np.ones(8, dtype=int), 50)
    assert space.shape == (8, 7)
    assert values.size == 7


def test_the_same_at_each_call():
    kernel = density_normalised(ring(400))
    one, other = (diffusion_space(kernel, np.ones(400, dtype=int), 8)[0] for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_density_does_not_matter_to_the_kernel():
    weights = ring(20)
    scale = sp.dia_array((np.linspace(1, 5, 20)[None], [0]), shape=(20, 20))
    degree = weights.toarray().sum(axis=1)
    found = density_normalised(weights).toarray()
    np.testing.assert_allclose(found, weights.toarray() / np.outer(degree, degree))
    assert not np.allclose(found, density_normalised(sp.csr_array(scale @ weights)).toarray())


def test_one_direction_is_enough_and_lonely_nodes_stay_so():
    weights = sp.csr_array(np.array([[0.0, 2, 0], [0, 0, 0], [0, 0, 0]]))
    np.testing.assert_allclose(
        density_normalised(weights).toarray(), [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
    )


def test_lumping_sums_blocks():
    kernel = density_normalised(ring(12))
    groups = np.array([0, 1, 2] * 4, dtype=np.int32)
    found = lumped(kernel, groups).toarray()
    for a in range(3):
        for b in range(3):
            block = kernel.toarray()[groups == a][:, groups == b]
            np.testing.assert_allclose(found[a, b], block.sum())


def test_groups_of_equal_cells_have_the_places_of_the_cells():
    """Twins with the same edges: a walk cannot tell them apart, and neither may lumping."""
    single = density_normalised(ring(40))
    copies = np.repeat(np.arange(40, dtype=np.int32), 3)
    kernel = sp.csr_array(single[copies][:, copies])
    ones = np.ones(120, dtype=int)
    cells, values = diffusion_space(kernel, ones, 5)
    buckets, lumped_values = diffusion_space(lumped(kernel, copies), 3 * ones[:40], 5)
    np.testing.assert_allclose(values, lumped_values, rtol=1e-9)
    np.testing.assert_allclose(distances(buckets)[copies][:, copies], distances(cells), atol=1e-7)


def test_the_part_with_most_of_the_nodes():
    kernel = sp.csr_array(sp.block_diag([ring(8), ring(10)]))
    assert linked_nodes(kernel, np.array([1, 9, 10])).tolist() == [False] * 8 + [True] * 10
    assert linked_nodes(kernel, np.array([1, 9])).tolist() == [True] * 8 + [False] * 10
