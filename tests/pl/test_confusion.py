"""The confusion picture: its numbers are those of a table, and it is drawn without a screen."""

from itertools import pairwise

import anndata as ad
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.text import Text

from atlash.errors import InputError, KeyNotFoundError, LabelsError
from atlash.pl import confusion

TRUE = ["T"] * 5 + ["B"] * 4 + ["NK"]
GIVEN = ["T"] * 4 + ["unassigned"] + ["B", "B", "B", "T"] + ["DC"]


@pytest.fixture
def cells():
    obs = pd.DataFrame(
        {"truth": pd.Categorical(TRUE), "atlash_label": pd.Categorical(GIVEN)},
        index=[f"c{k}" for k in range(10)],
    )
    return ad.AnnData(np.zeros((10, 1), dtype=np.float32), obs=obs)


@pytest.fixture(autouse=True)
def no_figure_left():
    yield
    plt.close("all")


def labels(ticks):
    return [text.get_text() for text in ticks]


def test_shares_are_those_of_a_crosstab(cells):
    axes = confusion(cells, "truth")
    table = pd.crosstab(cells.obs["truth"], cells.obs["atlash_label"], normalize="index")
    rows, columns = ["B", "NK", "T"], ["B", "T", "DC", "unassigned"]
    assert labels(axes.get_xticklabels()) == columns
    assert labels(axes.get_yticklabels()) == ["B (4)", "NK (1)", "T (5)"]
    image = axes.collections[0]
    np.testing.assert_allclose(image.get_array(), table.loc[rows, columns])


def test_each_share_is_written_in_its_place_in_per_cent(cells):
    axes = confusion(cells, "truth")
    found = {tuple(map(int, text.get_position())): text.get_text() for text in axes.texts}
    assert found == {
        (0, 0): "75", (1, 0): "25", (2, 1): "100", (1, 2): "80", (3, 2): "20",
    }  # fmt: skip


def test_it_is_an_axes_with_a_figure_that_can_be_saved(cells, tmp_path):
    axes = confusion(cells, "truth")
    assert isinstance(axes, Axes)
    axes.figure.savefig(tmp_path / "confusion.png")
    assert (tmp_path / "confusion.png").read_bytes().startswith(b"\x89PNG")


def test_it_is_drawn_where_it_is_told(cells):
    figure, (first, second) = plt.subplots(ncols=2)
    assert confusion(cells, "truth", ax=second) is second
    assert not first.collections
    assert second.figure is figure


def test_another_prefix(cells):
    cells.obs["blood_label"] = "T"
    axes = confusion(cells, "truth", key_added="blood")
    assert labels(axes.get_xticklabels()) == ["T"]


def test_cells_without_a_truth_are_left_out(cells):
    cells.obs["truth"] = cells.obs["truth"].where(np.arange(10) != 9)
    axes = confusion(cells, "truth")
    assert labels(axes.get_yticklabels()) == ["B (4)", "T (5)"]
    assert labels(axes.get_xticklabels()) == ["B", "T", "unassigned"]


def test_types_may_be_numbers(cells):
    cells.obs["truth"] = np.repeat([10, 2], 5)
    cells.obs["atlash_label"] = pd.Categorical(np.repeat(["10", "2"], 5))
    axes = confusion(cells, "truth")
    np.testing.assert_allclose(axes.collections[0].get_array(), np.eye(2))


def test_cell_ids_may_repeat(cells):
    expected = confusion(cells, "truth").collections[0].get_array()
    cells.obs_names = ["same"] * 10
    np.testing.assert_array_equal(confusion(cells, "truth").collections[0].get_array(), expected)


@pytest.mark.parametrize(("key", "prefix"), [("cell_type", "atlash"), ("truth", "blood")])
def test_a_column_that_is_missing_is_named(cells, key, prefix):
    missing = key if prefix == "atlash" else "blood_label"
    with pytest.raises(KeyNotFoundError, match=f"no column '{missing}' in obs; annotate first"):
        confusion(cells, key, key_added=prefix)


def test_an_annotation_can_be_drawn(fresh_counts, reference):
    from atlash.config import AnnotateConfig
    from atlash.tl import annotate

    found = annotate(fresh_counts, reference, config=AnnotateConfig(progress=False), copy=True)
    image = confusion(found, "cell_type").collections[0].get_array()
    np.testing.assert_allclose(np.asarray(image).sum(axis=1), 1)
    assert np.trace(image[:, :3]) > 2.4


def test_counts_are_drawn_in_their_own_order():
    counts = pd.DataFrame([[3, 1], [0, 4]], index=["T", "B"], columns=["T", "unassigned"])
    axes = confusion(counts)
    assert labels(axes.get_yticklabels()) == ["T (4)", "B (4)"]
    np.testing.assert_allclose(axes.collections[0].get_array(), [[0.75, 0.25], [0, 1]])


def test_long_names_lose_their_middle_and_signs_of_formulas_stay_text():
    name = "CD8-positive, alpha-beta memory T cell of the mucosa, $activated$"
    axes = confusion(pd.DataFrame([[1]], index=[name], columns=["a$b$"]))
    (text,) = labels(axes.get_yticklabels())
    assert text.startswith("CD8-positive, a…")
    assert text.endswith(r"activated\$ (1)")
    assert len(text) < 40
    axes.figure.canvas.draw()


@pytest.mark.parametrize("n", [1, 5, 60])
def test_no_name_covers_another_whatever_the_number_of_types(n):
    names = [f"type number {k} of a long list" for k in range(n)]
    axes = confusion(pd.DataFrame(np.eye(n, dtype=int), index=names, columns=names))
    axes.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in axes.get_yticklabels()]
    assert all(low.y1 <= high.y0 for high, low in pairwise(boxes))
    assert axes.figure.get_figheight() < 25


LONG = "CD8-positive, alpha-beta memory T cell of the mucosa"
TALL = pd.DataFrame(np.eye(12, 2, dtype=int) + 1, [f"t{k}" for k in range(12)], ["a", LONG])


@pytest.mark.parametrize(
    "counts",
    [
        pd.DataFrame([[1]], ["T"], ["T"]),
        pd.DataFrame([[5, 1]], ["T"], ["T", "unassigned"]),
        pd.DataFrame([[123_456, 0], [1, 1]], [LONG, "B"], [LONG, "B"]),
        pd.DataFrame([[1, 0], [1, 1]], ["T", "B"], [LONG, "B"]),
        TALL,
        TALL.T,
        pd.DataFrame(np.eye(40, dtype=int), range(40), [f"{LONG} {k}" for k in range(40)]),
    ],
    ids=["one", "one row", "long names", "long labels", "tall", "wide", "many"],
)
def test_no_text_leaves_the_picture_and_shares_have_room(counts):
    axes = confusion(counts)
    figure = axes.figure
    figure.canvas.draw()
    texts = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    assert len(texts) >= sum(counts.shape)
    for text in texts:
        box = text.get_window_extent()
        assert 0 <= box.x0 < box.x1 <= figure.bbox.x1, text
        assert 0 <= box.y0 < box.y1 <= figure.bbox.y1, text
    inches = axes.get_window_extent().transformed(figure.dpi_scale_trans.inverted())
    assert inches.width / counts.shape[1] > 0.24
    assert inches.height / counts.shape[0] > 0.2


def test_numbers_stand_out_from_their_colour():
    shares = np.arange(1, 100)
    axes = confusion(pd.DataFrame({"T": shares, "B": 100 - shares}))
    image = axes.collections[0]
    for text in axes.texts:
        behind = luminance(image.to_rgba(int(text.get_text()) / 100))
        light, dark = sorted((luminance(mpl.colors.to_rgba(text.get_color())), behind))[::-1]
        assert (light + 0.05) / (dark + 0.05) >= 4.5, text


def luminance(colour):
    parts = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in colour[:3]]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def test_cells_need_a_column_and_counts_a_cell(cells):
    with pytest.raises(InputError, match="`labels_key` is missing"):
        confusion(cells)
    with pytest.raises(InputError, match="0 rows and 2 columns"):
        confusion(pd.DataFrame(columns=["T", "B"]))


def test_a_type_that_was_never_given_has_its_column(cells):
    cells.uns["atlash"] = {"types": np.array(["B", "DC", "NK", "pDC", "T"], dtype=object)}
    axes = confusion(cells, "truth")
    assert labels(axes.get_xticklabels()) == ["B", "NK", "T", "DC", "unassigned"]
    image = axes.collections[0]
    np.testing.assert_array_equal(image.get_array()[:, 1], 0)
    np.testing.assert_allclose(np.asarray(image.get_array()).sum(axis=1), 1)


def test_a_true_type_that_the_reference_does_not_know_has_none(cells):
    cells.uns["atlash"] = {"types": np.array(["B", "DC", "T"], dtype=object)}
    axes = confusion(cells, "truth")
    assert labels(axes.get_xticklabels()) == ["B", "T", "DC", "unassigned"]


@pytest.mark.parametrize("thing", [None, 3, "query.h5ad", np.eye(2), []], ids=repr)
def test_what_is_neither_cells_nor_counts(thing):
    with pytest.raises(InputError, match=r"got \w+\. Read a file with `anndata\.read_h5ad"):
        confusion(thing, "truth")


@pytest.mark.parametrize("value", ["x", -1, np.nan, np.inf, None])
def test_counts_that_are_none(value):
    with pytest.raises(InputError, match="must be numbers of cells, at least 0"):
        confusion(pd.DataFrame([[value, 2]], index=["T"], columns=["T", "B"]))


def test_types_may_be_called_alike():
    axes = confusion(pd.DataFrame([[1, 0], [1, 1]], index=["T", "T"], columns=["T", "B"]))
    assert labels(axes.get_yticklabels()) == ["T (1)", "T (2)"]


def test_several_axes_are_none(cells):
    _, axes = plt.subplots(ncols=2)
    with pytest.raises(InputError, match=r"`ax` is a ndarray, .* such as `axes\[0\]`"):
        confusion(cells, "truth", ax=axes)
    with pytest.raises(InputError, match="`ax` is a str"):
        confusion(cells, "truth", ax="here")


def test_cells_need_a_truth_and_columns_a_name(cells):
    cells.obs["nothing"] = np.nan
    with pytest.raises(LabelsError, match="None of the 10 cells has a type in 'nothing'"):
        confusion(cells, "nothing")
    with pytest.raises(KeyNotFoundError, match=r"no column \['truth'\] in obs"):
        confusion(cells, ["truth"])


def test_true_types_are_read_as_evaluation_reads_them(cells):
    cells.obs["truth"] = [" T", "T ", "T", "T", "T", "B", "B", "B", "B", "  "]
    axes = confusion(cells, "truth")
    assert labels(axes.get_yticklabels()) == ["B (4)", "T (5)"]
    cells.obs["truth"] = cells.obs["truth"].replace({"  ": "unassigned"})
    with pytest.raises(LabelsError, match="has the type 'unassigned', which atlash gives"):
        confusion(cells, "truth")


def test_many_types_make_no_endless_picture(tmp_path):
    names = [f"type {number}" for number in range(400)]
    axes = confusion(pd.DataFrame(np.eye(400), index=names, columns=names))
    figure = axes.get_figure(root=True)
    assert figure.get_size_inches().max() < 50
    assert not axes.texts
    figure.savefig(tmp_path / "many.png", dpi=40)
    image = plt.imread(tmp_path / "many.png")
    assert image.shape[0] < 2000
    top, bottom = axes.get_ylim()
    assert top > bottom  # the first type is the first row
