from dataclasses import fields, replace

import numpy as np
import pytest
import scipy.sparse as sp

from atlash.codes.pack import unpack
from atlash.codes.similarity import similarity
from atlash.config import InputConfig
from atlash.data.source import open_source
from atlash.models.annotator import Prediction, _first_two
from atlash.models.encode import bind_source, encode_source, predict_chunks
from atlash.nn.inference import encode

METHODS = ["asymmetric", "hamming"]


@pytest.fixture(scope="module")
def bound(reference, fresh_counts):
    return bind_source(open_source(fresh_counts), reference.annotator, InputConfig())


@pytest.fixture(scope="module")
def projected(bound):
    return next(bound.chunks(1000))


@pytest.fixture(scope="module", params=METHODS)
def predicted(request, reference, projected, bound):
    found = reference.annotator.predict(projected, bound.measured_features, request.param)
    return request.param, found


def same(one, other):
    for field in fields(Prediction):
        np.testing.assert_array_equal(
            getattr(one, field.name), getattr(other, field.name), err_msg=field.name
        )


def test_a_prediction_is_what_codes_and_anchors_say(reference, projected, bound, predicted):
    method, found = predicted
    annotator = reference.annotator
    z = encode(projected.X, annotator.weights, bound.measured_features).z
    agreement = similarity(z, annotator.anchors, method)
    np.testing.assert_array_equal(found.nearest, agreement.argmax(axis=1))
    bits = unpack(found.codes)
    assert bits.shape[1] == annotator.n_bits + annotator.n_detail_bits
    np.testing.assert_array_equal(bits[:, : annotator.n_bits], z > 0)
    rows = np.arange(len(z))
    assert (found.nearest != found.runner_up).all()
    ordered = np.sort(agreement, axis=1)
    np.testing.assert_array_equal(agreement[rows, found.runner_up], ordered[:, -2])
    probability = annotator.calibration.probabilities(agreement, method)
    np.testing.assert_allclose(found.confidence, probability.max(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(found.sets, annotator.calibration.sets(probability, method))
    np.testing.assert_array_equal(found.n_genes, projected.n_genes)


def test_the_margin_is_in_bits(reference, predicted):
    method, found = predicted
    assert (found.margin >= 0).all()
    if method == "hamming":
        bits = unpack(found.codes)[:, : reference.annotator.n_bits]
        distances = (bits[:, None] != (reference.annotator.anchors > 0)[None]).sum(axis=2)
        rows = np.arange(len(bits))
        apart = distances[rows, found.runner_up] - distances[rows, found.nearest]
        np.testing.assert_allclose(found.margin, apart, atol=1e-4)


def test_each_cell_is_labelled_on_its_own(reference, projected, bound, predicted):
    method, found = predicted
    rows = np.array([250, 3, 3, 77])
    few = replace(
        projected,
        rows=rows,
        X=projected.X[rows],
        library=projected.library[rows],
        n_genes=projected.n_genes[rows],
    )
    again = reference.annotator.predict(few, bound.measured_features, method)
    for field in fields(Prediction):
        expected = getattr(found, field.name)[rows]
        np.testing.assert_array_equal(getattr(again, field.name), expected, err_msg=field.name)


@pytest.mark.parametrize("method", METHODS)
def test_chunks_and_threads_do_not_change_answers(reference, bound, method):
    answers = [
        Prediction.concatenate(
            [
                part
                for _, part in predict_chunks(
                    bound, reference.annotator, method, size=size, n_threads=n_threads
                )
            ]
        )
        for size, n_threads in ((1000, 1), (7, 1), (50, 3))
    ]
    same(answers[0], answers[1])
    same(answers[0], answers[2])


def test_encoding_gives_the_codes_of_predicting(reference, bound, predicted):
    method, found = predicted
    rows, codes, nearest = zip(
        *encode_source(bound, reference.annotator, size=50, n_threads=2), strict=True
    )
    packed = np.concatenate([part.packed for part in codes])
    np.testing.assert_array_equal(packed, found.codes)
    assert [part.start for part in rows] == list(range(0, 360, 50))
    if method == "asymmetric":
        np.testing.assert_array_equal(np.concatenate(nearest), found.nearest)


def test_cells_without_counts_get_no_confidence_and_all_types(reference, bound):
    empty = bound.project(sp.csr_array((2, 300), dtype=np.float32), slice(0, 2))
    found = reference.annotator.predict(empty, bound.measured_features, "asymmetric")
    np.testing.assert_array_equal(found.confidence, 0)
    np.testing.assert_array_equal(found.n_genes, 0)
    assert found.sets.all()
    assert np.isfinite(found.novelty).all()


def test_genes_weigh_what_the_first_layer_makes_of_them(reference):
    annotator = reference.annotator
    weight = annotator.gene_weight()
    assert weight.sum() == pytest.approx(1)
    norms = np.sqrt((annotator.weights.first.astype(np.float64) ** 2).sum(axis=1))
    np.testing.assert_allclose(weight[annotator.recipe.features], norms / norms.sum(), rtol=1e-4)
    assert (np.delete(weight, annotator.recipe.features) == 0).all()


def test_markers_weigh_more_than_other_genes(reference):
    weight = reference.annotator.gene_weight()
    assert weight[:36].mean() > weight[36:][weight[36:] > 0].mean()


def test_ties_go_to_the_first():
    agreement = np.array([[0.5, 0.5, 0.1], [0.1, 0.3, 0.3], [0.2, 0.2, 0.2]], np.float32)
    best, second = _first_two(agreement)
    np.testing.assert_array_equal(best, [0, 1, 0])
    np.testing.assert_array_equal(second, [1, 2, 1])


def test_parents_change_no_other_answer(reference, projected, bound, predicted):
    """A hierarchy adds probabilities of parents, and the nearest type of the likeliest."""
    method, found = predicted
    parents = ("x", "y", "x")
    two_levels = replace(reference.annotator, parents=parents)
    other = two_levels.predict(projected, bound.measured_features, method)
    assert found.of_parents.shape == (len(found.nearest), 0)
    np.testing.assert_array_equal(found.of_likeliest, found.nearest)
    same(replace(other, of_parents=found.of_parents, of_likeliest=found.of_likeliest), found)
    kind = np.array([0, 1, 0])
    np.testing.assert_array_equal(kind[other.of_likeliest], other.of_parents.argmax(axis=1))
    np.testing.assert_allclose(other.of_parents.sum(axis=1)[projected.library > 0], 1, rtol=1e-5)
    sure = other.confidence > 0.5
    np.testing.assert_array_equal(other.of_likeliest[sure], other.nearest[sure])
