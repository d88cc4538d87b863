"""The 700 blood cells of scanpy's wheel: log-normalised in ``raw``, scaled in ``X``."""

import warnings

import numpy as np
import pytest

from atlash.config import AnnotateConfig
from atlash.errors import ScaleError
from atlash.keys import AnnotationKeys
from atlash.reference import Reference
from atlash.tl import annotate
from atlash.tl.scores import score_labels

scanpy = pytest.importorskip("scanpy", reason="these cells ship inside scanpy")
KEYS = AnnotationKeys()
LABELS = "bulk_labels"


@pytest.fixture(scope="module")
def blood():
    with warnings.catch_warnings():  # the file is of an old anndata
        warnings.simplefilter("ignore")
        return scanpy.datasets.pbmc68k_reduced()


@pytest.fixture(scope="module")
def held_out(blood):
    """A third of the cells."""
    return np.random.default_rng(0).permutation(blood.n_obs) < blood.n_obs // 3


@pytest.fixture(scope="module")
def trained(blood, held_out, quick):
    return Reference.build(blood[~held_out].copy(), LABELS, layer="raw", config=quick)


@pytest.fixture(scope="module")
def annotated(blood, held_out, trained, quiet):
    return annotate(blood[held_out].copy(), trained, layer="raw", config=quiet, copy=True)


def test_held_out_cells_get_their_types(annotated):
    assigned = (annotated.obs[KEYS.status] == "assigned").to_numpy()
    found = score_labels(annotated.obs[LABELS], annotated.obs[KEYS.nearest], assigned)
    assert found.accuracy > 0.75
    assert found.macro_f1 > 0.6
    assert found.accuracy_assigned >= found.accuracy
    assert 0.5 < assigned.mean() < 1


def test_confidence_is_worth_its_name(annotated):
    """Sure cells are right more often than unsure ones, and about as often as they say."""
    right = annotated.obs[KEYS.nearest].astype(str) == annotated.obs[LABELS].astype(str)
    confidence = annotated.obs[KEYS.confidence]
    assert right[confidence > 0.9].mean() > right[confidence < 0.7].mean() + 0.2
    assert abs(confidence.mean() - right.mean()) < 0.1


def test_conformal_sets_hold_the_truth(annotated, trained):
    column = np.array([trained.types.index(name) for name in annotated.obs[LABELS]])
    sets = annotated.obsm[KEYS.sets]
    assert sets[np.arange(len(column)), column].mean() > 0.8
    assert sets.mean() < 0.5


def test_least_confidence_is_the_border_between_types(blood, held_out, trained, annotated):
    cells = blood[held_out].copy()
    config = AnnotateConfig(min_confidence=0.8, progress=False)
    annotate(cells, trained, layer="raw", config=config)
    between = cells.obs[KEYS.reason] == "between types"
    within = annotated.obs[KEYS.novelty] <= -np.log10(config.max_lost)
    unsure = annotated.obs[KEYS.confidence] < np.float32(0.8)
    assert between.any()
    np.testing.assert_array_equal(between, unsure & within)


def test_the_scale_is_found_and_genes_are_known_by_name(annotated, trained):
    told = annotated.uns[KEYS.provenance]["input"]
    assert told["scale"] == "log1p"
    assert told["n_genes_shared"] == len(trained.annotator.recipe.genes) == 765


def test_scaled_values_are_refused_and_raw_is_offered(blood, held_out, trained, quick, quiet):
    with pytest.raises(ScaleError, match=r"X looks scaled: .* try `layer='raw'`"):
        Reference.build(blood, LABELS, config=quick)
    with pytest.raises(ScaleError, match=r"X looks scaled: .* try `layer='raw'`"):
        annotate(blood[held_out].copy(), trained, config=quiet)


def test_a_saved_reference_answers_alike(annotated, trained, quiet, tmp_path):
    trained.save(tmp_path / "blood.atlash")
    found = annotate(
        annotated,
        Reference.load(tmp_path / "blood.atlash"),
        layer="raw",
        config=quiet,
        copy=True,
    )
    np.testing.assert_array_equal(found.obsm[KEYS.codes], annotated.obsm[KEYS.codes])
    np.testing.assert_array_equal(found.obs[KEYS.confidence], annotated.obs[KEYS.confidence])
