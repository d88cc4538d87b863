import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlash.codes.anchors import choose_n_bits, make_anchors, measure_anchors
from atlash.codes.bch import dual_bch_words, n_dual_bch_words
from atlash.codes.hadamard import hadamard


def distances(anchors):
    apart = (anchors[:, None] != anchors[None]).sum(axis=2)
    return apart[np.triu_indices(len(anchors), 1)]


@pytest.mark.parametrize("order", [1, 2, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 48, 56, 64, 72,
                                   80, 88, 96, 104, 112, 120, 128, 136, 144, 152, 160, 168, 176,
                                   192, 256])  # fmt: skip
def test_hadamard_rows_are_orthogonal(order):
    matrix = hadamard(order)
    assert set(np.unique(matrix)) <= {-1, 1}
    np.testing.assert_array_equal(matrix.astype(int) @ matrix.T, order * np.eye(order))


@pytest.mark.parametrize("order", [0, 3, 6, 10, 184])
def test_no_matrix_where_no_construction_gives_one(order):
    assert hadamard(order) is None


@settings(max_examples=60)
@given(st.integers(1, 16), st.data())
def test_promises_hold_for_any_types_and_bits(n_bytes, data):
    n_bits = 8 * n_bytes
    n_types = data.draw(st.integers(2, 2 * n_bits))
    anchors, report = make_anchors(n_types, n_bits, random_state=data.draw(st.integers(0, 5)))
    assert anchors.shape == (n_types, n_bits)
    assert set(np.unique(anchors)) == {-1, 1}
    assert report.min_distance == distances(anchors).min() >= n_bits // 2
    assert report.n_dead == (np.abs(anchors.sum(axis=0)) == n_types).sum() == 0


@pytest.mark.parametrize(
    ("n_types", "n_bits", "floor"),
    [(129, 64, 24), (1000, 64, 24), (40, 8, 2), (300, 128, 56), (20, 184, 76), (700, 256, 112)],
)
def test_beyond_hadamard_there_is_a_measured_floor(n_types, n_bits, floor):
    anchors, report = make_anchors(n_types, n_bits)
    assert report.construction == "bch"
    assert report.min_distance == distances(anchors).min() >= floor
    assert report.n_dead == 0


@pytest.mark.parametrize(("n_bits", "floor"), [(8, 2), (16, 4), (32, 12), (64, 24)])
def test_all_dual_bch_words_keep_the_distance_of_the_books(n_bits, floor):
    words = dual_bch_words(min(n_dual_bch_words(n_bits), 2048), n_bits, np.random.default_rng(0))
    assert measure_anchors(words).min_distance >= floor
    assert len(np.unique(words, axis=0)) == len(words)


def test_report_counts_dead_and_duplicate_bits():
    anchors = np.array([[1, 1, 1, -1, 1], [1, -1, -1, 1, -1], [1, 1, -1, -1, 1]], np.int8)
    report = measure_anchors(anchors)
    assert report.n_dead == 1  # the first bit
    assert report.n_duplicate == 2  # the fourth is the second's opposite, the fifth its copy
    assert report.min_distance == 1
    assert report.max_imbalance == pytest.approx(0.5)


def test_bits_are_balanced_over_types():
    for n_types in (4, 12, 40, 100):
        _, report = make_anchors(n_types, 64)
        assert report.max_imbalance <= 0.34


def test_the_seed_decides():
    first, again = make_anchors(20, 64, random_state=3)[0], make_anchors(20, 64, random_state=3)[0]
    np.testing.assert_array_equal(first, again)
    assert (make_anchors(20, 64, random_state=4)[0] != first).any()


@pytest.mark.parametrize(
    ("n_types", "n_bits", "match"),
    [
        (1, 64, "at least 2 types"),
        (0, 64, "at least 2 types"),
        (5, 12, "multiple of 8"),
        (5, 0, "multiple of 8"),
        (5, -8, "multiple of 8"),
        (129, 8, "Give more bits"),
    ],
)
def test_refuses_the_impossible(n_types, n_bits, match):
    with pytest.raises(ValueError, match=match):
        make_anchors(n_types, n_bits)


@pytest.mark.parametrize(
    ("n_types", "n_bits"), [(2, 64), (128, 64), (129, 128), (256, 128), (257, 256), (9999, 256)]
)
def test_width_follows_the_number_of_types(n_types, n_bits):
    assert choose_n_bits(n_types) == n_bits
