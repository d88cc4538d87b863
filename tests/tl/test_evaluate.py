"""Evaluation: its figures against counting by hand, cell by cell, and what it refuses."""

import dataclasses
import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlash.config import AnnotateConfig
from atlash.errors import EmptyInputError, InputError, KeyNotFoundError, LabelsError
from atlash.keys import UNASSIGNED
from atlash.tl import annotate, evaluate
from atlash.tl.agreement import segments_of
from atlash.tl.answers import GuessedTypesWarning
from atlash.tl.truth import LikeNamesWarning, UnusedNamesWarning

QUIET = AnnotateConfig(progress=False, n_threads=1)
TYPES = ["B", "DC", "NK", "T"]
TRUTH = ["T"] * 4 + ["B"] * 3 + ["NK"] * 2 + ["mast"] * 3 + [None]
GIVEN = ["T", "T", "B", UNASSIGNED, "B", "B", "T", "DC", "NK", "T", UNASSIGNED, UNASSIGNED, "T"]


def annotated(truth, label, nearest=None, confidence=None, types=TYPES):
    """Return cells with a truth and with answers as annotation writes them."""
    obs = pd.DataFrame({"truth": truth, "atlash_label": pd.Categorical(label)})
    if nearest is not None:
        obs["atlash_nearest"] = pd.Categorical(nearest, categories=types)
    if confidence is not None:
        obs["atlash_confidence"] = np.asarray(confidence, dtype=np.float32)
    obs.index = obs.index.astype(str)
    cells = ad.AnnData(np.zeros((len(obs), 1), dtype=np.float32), obs=obs)
    cells.uns["atlash"] = {"types": np.array(types, dtype=object)}
    return cells


def counted(truth, given, types):
    """Count precision, recall and F1 cell by cell; the slow and obvious way."""
    pairs = [(t, g) for t, g in zip(truth, given, strict=True) if t is not None]
    rows = {}
    for name in types:
        hits = sum(t == g == name for t, g in pairs)
        cells, calls = sum(t == name for t, _ in pairs), sum(g == name for _, g in pairs)
        precision = hits / calls if calls else 0.0
        recall = hits / cells if cells else np.nan
        f1 = 2 * hits / (cells + calls) if cells else np.nan
        lost = sum(t == name and g == UNASSIGNED for t, g in pairs)
        rows[name] = {
            "cells": cells,
            "given": calls,
            "precision": precision if cells or calls else np.nan,
            "recall": recall,
            "f1": f1,
            "unassigned": lost / cells if cells else np.nan,
        }
    return pd.DataFrame(rows).T


def test_figures_by_hand():
    found = evaluate(annotated(TRUTH, GIVEN), labels_key="truth")
    rows = found.per_type
    assert list(rows.index) == ["T", "B", "NK", "DC"]
    assert rows["cells"].tolist() == [4, 3, 2, 0]
    assert rows["given"].tolist() == [4, 3, 1, 1]
    assert rows["precision"].tolist() == [2 / 4, 2 / 3, 1, 0]  # a mast cell was called T
    assert rows["recall"].tolist()[:3] == [2 / 4, 2 / 3, 1 / 2]
    assert rows["unassigned"].tolist()[:3] == [1 / 4, 0, 0]
    assert rows.loc["DC", ["recall", "f1", "unassigned"]].isna().all()
    assert rows["training_cells"].isna().all()
    known = found.summary["known"]
    f1 = np.array([1 / 2, 2 / 3, 2 / 3])
    assert (known["types"], known["cells"]) == (3, 9)
    assert known["accuracy"] == pytest.approx(5 / 9)
    assert known["balanced_accuracy"] == pytest.approx((1 / 2 + 2 / 3 + 1 / 2) / 3)
    assert known["macro_f1"] == pytest.approx(f1.mean())
    assert known["weighted_f1"] == pytest.approx((f1 * [4, 3, 2]).sum() / 9)
    assert known["median_f1"] == pytest.approx(2 / 3)
    assert known["unassigned"] == pytest.approx(1 / 9)
    assert found.summary["accuracy_assigned"] == pytest.approx(5 / 9)  # of 9 that have a label
    assert (found.summary["cells"], found.summary["unlabelled"]) == (12, 1)


def test_types_that_the_reference_does_not_know_are_told_apart():
    found = evaluate(annotated(TRUTH, GIVEN), labels_key="truth")
    assert found.summary["unknown"] == {"types": 1, "cells": 3, "caught": pytest.approx(2 / 3)}
    expected = {"cells": 3, "caught": 2 / 3, "most_often": "T", "most_often_cells": 1}
    assert found.unknown_types.to_dict("index") == {"mast": pytest.approx(expected)}


def test_caught_altogether_they_are_called_nothing():
    found = evaluate(annotated(["T", "mast"], ["T", UNASSIGNED]), labels_key="truth")
    assert found.unknown_types.loc["mast", "most_often"] is None
    assert found.summary["unknown"]["caught"] == 1
    only = evaluate(annotated(["T", "mast"], [UNASSIGNED] * 2), labels_key="truth")
    assert only.summary["accuracy_assigned"] is None
    assert only.unknown_types.loc["mast", "caught"] == 1


def test_confusion_is_a_crosstab_with_unknown_types_last():
    found = evaluate(annotated(TRUTH, GIVEN), labels_key="truth")
    table = found.confusion
    assert list(table.index) == ["B", "NK", "T", "mast"]
    assert list(table.columns) == ["B", "DC", "NK", "T", UNASSIGNED]
    kept = [t is not None for t in TRUTH]
    true, label = np.array(TRUTH, dtype=object)[kept], np.array(GIVEN, dtype=object)[kept]
    for name, row in table.iterrows():
        for other, cells in row.items():
            assert cells == ((true == name) & (label == other)).sum()
    pairs = found.levels[0].confusions
    assert {tuple(row) for row in pairs[["truth", "given", "cells"]].itertuples(index=False)} == {
        ("B", "T", 1), ("NK", "DC", 1), ("T", "B", 1), ("mast", "T", 1),
    }  # fmt: skip
    assert pairs.set_index("truth")["share"].to_dict() == pytest.approx(
        {"B": 1 / 3, "NK": 1 / 2, "T": 1 / 4, "mast": 1 / 3}
    )


@given(st.data())
def test_any_answers_are_counted_as_by_hand(data):
    n = data.draw(st.integers(1, 25))
    names = st.sampled_from([*TYPES, "mast", "glia", None])
    truth = ["B", *data.draw(st.lists(names, min_size=n, max_size=n))]
    label = data.draw(
        st.lists(st.sampled_from([*TYPES, UNASSIGNED]), min_size=n + 1, max_size=n + 1)
    )
    found = evaluate(annotated(truth, label), labels_key="truth")
    expected = counted(truth, label, TYPES)
    columns = list(expected.columns)
    pd.testing.assert_frame_equal(
        found.per_type.loc[TYPES, columns].astype(float), expected, check_names=False
    )
    known = expected[expected["cells"] > 0]
    summary = found.summary["known"]
    assert summary["macro_f1"] == pytest.approx(known["f1"].mean())
    assert summary["median_f1"] == pytest.approx(known["f1"].median())
    right = (known["recall"] * known["cells"]).sum()
    assert summary["accuracy"] == pytest.approx(right / known["cells"].sum())
    assert found.confusion.to_numpy().sum() == found.summary["cells"]
    assert found.summary["cells"] + found.summary["unlabelled"] == n + 1
    assert summary["cells"] + found.summary["unknown"]["cells"] == found.summary["cells"]
    json.loads(found.to_json())


@given(st.permutations(range(len(TRUTH))))
def test_the_order_of_cells_does_not_matter(order):
    cells = annotated(TRUTH, GIVEN)
    found = evaluate(cells[list(order)].copy(), labels_key="truth")
    assert found.to_json() == evaluate(cells, labels_key="truth").to_json()


@given(st.dictionaries(st.text("abcdef", min_size=1), st.integers(1, 9), min_size=1, max_size=12))
def test_segments_are_thirds_by_training_cells(training):
    found = segments_of(training)
    sizes = [list(found.values()).count(name) for name in ("head", "medium", "tail")]
    assert sizes[0] == sizes[2] == round(len(training) / 3)
    assert sum(sizes) == len(training)
    rank = {"head": 2, "medium": 1, "tail": 0}
    for name, other in ((a, b) for a in training for b in training if training[a] > training[b]):
        assert rank[found[name]] >= rank[found[other]]


def test_calibration_and_nearest_are_over_cells_of_known_types():
    truth = ["T", "T", "B", "mast", None]
    nearest = ["T", "B", "B", "T", "T"]
    confidence = [0.9, 0.95, 0.3, 0.99, 0.99]
    label = ["T", "B", UNASSIGNED, "T", "T"]
    found = evaluate(annotated(truth, label, nearest, confidence), labels_key="truth").summary
    assert found["accuracy_nearest"] == pytest.approx(2 / 3)
    calibration = found["calibration"]
    assert calibration["mean_confidence"] == pytest.approx((0.9 + 0.95 + 0.3) / 3)
    assert calibration["accuracy"] == pytest.approx(2 / 3)
    # bins of 1/15: .9 lies in [13/15, 14/15), .95 in [14/15, 1], .3 in [4/15, 5/15)
    assert calibration["ece"] == pytest.approx((0.1 + 0.95 + 0.7) / 3, abs=1e-6)
    assert [row["cells"] for row in calibration["bins"]] == [1, 1, 1]


def test_sets_that_hold_the_truth_are_counted():
    cells = annotated(["T", "B", "mast"], ["T", "B", "T"])
    cells.obsm["atlash_sets"] = np.array([[0, 0, 1, 1], [0, 1, 0, 0], [1, 1, 1, 1]], dtype=bool)
    found = evaluate(cells, labels_key="truth").summary
    assert found["sets"] == {"coverage": 0.5, "mean_size": 1.5}


def test_labels_without_anything_else_can_be_evaluated():
    cells = annotated(["T", "B"], ["T", "T"])
    del cells.uns["atlash"]
    with pytest.warns(GuessedTypesWarning, match=r"does not tell .*concat.*nearest to \(1\)"):
        found = evaluate(cells, labels_key="truth")
    assert found.summary["accuracy_nearest"] is found.summary["calibration"] is None
    assert found.summary["segments"] is found.summary["sets"] is None
    # all that is known of the reference are the labels it gave
    assert found.summary["unknown"]["types"] == 1


def test_annotating_anew_finds_what_is_found_in_annotated_cells(fresh_counts, reference):
    before = fresh_counts.obs.copy()
    anew = evaluate(fresh_counts, reference, labels_key="cell_type", config=QUIET)
    pd.testing.assert_frame_equal(fresh_counts.obs, before)
    done = annotate(fresh_counts, reference, config=QUIET, key_added="blood", copy=True)
    found = evaluate(done, reference, labels_key="cell_type", key_added="blood")
    assert found.to_json() == anew.to_json()
    alone = evaluate(done, labels_key="cell_type", key_added="blood")
    assert alone.summary | {"segments": 0} == anew.summary | {"segments": 0}
    assert anew.summary["sets"]["coverage"] > 0.9
    assert anew.per_type["training_cells"].tolist() == [120] * 3
    assert sorted(anew.per_type["segment"]) == ["head", "medium", "tail"]
    for segment, row in anew.per_type.set_index("segment").iterrows():
        assert anew.summary["segments"][segment]["macro_f1"] == pytest.approx(row["f1"])


def test_a_file_is_evaluated_like_its_cells(fresh_counts, reference, tmp_path):
    done = annotate(fresh_counts, reference, config=QUIET, copy=True)
    done.write_h5ad(tmp_path / "done.h5ad")
    for answers in ({"key_added": "atlash"}, {}):
        found = evaluate(tmp_path / "done.h5ad", labels_key="cell_type", **answers)
        assert found.to_json() == evaluate(done, labels_key="cell_type").to_json()
    anew = evaluate(tmp_path / "done.h5ad", reference, labels_key="cell_type", config=QUIET)
    assert anew.summary["known"] == found.summary["known"]


def test_the_reference_must_be_the_one_that_answered(fresh_counts, reference):
    done = annotate(fresh_counts, reference, config=QUIET, copy=True)
    done.uns["atlash"]["reference_fingerprint"] = "0" * 64
    with pytest.raises(InputError, match="fingerprint 000000000000, but this one has"):
        evaluate(done, reference, labels_key="cell_type", key_added="atlash")


def test_types_are_renamed_and_left_out():
    cells = annotated(["T cell", "B cell", "doublet", "NK"], ["T", "B", "T", "NK"])
    rename = {"T cell": "T", " B cell": "B ", "doublet": None}
    found = evaluate(cells, labels_key="truth", rename=rename)
    assert found.summary["known"]["accuracy"] == 1
    assert (found.summary["cells"], found.summary["unlabelled"]) == (3, 1)
    assert len(found.unknown_types) == 0


def test_a_renaming_of_types_that_do_not_occur():
    cells = annotated(["T cell", "B"], ["T", "B"])
    with pytest.warns(UnusedNamesWarning, match="'B cell', which no cell has"):
        found = evaluate(cells, labels_key="truth", rename={"T cell": "T", "B cell": "B"})
    assert found.summary["known"]["accuracy"] == 1
    with pytest.raises(LabelsError, match=r"'T cells', which no cell has.*mean 'T cell'\?"):
        evaluate(cells, labels_key="truth", rename={"T cells": "T"})
    with pytest.raises(InputError, match="a mapping of names to names is needed"):
        evaluate(cells, labels_key="truth", rename=["T cell"])


def test_names_that_hardly_differ_are_pointed_out():
    cells = annotated(["T cells", "B"], ["T cell", "B"], types=["B", "T cell"])
    with pytest.warns(LikeNamesWarning, match="'T cells' and 'T cell'"):
        found = evaluate(cells, labels_key="truth")
    assert found.summary["unknown"]["types"] == 1


@pytest.mark.parametrize(
    ("true", "types"),
    [("CD4 T cell", ["B", "CD8 T cell"]), ("mast", ["B", "T"]), ("T cells", ["B", "NK cell"])],
)
def test_names_that_differ_are_not(true, types):
    evaluate(annotated([true, "B"], ["B", "B"], types=types), labels_key="truth")


@pytest.mark.parametrize(
    "values",
    [["3", " 4 ", "  "], pd.Categorical([3, 4, None]), pd.array([3, 4, None], dtype="Int64")],
)
def test_types_of_every_kind(values):
    found = evaluate(annotated(values, ["3", "3", "4"], types=["3", "4"]), labels_key="truth")
    assert found.summary["known"]["accuracy"] == 0.5
    assert found.summary["unlabelled"] == 1


def test_one_type_alone():
    found = evaluate(annotated(["T"] * 3, ["T", "T", "B"]), labels_key="truth")
    assert found.summary["known"]["macro_f1"] == pytest.approx(4 / 5)
    assert found.summary["known"]["types"] == 1


def test_cells_may_have_one_name():
    cells = annotated(TRUTH, GIVEN)
    expected = evaluate(cells, labels_key="truth").to_json()
    cells.obs_names = ["same"] * len(TRUTH)
    assert evaluate(cells, labels_key="truth").to_json() == expected


@pytest.mark.parametrize(
    ("truth", "key", "error", "message"),
    [
        (TRUTH, "trut", KeyNotFoundError, r"no column 'trut' in obs.*mean 'truth'"),
        ([None] * 13, "truth", LabelsError, r"None of the 13 cells has a type in 'truth'"),
        ([" "] * 13, "truth", LabelsError, "None of the 13 cells has a type"),
        ([np.nan] * 13, "truth", LabelsError, "None of the 13 cells has a type"),
        (["t"] * 13, "truth", LabelsError, r"\('t'\) and.*\('B', 'DC', 'NK', 'T'\).*rename"),
        ([UNASSIGNED] * 13, "truth", LabelsError, "atlash gives to cells of no type"),
        (TRUTH, "atlash_label", InputError, "names answers of atlash"),
    ],
)
def test_truth_that_is_no_use(truth, key, error, message):
    with pytest.raises(error, match=message):
        evaluate(annotated(truth, GIVEN), labels_key=key)


def test_the_example_of_a_renaming_is_a_likely_one():
    cells = annotated(["B cells", "CD14+ Monocytes"], ["DC"] * 2, types=["CD14+ Monocyte", "DC"])
    with pytest.raises(LabelsError, match=r"rename={'CD14\+ Monocytes': 'CD14\+ Monocyte', "):
        evaluate(cells, labels_key="truth")


def test_without_answers_there_is_nothing_to_evaluate():
    cells = annotated(TRUTH, GIVEN)
    with pytest.raises(KeyNotFoundError, match="There is 'atlash_label'"):
        evaluate(cells, labels_key="truth", key_added="blood")
    with pytest.raises(EmptyInputError, match="no cells"):
        evaluate(cells[:0].copy(), labels_key="truth")
    with pytest.raises(InputError, match="AnnData or the path"):
        evaluate(cells.X, labels_key="truth")


@pytest.mark.parametrize("about", ["by hand", np.ones(3), None])
def test_answers_of_another_program_are_evaluated(about):
    cells = annotated(TRUTH, GIVEN)
    cells.uns["atlash"] = about
    with pytest.warns(GuessedTypesWarning):
        found = evaluate(cells, labels_key="truth")
    assert found.summary["known"]["cells"] == 9


def test_sets_without_the_order_of_their_types_are_not_looked_at(fresh_counts, reference):
    done = annotate(fresh_counts, reference, config=QUIET, copy=True)
    expected = evaluate(done, labels_key="cell_type").summary["sets"]
    del done.uns["atlash"]
    with pytest.warns(GuessedTypesWarning):
        assert evaluate(done, labels_key="cell_type").summary["sets"] is None
    found = evaluate(done, reference, labels_key="cell_type", key_added="atlash")
    assert found.summary["sets"] == expected


@pytest.mark.parametrize("labels_key", ["cell_type", ["batch", "cell_type"]])
def test_cells_do_not_vote_in_the_true_types(fresh_counts, reference, labels_key):
    config = AnnotateConfig(vote="cell_type", progress=False)
    with pytest.raises(InputError, match="`vote` is 'cell_type', the column with the true types"):
        evaluate(fresh_counts, reference, labels_key=labels_key, config=config)


def test_names_may_be_numbers_and_renamed_to_what_is_false():
    cells = annotated([0.0, 1.0, np.nan, 2.0], ["0", "1", "0", "2"], types=["0", "1", "2"])
    assert evaluate(cells, labels_key="truth").summary["known"]["accuracy"] == 1
    cells = annotated(["zero", "1"], ["0", "1"], types=["0", "1"])
    found = evaluate(cells, labels_key="truth", rename={"zero": 0})
    assert found.summary["known"]["cells"] == 2
    assert found.summary["known"]["accuracy"] == 1
    for missing in (None, "", np.nan, pd.NA):
        found = evaluate(cells, labels_key="truth", rename={"zero": missing})
        assert found.summary["known"]["cells"] == 1


def test_cells_without_a_confidence_do_not_count_for_it():
    kept = [0.9, 0.8, 0.7, 0.6]
    whole = annotated(["T"] * 4, ["T"] * 4, ["T", "B", "T", "T"], kept)
    gaps = annotated(["T"] * 6, ["T"] * 6, ["T", "B", "T", "T", "B", "T"], [*kept, *[np.nan] * 2])
    found = evaluate(gaps, labels_key="truth")
    wanted = evaluate(whole, labels_key="truth").summary["calibration"]
    assert found.summary["calibration"] == wanted
    json.loads(found.to_json())
    gaps.obs["atlash_confidence"] = np.nan
    assert evaluate(gaps, labels_key="truth").summary["calibration"] is None
    gaps.obs["atlash_confidence"] = "high"
    with pytest.raises(InputError, match=r"`obs\['atlash_confidence'\]` must hold .*'high'"):
        evaluate(gaps, labels_key="truth")


def test_bad_truth_is_told_before_the_cells_are_annotated(fresh_counts, reference):
    cells = fresh_counts.copy()
    cells.X.data[0] = np.nan
    with pytest.raises(KeyNotFoundError, match="no column 'kind'"):
        evaluate(cells, reference, labels_key="kind", config=QUIET)
    with pytest.raises(EmptyInputError, match="0 cells"):
        evaluate(cells[:0].copy(), reference, labels_key="cell_type", config=QUIET)


def test_an_evaluation_cannot_be_changed():
    found = evaluate(annotated(TRUTH, GIVEN), labels_key="truth")
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.levels = ()
