from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import atlash
from atlash.config import InputConfig
from atlash.data.source import open_source
from atlash.errors import ReferenceFileError
from atlash.models.annotator import Prediction
from atlash.models.encode import bind_source
from atlash.models.exemplars import NO_BATCH
from atlash.reference.state import (
    BATCHES,
    anchor_frame,
    annotator_arrays,
    gene_frame,
    restore_annotator,
)

N_CELLS = np.array([120, 120, 120])


@pytest.fixture
def parts(reference):
    annotator = reference.annotator
    return {
        "arrays": annotator_arrays(annotator),
        "genes": gene_frame(annotator),
        "anchors": anchor_frame(annotator, N_CELLS),
        "target_sum": annotator.recipe.target_sum,
    }


def restore(parts):
    return restore_annotator(
        parts["arrays"], parts["genes"], parts["anchors"], target_sum=parts["target_sum"]
    )


@pytest.mark.parametrize("method", ["asymmetric", "hamming"])
def test_a_restored_annotator_answers_the_same(reference, fresh_counts, parts, method):
    answers = []
    for annotator in (reference.annotator, restore(parts)):
        bound = bind_source(open_source(fresh_counts), annotator, InputConfig())
        cells = next(bound.chunks(1000))
        answers.append(annotator.predict(cells, bound.measured_features, method))
    for field in fields(Prediction):
        before, after = (getattr(answer, field.name) for answer in answers)
        np.testing.assert_array_equal(before, after, err_msg=field.name)


def test_what_is_restored_is_stored_the_same(reference, parts):
    again = restore(parts)
    assert again.types == reference.types
    np.testing.assert_array_equal(again.anchors, reference.annotator.anchors)
    arrays = annotator_arrays(again)
    assert list(arrays) == list(parts["arrays"])
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, parts["arrays"][name], err_msg=name)
        assert array.dtype == parts["arrays"][name].dtype
    assert gene_frame(again).equals(parts["genes"])
    assert anchor_frame(again, N_CELLS).equals(parts["anchors"])


def test_genes_say_what_they_are_to_the_encoder(reference, parts):
    genes, recipe = parts["genes"], reference.annotator.recipe
    assert list(genes["id"]) == list(recipe.genes.ids)
    assert genes["weight"].sum() == pytest.approx(1)
    assert genes["fraction"].sum() == pytest.approx(1)
    read = genes[genes["feature"] >= 0].sort_values("feature")
    np.testing.assert_array_equal(read.index, recipe.features)
    assert ((genes["weight"] > 0) == (genes["feature"] >= 0)).all()


def test_anchors_carry_types_bits_and_cells(reference, parts):
    anchors = parts["anchors"]
    assert list(anchors["label"]) == reference.types
    assert {len(bits) for bits in anchors["bits"]} == {reference.annotator.n_bits // 8}
    assert list(anchors["n_cells"]) == list(N_CELLS)


def test_every_array_is_needed(parts):
    for name in set(parts["arrays"]) - {BATCHES}:
        arrays = {other: array for other, array in parts["arrays"].items() if other != name}
        with pytest.raises(ReferenceFileError, match=name):
            restore(parts | {"arrays": arrays})


def test_exemplars_of_older_references_are_of_no_known_batch(reference, parts):
    arrays = {name: array for name, array in parts["arrays"].items() if name != BATCHES}
    kept, older = reference.annotator.exemplars, restore(parts | {"arrays": arrays}).exemplars
    assert set(kept.batches) == {0, 1}
    np.testing.assert_array_equal(older.batches, np.full(len(kept.labels), NO_BATCH))
    np.testing.assert_array_equal(older.data, kept.data)


@pytest.mark.parametrize("column", ["id", "fraction", "feature"])
def test_every_column_of_genes_is_needed(parts, column):
    with pytest.raises(ReferenceFileError, match=rf"{column}.*save it anew"):
        restore(parts | {"genes": parts["genes"].drop(columns=column)})


@pytest.mark.parametrize("column", ["label", "bits"])
def test_every_column_of_anchors_is_needed(parts, column):
    with pytest.raises(ReferenceFileError, match=rf"{column}.*save it anew"):
        restore(parts | {"anchors": parts["anchors"].drop(columns=column)})


def test_anchors_of_different_lengths_do_not_fit(parts):
    parts["anchors"].at[1, "bits"] = b"\0"
    with pytest.raises(ReferenceFileError, match="do not fit together"):
        restore(parts)


def test_no_anchors_do_not_fit(parts):
    with pytest.raises(ReferenceFileError, match="do not fit together"):
        restore(parts | {"anchors": parts["anchors"].iloc[:0]})


def test_genes_of_another_encoder_do_not_fit(parts):
    genes = parts["genes"].copy()
    genes.loc[genes["feature"] == 0, "feature"] = 5000
    with pytest.raises(ReferenceFileError, match="do not fit together"):
        restore(parts | {"genes": genes})


@pytest.mark.parametrize("change", ["cut", "turned", "another type", "other numbers"])
def test_changed_arrays_are_found_even_without_looking_at_sums(reference, tmp_path, change):
    """The fingerprint covers every name, shape, type and number."""
    path = tmp_path / "one.atlash"
    replace(reference).save(path)  # a saved reference reads its cells from there
    stored = next(Path(path).glob("encoder.*.safetensors"))
    arrays = load_file(stored)
    second = arrays["encoder.second"]
    arrays["encoder.second"] = {
        "cut": second[:, :-1],
        "turned": second.transpose(0, 2, 1),
        "another type": second.astype(np.float64),
        "other numbers": second + np.float32(1e-6),
    }[change].copy()
    save_file(arrays, stored)
    with pytest.raises(ReferenceFileError):
        atlash.Reference.load(path, verify=False)
