"""Agreement with the truth, against counting by hand."""

import numpy as np
import pandas as pd
import pytest

from atlash.tl.scores import score_labels

TRUTH = pd.Series(["T", "T", "T", "B", "B", "NK"])
GIVEN = pd.Series(["T", "T", "B", "B", "B", "T"])
ASSIGNED = np.array([True, True, False, True, True, True])


def test_scores_are_those_counted_by_hand():
    found = score_labels(TRUTH, GIVEN, ASSIGNED)
    expected = pd.DataFrame(
        {
            "cells": [3, 2, 1],
            "precision": [2 / 3, 2 / 3, 0],
            "recall": [2 / 3, 1, 0],
            "f1": [2 / 3, 4 / 5, 0],
        },
        index=["T", "B", "NK"],
    )
    pd.testing.assert_frame_equal(found.per_type, expected)
    assert found.accuracy == pytest.approx(4 / 6)
    assert found.macro_f1 == pytest.approx((2 / 3 + 4 / 5) / 3)
    assert (found.n_cells, found.n_unassigned) == (6, 1)
    assert found.accuracy_assigned == pytest.approx(4 / 5)


def test_categories_and_strings_score_alike():
    plain = score_labels(TRUTH, GIVEN, ASSIGNED)
    found = score_labels(TRUTH.astype("category"), GIVEN.astype("category"), ASSIGNED)
    pd.testing.assert_frame_equal(found.per_type, plain.per_type)


def test_a_type_given_but_never_true_counts_as_wrong_alone():
    found = score_labels(pd.Series(["T", "B"]), pd.Series(["T", "DC"]), np.ones(2, dtype=bool))
    assert list(found.per_type.index) == ["B", "T"]
    assert found.macro_f1 == pytest.approx(0.5)


def test_without_assigned_cells_their_accuracy_is_unknown():
    found = score_labels(TRUTH, GIVEN, np.zeros(6, dtype=bool))
    assert np.isnan(found.accuracy_assigned)
    assert found.n_unassigned == 6
