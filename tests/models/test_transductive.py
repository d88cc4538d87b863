from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from atlash.config import InputConfig
from atlash.data.source import open_source
from atlash.models.annotator import Prediction
from atlash.models.encode import bind_source, predict_chunks
from atlash.models.transductive import matched_to_query, vote_by_group

SEEDS = st.integers(0, 300)


def draw(seed, n=40, n_types=4):
    rng = np.random.default_rng(seed)
    nearest = rng.integers(0, n_types, n)
    found = Prediction(
        codes=rng.integers(0, 3, (n, 1)).astype(np.uint8),
        nearest=nearest,
        runner_up=nearest,
        margin=np.zeros(n, np.float32),
        confidence=rng.random(n).astype(np.float32),
        sets=np.zeros((n, n_types), dtype=bool),
        novelty=np.zeros(n, np.float32),
        n_genes=np.full(n, 100, np.int32),
        of_parents=np.empty((n, 0), np.float32),
        of_likeliest=nearest,
    )
    return found, rng


def slow_vote(found, groups, assigned):
    votes = defaultdict(lambda: defaultdict(float))
    for group, kind, confidence, votes_too in zip(
        groups, found.nearest, found.confidence, assigned, strict=True
    ):
        if votes_too and group is not None:
            votes[group][kind] += float(confidence)
    return [
        max(sorted(votes[group]), key=votes[group].get) if votes[group] else own
        for group, own in zip(groups, found.nearest, strict=True)
    ]


@given(SEEDS)
def test_clusters_vote_with_confidence(seed):
    found, rng = draw(seed)
    groups = rng.choice(np.array(["a", "b", "c", None], dtype=object), 40)
    assigned = rng.random(40) < 0.7
    voted = vote_by_group(found, pd.Series(groups), assigned=assigned)
    np.testing.assert_array_equal(voted, slow_vote(found, groups, assigned))


@given(SEEDS)
def test_cells_of_one_code_are_a_group(seed):
    found, rng = draw(seed)
    assigned = rng.random(40) < 0.7
    voted = vote_by_group(found, found.codes, assigned=assigned)
    expected = slow_vote(found, [bytes(code) for code in found.codes], assigned)
    np.testing.assert_array_equal(voted, expected)


@pytest.mark.parametrize("make", [pd.Categorical, np.array])
def test_any_kind_of_column_names_clusters(make):
    found, _ = draw(0, n=6)
    names = ["x", "y"] * 3
    voted = vote_by_group(found, pd.Series(make(names)), assigned=np.ones(6, dtype=bool))
    np.testing.assert_array_equal(voted, slow_vote(found, names, [True] * 6))


def test_a_group_without_a_vote_keeps_its_own():
    found, _ = draw(1)
    nobody = np.zeros(40, dtype=bool)
    voted = vote_by_group(found, pd.Series(["a"] * 40), assigned=nobody)
    np.testing.assert_array_equal(voted, found.nearest)


def test_cells_without_any_cluster_keep_their_own():
    found, _ = draw(1)
    nowhere = pd.Series([np.nan] * 40, dtype=object)
    voted = vote_by_group(found, nowhere, assigned=np.ones(40, dtype=bool))
    np.testing.assert_array_equal(voted, found.nearest)


def test_cells_that_do_not_vote_still_follow_their_group():
    found, _ = draw(2)
    assigned = np.zeros(40, dtype=bool)
    assigned[0] = True
    voted = vote_by_group(found, pd.Series(["a"] * 40), assigned=assigned)
    np.testing.assert_array_equal(voted, found.nearest[0])


@pytest.fixture
def bind(reference):
    def bind(cells):
        return bind_source(open_source(cells), reference.annotator, InputConfig(scale="counts"))

    return bind


def predict(annotator, bound):
    chunks = predict_chunks(bound, annotator, "asymmetric", size=100, n_threads=1)
    return Prediction.concatenate([part for _, part in chunks])


def test_matching_uses_the_mean_and_scale_of_the_query(reference, fresh_counts, bind):
    bound = bind(fresh_counts)
    weights = matched_to_query(reference.annotator, bound, 7).weights
    dense = sp.vstack([part.X for part in bound.chunks(1000)]).toarray().astype(np.float64)
    np.testing.assert_allclose(weights.mean, dense.mean(axis=0), atol=1e-5)
    scale, own = dense.std(axis=0), reference.annotator.weights.inverse_scale
    expected = np.where(scale > 1e-6, 1 / np.maximum(scale, 1e-6), own)
    np.testing.assert_allclose(weights.inverse_scale, expected, rtol=1e-3)


def test_matching_changes_the_standardisation_and_nothing_else(reference, fresh_counts, bind):
    matched = matched_to_query(reference.annotator, bind(fresh_counts), 100)
    before, after = reference.annotator.weights.arrays(), matched.weights.arrays()
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {"mean", "inverse_scale"}
    assert matched.calibration is reference.annotator.calibration
    assert matched.recipe is reference.annotator.recipe


def test_matching_undoes_a_shift_of_every_gene(reference, fresh_counts, bind):
    # half of the molecules of every other gene are lost: a batch effect by multiplication
    shifted = fresh_counts.copy()
    rng = np.random.default_rng(0)
    other = np.flatnonzero(np.isin(shifted.X.indices % 2, 1))
    shifted.X.data[other] = rng.binomial(shifted.X.data[other].astype(int), 0.3)
    bound = bind(shifted)
    truth = fresh_counts.obs["cell_type"].to_numpy()
    names = np.array(reference.types)
    right = [
        (names[predict(annotator, bound).nearest] == truth).mean()
        for annotator in (
            reference.annotator,
            matched_to_query(reference.annotator, bound, 100),
        )
    ]
    assert right[1] >= right[0]
    assert right[1] > 0.9


def test_a_lone_cell_is_all_mean_and_breaks_nothing(reference, fresh_counts, bind):
    answers = []
    for row in (0, 200):
        bound = bind(fresh_counts[[row]].copy())
        matched = matched_to_query(reference.annotator, bound, 100)
        assert np.isfinite(matched.weights.inverse_scale).all()
        answers.append(predict(matched, bound).confidence)
    np.testing.assert_allclose(*answers, rtol=1e-4)  # nothing of either cell is left
