"""What must not be known is not read: labels of the query, and cells that are held out."""

from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from atlash.config import AnnotateConfig
from atlash.keys import AnnotationKeys
from atlash.models.learn import learn
from atlash.models.trainer import LearnOptions
from atlash.reference import Reference
from atlash.tl import annotate

KEYS = AnnotationKeys()


def annotated(cells, reference):
    return annotate(cells, reference, config=AnnotateConfig(progress=False), copy=True)


@pytest.mark.parametrize(
    "labels",
    [
        np.full(360, np.nan),
        ["unassigned"] * 360,
        np.arange(360.0),
        pd.Categorical([None] * 360, categories=["T cell"]),
    ],
    ids=["NaN", "unassigned", "numbers", "no category"],
)
def test_labels_of_the_query_are_neither_read_nor_touched(fresh_counts, reference, labels):
    expected = annotated(fresh_counts, reference)
    cells = fresh_counts.copy()
    cells.obs["cell_type"] = labels
    before = cells.obs.copy()
    found = annotated(cells, reference)
    pd.testing.assert_frame_equal(found.obs[["cell_type", "batch"]], before)
    for key in (KEYS.label, KEYS.confidence, KEYS.novelty):
        np.testing.assert_array_equal(found.obs[key].to_numpy(), expected.obs[key].to_numpy())


def poisoned(cells, rows):
    """Return the cells with NaN in all of some rows."""
    X = cells.X.toarray()
    X[rows] = np.nan
    found = cells.copy()
    found.X = sp.csr_matrix(X)
    return found


@pytest.mark.parametrize("backed", [False, True], ids=["in memory", "on disk"])
def test_a_view_is_learned_from_alone(atlas_counts, tiny, tmp_path, backed):
    """Held-out rows full of NaN would be refused if a single one of them were read."""
    held_out = np.arange(0, 360, 4)
    kept = np.setdiff1d(np.arange(360), held_out)
    poison = poisoned(atlas_counts, held_out)
    if backed:
        poison.write_h5ad(tmp_path / "poison.h5ad")
        poison = ad.read_h5ad(tmp_path / "poison.h5ad", backed="r")
    found = Reference.build(poison[kept], "cell_type", "batch", config=tiny)
    expected = Reference.build(atlas_counts[kept].copy(), "cell_type", "batch", config=tiny)
    assert found.fingerprint == expected.fingerprint


def test_cells_without_a_label_teach_nothing_unless_asked_to(atlas_counts, tiny):
    """Neither genes, nor statistics, nor weights come from them."""
    from atlash.reference.labels import UnlabelledCellsWarning

    unlabelled = np.arange(0, 360, 4)
    rest = np.setdiff1d(np.arange(360), unlabelled)
    fingerprints = set()
    for factor in (1, 7):
        cells = atlas_counts.copy()
        cells.obs.loc[cells.obs_names[unlabelled], "cell_type"] = np.nan
        X = cells.X.toarray()
        X[unlabelled] *= factor
        X[unlabelled, :20] += factor
        cells.X = sp.csr_matrix(X)
        with pytest.warns(UnlabelledCellsWarning, match="90 of 360"):
            built = Reference.build(cells, "cell_type", "batch", config=tiny)
        fingerprints.add(built.fingerprint)
        assert built.meta["n_cells"] == built.cells.num_rows == 270
    alone = Reference.build(atlas_counts[rest].copy(), "cell_type", "batch", config=tiny)
    assert fingerprints == {alone.fingerprint}
    asked = Reference.build(cells, "cell_type", "batch", config=replace(tiny, use_unlabelled=True))
    assert asked.fingerprint != alone.fingerprint
    threads = replace(tiny, use_unlabelled=True, n_threads=3)
    again = Reference.build(cells, "cell_type", "batch", config=threads)
    assert again.fingerprint == asked.fingerprint
    assert asked.meta["n_unlabelled_seen"] == 90
    assert asked.cells.num_rows == 270


def test_inner_folds_hold_whole_batches_out(atlas_counts, tiny, monkeypatch):
    """Confidence is calibrated on batches that the encoders calibrated have not seen."""
    from atlash.models import folds as module

    seen = []
    take = module.group_folds

    def noting(labels, groups, **options):
        found = take(labels, groups, **options)
        seen.extend(tuple(np.unique(groups[part]).tolist() for part in fold) for fold in found)
        return found

    monkeypatch.setattr(module, "group_folds", noting)
    Reference.build(atlas_counts, "cell_type", "batch", config=tiny)
    assert sorted(seen) == [([0], [1]), ([1], [0])]


def test_names_of_types_and_cells_carry_no_information(atlas_counts, reference, tiny):
    """Renaming them, in the same order, gives the same encoder."""
    cells = atlas_counts.copy()
    cells.obs["cell_type"] = cells.obs["cell_type"].cat.rename_categories(["x", "y", "z"])
    cells.obs_names = [f"other{k}" for k in range(360)]
    found = Reference.build(cells, "cell_type", "batch", config=tiny)
    assert found.cells.column("code") == reference.cells.column("code")
    np.testing.assert_array_equal(found.annotator.weights.first, reference.annotator.weights.first)


def test_learning_takes_counts_and_labels_and_nothing_else():
    """The learning function has no way to a file, an AnnData, or a query.

    An encoder that was pre-trained without labels may be given, as its weights and genes, and the
    parents of types.
    """
    import inspect

    assert list(inspect.signature(learn).parameters) == [
        "cells", "genes", "types", "config", "options", "family",
    ]  # fmt: skip
    fields = list(inspect.signature(LearnOptions).parameters)
    assert fields == ["device", "random_state", "n_threads", "progress", "encoder"]
