"""Labels and batches that a reference cannot be built from."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from atlash.errors import InputError, KeyNotFoundError, LabelsError
from atlash.reference import Reference
from atlash.reference.labels import RareTypeWarning, UnlabelledCellsWarning


def build(cells, config, labels_key="cell_type", batch_key="batch"):
    return Reference.build(cells, labels_key, batch_key, config=config)


@pytest.mark.parametrize("key", ["celltype", "Cell_Type", "batches"])
def test_a_column_that_is_missing_is_named_beside_those_there_are(atlas, tiny, key):
    near = "batch" if key == "batches" else "cell_type"
    told = rf"the AnnData, X: there is no column '{key}' in obs, which has .*Did you mean '{near}'"
    with pytest.raises(KeyNotFoundError, match=told):
        build(atlas, tiny, labels_key=key)
    with pytest.raises(KeyNotFoundError, match=told):
        build(atlas, tiny, batch_key=key)


def test_cells_without_any_metadata(atlas, tiny):
    atlas.obs = pd.DataFrame(index=atlas.obs_names)
    with pytest.raises(
        KeyNotFoundError, match="no column 'cell_type' in obs, which has no columns"
    ):
        build(atlas, tiny)


@pytest.mark.parametrize("missing", [np.nan, None, "", "  ", pd.NA], ids=repr)
def test_a_few_missing_labels_are_dropped_and_counted(atlas, tiny, missing):
    labels = atlas.obs["cell_type"].astype("object")
    labels.iloc[::10] = missing
    atlas.obs["cell_type"] = labels.to_numpy()
    with pytest.warns(
        UnlabelledCellsWarning, match="36 of 360 cells have no label in 'cell_type'"
    ):
        built = build(atlas, tiny)
    assert built.meta["n_unlabelled"] == 36
    assert built.meta["n_cells"] == built.cells.num_rows == 324


@pytest.mark.parametrize(
    ("n_missing", "told"),
    [(181, "181 of 360 .*at most 50%.*max_unlabelled"), (360, "None of 360 cells has a label")],
)
def test_many_missing_labels_are_an_error(atlas, tiny, n_missing, told):
    labels = atlas.obs["cell_type"].astype("object")
    labels.iloc[:n_missing] = np.nan
    atlas.obs["cell_type"] = labels
    with pytest.raises(LabelsError, match=told):
        build(atlas, tiny)


def test_one_type_only(atlas, tiny):
    with pytest.raises(LabelsError, match=r"are 'T cell'\. .* at least two; choose another"):
        build(atlas[atlas.obs["cell_type"] == "T cell"].copy(), tiny)


def test_a_type_with_one_cell_is_kept_and_said_to_be_rare(atlas, tiny):
    labels = atlas.obs["cell_type"].astype(str)
    labels.iloc[0] = "Basophil"
    atlas.obs["cell_type"] = labels
    with pytest.warns(
        RareTypeWarning, match=r"1 of 4 types .* fewer than 5 cells: 'Basophil' \(1\)"
    ):
        built = build(atlas, tiny)
    assert built.meta["types"]["Basophil"] == 1
    assert built.types == ["B cell", "Basophil", "NK cell", "T cell"]


def test_every_type_with_one_cell(atlas, tiny):
    """Nothing can be held out then; the message says what is lacking."""
    few = atlas[:4].copy()
    few.obs["cell_type"] = ["a", "b", "c", "d"]
    with pytest.raises(LabelsError, match=r"Each of the 4 types in 'cell_type' has one cell"):
        build(few, tiny, batch_key=None)


def test_the_label_of_the_unlabelled_is_taken(atlas, tiny):
    atlas.obs["cell_type"] = atlas.obs["cell_type"].cat.rename_categories({"B cell": "unassigned"})
    with pytest.raises(LabelsError, match=r"has the type 'unassigned'.*NaN.*or rename"):
        build(atlas, tiny)


def test_batches_with_gaps(atlas, tiny):
    atlas.obs.loc[atlas.obs_names[:3], "batch"] = np.nan
    with pytest.raises(LabelsError, match=r"3 of 360 .* 'batch'\. Fill them"):
        build(atlas, tiny)


@pytest.mark.parametrize("kind", ["numbers", "booleans", "unused category"])
def test_labels_of_other_kinds_are_taken_as_text(atlas, tiny, kind):
    codes = atlas.obs["cell_type"].cat.codes.to_numpy()
    atlas.obs["cell_type"] = {
        "numbers": codes,
        "booleans": codes > 0,
        "unused category": atlas.obs["cell_type"].cat.add_categories(["Basophil"]),
    }[kind]
    expected = {
        "numbers": ["0", "1", "2"],
        "booleans": ["False", "True"],
        "unused category": ["B cell", "NK cell", "T cell"],
    }
    assert build(atlas, tiny).types == expected[kind]


@pytest.mark.parametrize(
    ("where", "name", "value"),
    [
        ("train", "n_bits", 12),
        ("train", "n_bits", 0),
        ("train", "n_steps", 0),
        ("train", "n_features", 0),
        ("train", "batch_size", 0),
        ("train", "n_folds", 1),
        ("train", "max_cells", 0),
        ("build", "max_unlabelled", 1.5),
    ],
)
def test_an_option_out_of_range(atlas, tiny, where, name, value):
    from dataclasses import replace

    config = (
        replace(tiny, train=replace(tiny.train, **{name: value}))
        if where == "train"
        else replace(tiny, **{name: value})
    )
    with pytest.raises(InputError, match=rf"{value}\b"):
        build(atlas, config)


def test_a_device_that_is_not_there(atlas, tiny):
    with pytest.raises(InputError, match="no_such_device"):
        Reference.build(atlas, "cell_type", config=replace(tiny, device="no_such_device"))
