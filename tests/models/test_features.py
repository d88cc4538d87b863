import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from atlash.data.variable import MIN_BATCH
from atlash.models.features import MIN_CELLS, VARIANCE_FLOOR, choose_features, marker_scores

N_GENES = 60
SEEDS = st.integers(0, 500)


def draw(seed, sizes=(40, 40, 40), n_batches=2):
    """Three types with markers 0-4, 5-9 and 10-14; gene 59 is silent."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    mean = np.full((len(sizes), N_GENES), 2.0)
    for kind in range(len(sizes)):
        mean[kind, 5 * kind : 5 * kind + 5] = 12
    mean[:, -1] = 0
    dense = rng.poisson(mean[labels]).astype(np.float64)
    return dense, labels, rng.integers(0, n_batches, len(labels))


def slow_scores(dense, labels, groups):
    """Score type by type and batch by batch, from the definition."""
    logged, n_types = np.log1p(dense), labels.max() + 1
    batches = [groups == g for g in np.unique(groups) if (groups == g).sum() >= MIN_BATCH]
    batches = batches or [np.ones(len(labels), dtype=bool)]
    scores = np.zeros((n_types, dense.shape[1]))
    for kind in range(n_types):
        seen = []
        for batch in [*batches, np.ones(len(labels), dtype=bool)]:
            inside, others = logged[batch & (labels == kind)], logged[batch & (labels != kind)]
            if batch.all() and seen:
                continue
            if len(inside) < MIN_CELLS or len(others) < MIN_CELLS:
                continue
            variance = logged[batch].var(axis=0)
            difference = inside.mean(axis=0) - others.mean(axis=0)
            error = np.sqrt(inside.var(axis=0) / len(inside) + variance / len(others)) + 1e-9
            certainty = np.minimum(1, np.abs(difference) / (2 * error))
            seen.append(difference / np.sqrt(variance + VARIANCE_FLOOR) * certainty)
        if seen:
            scores[kind] = np.abs(np.mean(seen, axis=0))
    return scores


def choose(dense, labels, groups, *, n_features, marker_share=0.5):
    return choose_features(
        sp.csr_array(dense), labels, groups, n_features=n_features, marker_share=marker_share
    )


@given(SEEDS, st.integers(1, 4))
def test_marker_scores_are_the_definition(seed, n_batches):
    dense, labels, groups = draw(seed, n_batches=n_batches)
    found = marker_scores(sp.csr_array(dense), labels, groups)
    np.testing.assert_allclose(found, slow_scores(dense, labels, groups), atol=1e-9)


def test_a_type_that_no_batch_can_judge_is_judged_over_all_cells():
    dense, labels, groups = draw(0, sizes=(60, 60, 4))
    groups[-4:] = [0, 0, 1, 1]  # two cells in each batch are too few
    found = marker_scores(sp.csr_array(dense), labels, groups)
    np.testing.assert_allclose(found, slow_scores(dense, labels, groups), atol=1e-9)
    assert set(np.argsort(-found[2])[:5]) == set(range(10, 15))


@pytest.mark.parametrize("size", [1, 2])
def test_types_of_too_few_cells_have_no_markers_and_do_no_harm(size):
    dense, labels, groups = draw(0, sizes=(40, 40, size))
    scores = marker_scores(sp.csr_array(dense), labels, groups)
    np.testing.assert_array_equal(scores[2], 0)
    assert np.isfinite(scores).all()
    chosen = choose(dense, labels, groups, n_features=20)
    assert set(range(10)) <= set(chosen)


def test_batches_of_too_few_cells_have_no_say():
    dense, labels, _ = draw(0)
    groups = np.zeros(len(labels), dtype=np.int64)
    groups[:: len(labels) // MIN_BATCH] = 1
    groups[0] = 0
    rest = groups == 0
    assert 0 < (~rest).sum() < MIN_BATCH
    np.testing.assert_allclose(
        marker_scores(sp.csr_array(dense), labels, groups),
        marker_scores(sp.csr_array(dense[rest]), labels[rest], None),
    )


def test_where_every_batch_is_small_all_cells_are_one():
    dense, labels, _ = draw(0)
    each_its_own = np.arange(len(labels))
    np.testing.assert_array_equal(
        marker_scores(sp.csr_array(dense), labels, each_its_own),
        marker_scores(sp.csr_array(dense), labels, None),
    )


def test_a_gene_that_a_type_lacks_marks_it_too():
    dense, labels, groups = draw(0)
    dense[labels == 1, 40] = 0
    dense[labels != 1, 40] += 8
    assert np.argmax(marker_scores(sp.csr_array(dense), labels, groups)[1]) == 40


def test_a_gene_that_differs_by_batch_only_marks_nothing():
    dense, labels, _ = draw(0, sizes=(60, 60))
    groups = np.repeat([0, 1, 0, 1], [50, 10, 10, 50])  # types and batches go together
    dense[groups == 1, 30] += 20
    by_batch = marker_scores(sp.csr_array(dense), labels, groups)[0]
    blind = marker_scores(sp.csr_array(dense), labels, None)[0]
    assert by_batch[30] < 0.3 < blind[30]


@given(SEEDS)
def test_markers_of_every_type_are_chosen(seed):
    dense, labels, groups = draw(seed)
    chosen = choose(dense, labels, groups, n_features=40)
    assert set(range(15)) <= set(chosen)
    assert len(chosen) == len(set(chosen)) == 40
    assert chosen.dtype == np.int32
    assert (np.diff(chosen) > 0).all()


def test_markers_of_a_rare_type_are_chosen_too():
    dense, labels, groups = draw(0, sizes=(200, 200, 8))
    chosen = choose(dense, labels, groups, n_features=20, marker_share=1.0)
    assert len(set(range(10, 15)) & set(chosen)) >= 4


def test_the_choice_is_the_same_every_time():
    dense, labels, groups = draw(1)
    one, same = (choose(dense, labels, groups, n_features=25) for _ in range(2))
    np.testing.assert_array_equal(one, same)


@pytest.mark.parametrize("n_features", [59, 60, 2000])
def test_genes_that_no_cell_has_are_never_chosen(n_features):
    dense, labels, groups = draw(2)
    dense[:, [20, 31]] = 0
    stored = sp.csr_array(dense)
    stored.data[stored.indices == 40] = 0  # stored zeros are no counts either
    chosen = choose_features(stored, labels, groups, n_features=n_features, marker_share=0.5)
    np.testing.assert_array_equal(chosen, np.setdiff1d(np.arange(59), [20, 31, 40]))


def test_few_features_leave_silent_genes_out_too():
    dense, labels, groups = draw(2)
    dense[:, 20:] = 0
    assert choose(dense, labels, groups, n_features=19).max() < 20


def test_a_gene_of_a_small_batch_goes_before_one_that_no_cell_has():
    dense, labels, _ = draw(2)
    groups = (np.arange(len(labels)) < MIN_BATCH - 1).astype(np.int64)
    dense[:, 20] = 0
    dense[groups == 0, 50:52] = 0  # alike to the large batch: all three are silent
    chosen = choose(dense, labels, groups, n_features=57, marker_share=0.0)
    assert 20 not in chosen
    assert (dense[:, chosen] > 0).any(axis=0).all()


@pytest.mark.parametrize("marker_share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("groups", [None, "some"])
def test_as_many_genes_as_wanted_whatever_the_share(marker_share, groups):
    dense, labels, batches = draw(3)
    chosen = choose(
        dense, labels, batches if groups else None, n_features=30, marker_share=marker_share
    )
    assert len(chosen) == 30


def test_the_rest_are_the_most_variable_genes():
    dense, labels, groups = draw(4)
    rng = np.random.default_rng(0)
    dense[:, 50] = rng.poisson(rng.choice([0.2, 3.8], len(labels)))  # varies within types
    assert 50 in choose(dense, labels, groups, n_features=20, marker_share=0.5)
    assert 50 not in choose(dense, labels, groups, n_features=15, marker_share=1.0)
