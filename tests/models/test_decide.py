import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlash.keys import BETWEEN_TYPES, NO_REASON, OUT_OF_REACH, REASONS, TOO_FEW_GENES
from atlash.models.annotator import Prediction
from atlash.models.decide import Limits, reasons

LIMITS = Limits(min_confidence=0.5, max_novelty=1.5, min_genes=20)


def prediction(confidence, novelty, n_genes):
    n = len(confidence)
    nothing = np.zeros(n, dtype=np.int64)
    return Prediction(
        codes=np.zeros((n, 8), np.uint8),
        nearest=nothing,
        runner_up=nothing,
        margin=np.zeros(n, np.float32),
        confidence=np.array(confidence, np.float32),
        sets=np.ones((n, 2), dtype=bool),
        novelty=np.array(novelty, np.float32),
        n_genes=np.array(n_genes, np.int32),
        of_parents=np.empty((n, 0), np.float32),
        of_likeliest=nothing,
    )


def reason(confidence, novelty, n_genes, limits=LIMITS):
    return REASONS[reasons(prediction([confidence], [novelty], [n_genes]), limits)[0]]


@pytest.mark.parametrize(
    ("confidence", "novelty", "n_genes", "expected"),
    [
        (0.9, 0.1, 500, NO_REASON),
        (0.4, 0.1, 500, BETWEEN_TYPES),
        (0.9, 2.0, 500, OUT_OF_REACH),
        (0.4, 2.0, 500, OUT_OF_REACH),
        (0.9, 0.1, 19, TOO_FEW_GENES),
        (0.4, 0.1, 19, TOO_FEW_GENES),
        (0.9, 2.0, 19, TOO_FEW_GENES),
        (0.4, 2.0, 19, TOO_FEW_GENES),
        (0.0, 0.0, 0, TOO_FEW_GENES),
    ],
)
def test_the_first_reason_that_holds_is_given(confidence, novelty, n_genes, expected):
    assert reason(confidence, novelty, n_genes) == expected


def test_cells_at_the_limits_are_assigned():
    assert reason(0.5, 1.5, 20) == NO_REASON


def test_limits_that_exclude_nothing_assign_every_cell():
    limits = Limits(min_confidence=0.0, max_novelty=np.inf, min_genes=0)
    assert reason(0.0, 30.0, 0, limits) == NO_REASON


@given(
    st.lists(
        st.tuples(st.floats(0, 1, width=32), st.floats(0, 9, width=32), st.integers(0, 60)),
        max_size=30,
    )
)
def test_each_cell_is_judged_on_its_own(cells):
    found = reasons(prediction(*zip(*cells, strict=True)) if cells else prediction([], [], []),
                    LIMITS)  # fmt: skip
    assert [REASONS[k] for k in found] == [reason(*cell) for cell in cells]
    assert found.dtype == np.int8
