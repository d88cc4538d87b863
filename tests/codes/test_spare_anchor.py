import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlash.codes.anchors import make_anchors
from atlash.codes.spare_anchor import spare_anchor


def cells_near(anchor, n, seed, wrong=0.05):
    rng = np.random.default_rng(seed)
    return (anchor > 0) ^ (rng.random((n, len(anchor))) < wrong)


def distances(code, anchors):
    return (anchors != code).sum(axis=1)


def test_cells_far_from_all_anchors_keep_the_bits_of_most_of_them():
    anchors, _ = make_anchors(9, 64)
    new, _ = make_anchors(40, 64)
    far = next(row for row in new if distances(row, anchors).min() >= 24)
    found = spare_anchor(cells_near(far, 21, 0), anchors)
    np.testing.assert_array_equal(found, far)


@pytest.mark.parametrize("n_types", [2, 8, 15, 64])
def test_cells_with_a_known_types_code_get_another_anchor(n_types):
    anchors, _ = make_anchors(n_types, 64)
    bits = cells_near(anchors[1], 20, 1)
    found = spare_anchor(bits, anchors)
    assert distances(found, anchors).min() >= 16
    # and no further from the cells' own bits than that takes
    assert distances(found, anchors)[1] == 16


def test_it_flips_the_bits_that_the_cells_are_least_sure_of():
    anchors, _ = make_anchors(2, 64)
    bits = np.tile(anchors[0] > 0, (20, 1))
    unsure = np.flatnonzero(anchors[0] == anchors[1])[:5]
    unsure = unsure if len(unsure) else np.arange(5)
    bits[:8, unsure] = ~bits[:8, unsure]
    found = spare_anchor(bits, anchors)
    assert (found[unsure] == -anchors[0][unsure]).all()


@settings(max_examples=40, deadline=None)
@given(
    n_types=st.integers(2, 200),
    n_bits=st.sampled_from([64, 128]),
    n=st.integers(1, 30),
    seed=st.integers(0, 99),
)
def test_it_is_never_nearer_to_an_anchor_than_the_bits_of_most_cells(n_types, n_bits, n, seed):
    anchors, _ = make_anchors(n_types, n_bits, random_state=seed % 3)
    bits = np.random.default_rng(seed).random((n, n_bits)) < 0.5
    most = np.where(bits.mean(axis=0) > 0.5, 1, -1)
    found = spare_anchor(bits, anchors)
    assert found.dtype == np.int8
    assert set(np.unique(found)) <= {-1, 1}
    before, after = distances(most, anchors).min(), distances(found, anchors).min()
    assert after >= min(before, n_bits // 4)


@pytest.mark.parametrize("shape", [(0, 64), (5, 32)])
def test_no_cells_or_other_widths_are_errors(shape):
    anchors, _ = make_anchors(4, 64)
    with pytest.raises(ValueError, match="cannot be set against"):
        spare_anchor(np.zeros(shape, dtype=bool), anchors)
