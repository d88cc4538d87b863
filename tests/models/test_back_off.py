"""A cell has the parent of its type, the likeliest parent, or none."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlash.keys import BETWEEN_TYPES, NO_REASON, OUT_OF_REACH, REASONS, TOO_FEW_GENES
from atlash.models.annotator import Prediction
from atlash.models.back_off import answer_parents
from atlash.models.decide import Limits, reasons
from atlash.models.family import Family

FAMILY = Family.of(["p", "q", "q", "r"])
LIMITS = Limits(min_confidence=0.5, max_novelty=1.5, min_genes=20)


def predicted(probability, novelty=None, n_genes=None):
    probability = np.asarray(probability)
    n = len(probability)
    order = np.argsort(-probability, axis=1, kind="stable")
    return Prediction(
        codes=np.zeros((n, 8), np.uint8),
        nearest=order[:, 0],
        runner_up=order[:, 1],
        margin=np.zeros(n, np.float32),
        confidence=probability.max(axis=1).astype(np.float32),
        sets=np.ones_like(probability, dtype=bool),
        novelty=np.zeros(n, np.float32) if novelty is None else novelty,
        n_genes=np.full(n, 100, np.int32) if n_genes is None else n_genes,
        of_parents=FAMILY.probabilities(probability),
        of_likeliest=order[:, 0],
    )


def answered(found, limits=LIMITS, *, force=False):
    reason = reasons(found, limits)
    given_ = answer_parents(
        found, found.nearest, FAMILY, reason=reason, limits=limits, force=force
    )
    return reason, given_


@pytest.mark.parametrize(
    ("probability", "parent", "confidence", "backed_off"),
    [
        ([0.6, 0.2, 0.1, 0.1], 0, 0.6, False),
        ([0.1, 0.6, 0.2, 0.1], 1, 0.8, False),
        ([0.1, 0.45, 0.4, 0.05], 1, 0.85, True),
        ([0.4, 0.3, 0.3, 0.0], 1, 0.6, True),  # the nearest type is of another parent
        ([0.3, 0.25, 0.2, 0.25], -1, 0.45, False),
        ([0.0, 0.25, 0.25, 0.5], 2, 0.5, False),
    ],
)
def test_the_rule(probability, parent, confidence, backed_off):
    _, found = answered(predicted([probability]))
    assert found.parent[0] == parent
    assert found.confidence[0] == pytest.approx(confidence)
    assert found.backed_off[0] == backed_off


@pytest.mark.parametrize(
    ("novelty", "n_genes", "why"), [(2.0, 100, OUT_OF_REACH), (0.0, 3, TOO_FEW_GENES)]
)
def test_a_sure_parent_is_no_answer_to_other_reasons(novelty, n_genes, why):
    found = predicted([[0.1, 0.45, 0.4, 0.05]], np.full(1, novelty), np.full(1, n_genes))
    reason, given_ = answered(found)
    assert REASONS[reason[0]] == why
    assert (given_.parent[0], given_.backed_off[0]) == (-1, False)


def test_force_gives_the_parent_of_the_type():
    found = predicted([[0.4, 0.3, 0.3, 0.0], [0.3, 0.25, 0.2, 0.25]])
    _, given_ = answered(found, force=True)
    np.testing.assert_array_equal(given_.parent, FAMILY.of_type[found.nearest])
    np.testing.assert_allclose(given_.confidence, [0.4, 0.3], rtol=1e-6)
    np.testing.assert_array_equal(given_.backed_off, [True, False])


@given(st.integers(0, 300), st.sampled_from([0.0, 0.3, 0.5, 0.9, 1.0]), st.booleans())
def test_answers_of_the_two_levels_never_disagree(seed, least, force):
    rng = np.random.default_rng(seed)
    found = predicted(
        rng.dirichlet(np.full(4, 0.5), 50), 2 * rng.random(50), rng.integers(0, 100, 50)
    )
    limits = replace(LIMITS, min_confidence=least)
    reason, given_ = answered(found, limits, force=force)
    has_type = (reason == REASONS.index(NO_REASON)) | force
    np.testing.assert_array_equal(given_.parent[has_type], FAMILY.of_type[found.nearest[has_type]])
    between = reason == REASONS.index(BETWEEN_TYPES)
    assert not (given_.backed_off & ~between).any()
    rest = ~has_type
    np.testing.assert_array_equal(given_.parent[rest] >= 0, given_.backed_off[rest])
    assert (given_.confidence[given_.backed_off & rest] >= least).all()
    lost = between & rest & ~given_.backed_off
    assert (found.of_parents[lost].max(axis=1) < least).all()
