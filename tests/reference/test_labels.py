import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from atlash.data.source import open_sources
from atlash.errors import KeyNotFoundError, LabelsError
from atlash.reference.labels import RareTypeWarning, UnlabelledCellsWarning, read_labels

MANY = ["T"] * 6 + ["B"] * 6


def cells(**columns):
    n = len(next(iter(columns.values())))
    obs = pd.DataFrame(columns, index=[f"c{k}" for k in range(n)])
    return ad.AnnData(np.ones((n, 2), np.float32), obs=obs)


def read(*given, batch_key=None, labels_key="cell_type", max_unlabelled=0.5):
    sources = open_sources(list(given))
    return read_labels(sources, labels_key, batch_key, max_unlabelled=max_unlabelled)


def test_types_are_sorted_and_codes_point_to_them():
    labels = read(cells(cell_type=MANY))
    assert labels.types == ["B", "T"]
    np.testing.assert_array_equal(labels.codes, [1] * 6 + [0] * 6)
    assert labels.codes.dtype == np.int64
    assert labels.n_unlabelled == 0


@pytest.mark.parametrize(
    "column",
    [
        pd.Categorical(MANY, categories=["T", "B", "never seen"]),
        pd.array(MANY, dtype="string"),
        np.array(MANY, dtype=object),
        [f" {name}  " for name in MANY],
    ],
    ids=["categorical", "string", "object", "spaces around"],
)
def test_any_form_of_column_gives_the_same_types(column):
    labels = read(cells(cell_type=column))
    assert labels.types == ["B", "T"]
    np.testing.assert_array_equal(labels.codes, [1] * 6 + [0] * 6)


def test_numbers_are_names_too():
    assert read(cells(cell_type=[1] * 5 + [10] * 5 + [2] * 5)).types == ["1", "10", "2"]


def test_whole_numbers_have_no_point_whatever_else_their_column_holds():
    """A missing label makes a column of whole numbers one of fractions."""
    column = [0.0] * 5 + [1.0] * 5 + [np.nan]
    with pytest.warns(UnlabelledCellsWarning):
        assert read(cells(cell_type=column)).types == ["0", "1"]
    one, other = cells(cell_type=[0] * 5 + [1] * 5), cells(cell_type=[0.0] * 5 + [2.5] * 5)
    assert read(one, other).types == ["0", "1", "2.5"]


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, "", "   ", "\t\n"])
def test_cells_without_a_label_are_left_out_with_a_warning(missing):
    column = np.array([*MANY, missing, missing], dtype=object)
    with pytest.warns(UnlabelledCellsWarning, match=r"2 of 14 cells have no label in 'cell_type'"):
        labels = read(cells(cell_type=column))
    np.testing.assert_array_equal(labels.codes[-2:], [-1, -1])
    assert labels.n_unlabelled == 2
    assert labels.types == ["B", "T"]


def test_no_warning_without_a_cause():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(cells(cell_type=MANY))


@pytest.mark.parametrize("n_missing", [13, 40])
def test_too_many_cells_without_a_label_are_an_error(n_missing):
    column = np.array(MANY + [None] * n_missing, dtype=object)
    with pytest.raises(LabelsError, match=rf"{n_missing} of .*at most 50%.*max_unlabelled"):
        read(cells(cell_type=column))


def test_the_share_that_may_lack_a_label_is_the_callers():
    column = np.array([*MANY, None, *["T"] * 7], dtype=object)
    with pytest.raises(LabelsError, match="at most 4%"):
        read(cells(cell_type=column), max_unlabelled=0.04)
    with pytest.warns(UnlabelledCellsWarning):
        read(cells(cell_type=column), max_unlabelled=0.05)


def test_no_label_at_all_is_an_error_whatever_is_allowed():
    with pytest.raises(LabelsError, match="None of 3 cells has a label"):
        read(cells(cell_type=[np.nan] * 3), max_unlabelled=1.0)


def test_one_type_is_an_error_that_names_it():
    with pytest.raises(LabelsError, match=r"are 'T'.* needs at least two"):
        read(cells(cell_type=["T"] * 9))


def test_types_of_one_cell_each_are_no_types():
    with pytest.raises(LabelsError, match=r"Each of the 3 types .* has one cell, such as 'c1'"):
        read(cells(cell_type=["c1", "c2", "c3"]))


def test_the_name_of_unassigned_cells_is_reserved():
    with pytest.raises(LabelsError, match="'unassigned', which atlash gives"):
        read(cells(cell_type=[*MANY, "unassigned"]))


def test_rare_types_are_kept_with_a_warning():
    with pytest.warns(RareTypeWarning, match=r"1 of 3 types .* fewer than 5 cells: 'pDC' \(4\)"):
        labels = read(cells(cell_type=[*MANY, *["pDC"] * 4]))
    assert "pDC" in labels.types
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(cells(cell_type=[*MANY, *["pDC"] * 5]))


def test_a_warning_lists_few_rare_types():
    with pytest.warns(RareTypeWarning) as caught:
        read(cells(cell_type=[*MANY, *"abcdefgh"]))
    message = str(caught[0].message)
    assert message.count("(1)") == 5
    assert ", ..." in message


@pytest.mark.parametrize("key", ["celltype", "cell_types", "Cell_type"])
def test_a_missing_column_is_an_error_that_names_the_nearest(key):
    with pytest.raises(KeyNotFoundError, match=rf"no column '{key}'.*Did you mean 'cell_type'\?"):
        read(cells(cell_type=MANY, donor=MANY), labels_key=key)


def test_without_a_near_column_all_are_listed():
    with pytest.raises(KeyNotFoundError) as caught:
        read(cells(cell_type=MANY, donor=MANY), labels_key="xyz")
    assert "'cell_type', 'donor'" in str(caught.value)
    assert "Did you mean" not in str(caught.value)


def test_a_table_without_columns_says_so():
    bare = ad.AnnData(np.ones((3, 2), np.float32))
    with pytest.raises(KeyNotFoundError, match="no columns"):
        read(bare)


def test_the_column_must_be_in_every_source():
    with pytest.raises(KeyNotFoundError, match="'cell_type'"):
        read(cells(cell_type=MANY), cells(kind=MANY))


def test_one_source_without_batches_has_none():
    assert read(cells(cell_type=MANY)).groups is None


def test_batches_are_read_as_names():
    batch = pd.Categorical(["x"] * 4 + ["y"] * 8, categories=["y", "x", "z"])
    np.testing.assert_array_equal(
        read(cells(cell_type=MANY, batch=batch), batch_key="batch").groups, [0] * 4 + [1] * 8
    )
    numbers = [3] * 4 + [20] * 8
    groups = read(cells(cell_type=MANY, batch=numbers), batch_key="batch").groups
    assert len(set(groups[:4])) == len(set(groups[4:])) == 1
    assert groups[0] != groups[4]


def test_several_sources_are_joined_and_are_batches_of_their_own():
    labels = read(cells(cell_type=MANY), cells(cell_type=["NK"] * 5 + ["T"]))
    assert labels.types == ["B", "NK", "T"]
    np.testing.assert_array_equal(labels.codes, [2] * 6 + [0] * 6 + [1] * 5 + [2])
    np.testing.assert_array_equal(labels.groups, [0] * 12 + [1] * 6)


def test_sources_may_be_categorical_over_different_types():
    one = cells(cell_type=pd.Categorical(MANY))
    other = cells(cell_type=pd.Categorical(["NK"] * 6))
    assert read(one, other).types == ["B", "NK", "T"]


def test_named_batches_go_across_sources():
    one, other = (cells(cell_type=MANY, batch=["x"] * 6 + ["y"] * 6) for _ in range(2))
    groups = read(one, other, batch_key="batch").groups
    np.testing.assert_array_equal(groups, ([0] * 6 + [1] * 6) * 2)


def test_batches_by_number_go_across_sources():
    one, other = (
        cells(cell_type=MANY, batch=np.array([1] * 6 + [2] * 6, dtype=kind))
        for kind in (np.int64, np.float32)
    )
    groups = read(one, other, batch_key="batch").groups
    np.testing.assert_array_equal(groups, ([0] * 6 + [1] * 6) * 2)


def test_types_are_no_batches():
    with pytest.raises(LabelsError, match="`batch_key` and the labels are both 'cell_type'"):
        read(cells(cell_type=MANY), batch_key="cell_type")


def test_a_missing_batch_is_an_error():
    batch = np.array(["x"] * 11 + [None], dtype=object)
    with pytest.raises(LabelsError, match=r"1 of 12 cells have no value .*'batch'.*fillna"):
        read(cells(cell_type=MANY, batch=batch), batch_key="batch")


def test_a_missing_batch_column_is_an_error():
    with pytest.raises(KeyNotFoundError, match="Did you mean 'batch'"):
        read(cells(cell_type=MANY, batch=MANY), batch_key="Batch")
