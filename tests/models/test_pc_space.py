import numpy as np
import pytest
import scipy.sparse as sp

from atlash.models.pc_space import N_SUBSCORES, UPPER, fit_pc_space

N_FEATURES = 60


def draw(seed, n=150, n_types=3):
    """Expression of types along directions of their own."""
    fixed, rng = np.random.default_rng(0), np.random.default_rng(seed)
    centres = fixed.gamma(1.0, 1.0, (n_types, N_FEATURES))
    labels = np.arange(n) % n_types
    dense = centres[labels] * rng.gamma(4.0, 0.25, (n, N_FEATURES))
    dense[rng.random(dense.shape) < 0.3] = 0
    return sp.csr_array(dense.astype(np.float32)), labels


@pytest.fixture(scope="module")
def cells():
    return draw(1)


@pytest.fixture(scope="module")
def space(cells):
    return fit_pc_space(*cells, random_state=0)


def slow_subscores(space, X, measured=None):
    """What the docstring says, in float64 and with whole matrices."""
    standard = (X.toarray().astype(np.float64) - space.mean) * space.inverse_scale
    standard = np.minimum(standard, UPPER)
    if measured is not None:
        standard[:, ~measured] = 0
    places = standard @ space.axes

    def nearest(whitening, centres):
        white = places[:, : len(whitening)] @ whitening.astype(np.float64)
        return ((white[:, None] - centres[None]) ** 2).sum(axis=2).min(axis=1)

    logits = places @ space.head + space.head_bias
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    outside = (standard**2).sum(axis=1) - (places**2).sum(axis=1)
    middle = nearest(space.middle, space.middle_centres)
    return {
        "relative": middle - nearest(space.overall, space.overall_centre[None]),
        "near": np.log(nearest(space.near, space.near_centres) + 1e-3),
        "middle": np.log(middle + 1e-3),
        "far": np.log(nearest(space.far, space.far_centres) + 1e-3),
        "outside": np.log(np.maximum(outside, 0) + 1e-3),
        "logit": -logits.max(axis=1),
        "entropy": -(p * np.log(p + 1e-12)).sum(axis=1),
    }


@pytest.mark.parametrize("part", [False, True])
def test_subscores_are_what_is_said_of_them(space, part):
    X, _ = draw(5)
    measured = np.random.default_rng(0).random(N_FEATURES) < (0.7 if part else 2)
    X = sp.csr_array(X.toarray() * measured)
    found = space.subscores(X, measured if part else None)
    expected = slow_subscores(space, X, measured)
    assert found.shape == (150, N_SUBSCORES)
    assert len(expected) == N_SUBSCORES
    for column, (name, wanted) in enumerate(expected.items()):
        got, values = found[:, column], wanted
        if name == "outside":  # a small difference of large numbers, and its logarithm is steep
            got, values = np.exp(got), np.exp(wanted)
        slack = 0.5 if name == "relative" else 0.2  # a difference of large numbers as well
        np.testing.assert_allclose(got, values, rtol=1e-2, atol=slack, err_msg=name)


def test_a_cell_is_judged_on_its_own(space):
    X, _ = draw(6)
    together = space.subscores(X)
    alone = np.concatenate([space.subscores(X[[row]]) for row in range(X.shape[0])])
    np.testing.assert_array_equal(together, alone)


def test_whitening_gives_types_a_covariance_of_about_one(space, cells):
    X, labels = cells
    standard = np.minimum((X.toarray() - space.mean) * space.inverse_scale, UPPER)
    white = (standard @ space.axes)[:, : len(space.near)] @ space.near
    within = np.concatenate(
        [white[labels == kind] - white[labels == kind].mean(axis=0) for kind in range(3)]
    )
    spread = (within**2).mean(axis=0)
    np.testing.assert_allclose(spread, 1, atol=0.2)
    found = np.stack([white[labels == kind].mean(axis=0) for kind in range(3)])
    np.testing.assert_allclose(found, space.near_centres, atol=1e-3)


def test_the_head_tells_the_types_apart(space):
    X, labels = draw(7)
    standard = np.minimum((X.toarray() - space.mean) * space.inverse_scale, UPPER)
    logits = standard @ space.axes @ space.head + space.head_bias
    assert (logits.argmax(axis=1) == labels).mean() > 0.95


def test_two_types_have_a_head_of_two_columns():
    X, labels = draw(1, n_types=2)
    space = fit_pc_space(X, labels, random_state=0)
    assert space.head.shape[1] == space.head_bias.size == 2
    X, labels = draw(2, n_types=2)
    standard = np.minimum((X.toarray() - space.mean) * space.inverse_scale, UPPER)
    logits = standard @ space.axes @ space.head + space.head_bias
    assert (logits.argmax(axis=1) == labels).mean() > 0.95


def test_only_types_that_occur_are_represented(cells):
    X, labels = cells
    space = fit_pc_space(X, np.array([2, 5, 9])[labels], random_state=0)
    assert len(space.near_centres) == len(space.far_centres) == space.head.shape[1] == 3


def test_a_feature_without_expression_has_no_weight(cells):
    X, labels = cells
    dense = X.toarray()
    dense[:, 7] = 0
    space = fit_pc_space(sp.csr_array(dense), labels, random_state=0)
    assert space.inverse_scale[7] == 0
    assert np.isfinite(space.subscores(X)).all()


def test_the_fit_is_the_same_for_a_seed(cells):
    one, same = (fit_pc_space(*cells, random_state=3) for _ in range(2))
    np.testing.assert_array_equal(one.axes, same.axes)
    np.testing.assert_array_equal(one.subscores(cells[0]), same.subscores(cells[0]))


@pytest.mark.parametrize("seed", [2**32, 2**63 - 1])
def test_every_seed_that_a_reference_takes_makes_a_space(cells, seed):
    assert np.isfinite(fit_pc_space(*cells, random_state=seed).axes).all()


def test_few_cells_make_a_space_too():
    X, labels = draw(1, n=6)
    space = fit_pc_space(X, labels, random_state=0)
    assert np.isfinite(space.subscores(draw(2)[0])).all()


def test_a_single_feature_makes_a_space_too():
    X = sp.csr_array(np.array([[0.0], [0.1], [2.0], [2.2]], np.float32))
    space = fit_pc_space(X, np.array([0, 0, 1, 1]), random_state=0)
    assert space.axes.shape == (1, 1)
    assert np.isfinite(space.subscores(X)).all()
