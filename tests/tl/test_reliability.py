"""Calibration against its definition, bin by bin."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlash.tl.reliability import N_BINS, calibration

PAIRS = st.lists(
    st.tuples(st.floats(0, 1, allow_subnormal=False), st.booleans()), min_size=1, max_size=40
)


@given(PAIRS)
def test_the_error_is_that_of_the_definition(pairs):
    confidence, right = (np.array(values) for values in zip(*pairs, strict=True))
    found = calibration(confidence, right)
    expected, cells = 0.0, 0
    for k in range(N_BINS):
        inside = [(c, r) for c, r in pairs if int(c * N_BINS) == k or (k == N_BINS - 1 and c == 1)]
        if inside:
            gap = abs(np.mean([c for c, _ in inside]) - np.mean([r for _, r in inside]))
            expected += len(inside) / len(pairs) * gap
            cells += len(inside)
    assert cells == len(pairs) == sum(row["cells"] for row in found["bins"])
    assert found["ece"] == pytest.approx(expected)
    assert 0 <= found["ece"] <= 1


def test_true_confidences_have_no_error():
    found = calibration(np.repeat([0.5, 1.0], [4, 3]), np.array([1, 0, 1, 0, 1, 1, 1], dtype=bool))
    assert found["ece"] == 0
    assert [row["cells"] for row in found["bins"]] == [4, 3]
