"""Evaluation of parents and types: both levels by hand, one cell after the other."""

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import atlash
from atlash.config import AnnotateConfig
from atlash.errors import InputError, KeyNotFoundError, LabelsError
from atlash.keys import UNASSIGNED, AnnotationKeys
from atlash.tl import annotate, evaluate
from atlash.tl.answers import GuessedTypesWarning
from atlash.tl.true_levels import OtherParentsWarning
from atlash.tl.truth import UnusedNamesWarning

KEYS = AnnotationKeys()
QUIET = AnnotateConfig(progress=False, n_threads=1)
# two families, one with a type of its parent's name, and two orphans
OF = {"CD4": "T", "CD8": "T", "T": "T", "naive": "B", "plasma": "B", "DC": "DC", "NK": "NK"}
TYPES, PARENTS = list(OF), ["T", "B", "DC", "NK"]


def answered(truth, given, lineage=None, **columns):
    """Return cells with a truth and answers; ``("T", None)`` is given a parent alone."""
    given = [answer if isinstance(answer, tuple) else (OF.get(answer), answer) for answer in given]
    status = [
        "assigned" if kind else "parent only" if above else UNASSIGNED for above, kind in given
    ]
    obs = pd.DataFrame(
        {
            "sub": truth,
            KEYS.label: [kind or above or UNASSIGNED for above, kind in given],
            KEYS.parent: [above or UNASSIGNED for above, _ in given],
            KEYS.status: status,
            **columns,
        }
    )  # fmt: skip
    if lineage is not None:
        obs["lineage"] = lineage
    obs.index = obs.index.astype(str)
    cells = ad.AnnData(np.zeros((len(obs), 1), dtype=np.float32), obs=obs)
    cells.uns["atlash"] = {
        "types": np.array(TYPES, dtype=object),
        "parents": np.array(list(OF.values()), dtype=object),
    }
    return cells


def counted(pairs, names):
    """Count precision, recall and F1 of pairs of truth and answer, one after the other."""
    rows = {}
    for name in names:
        hits = sum(t == g == name for t, g in pairs)
        cells, calls = sum(t == name for t, _ in pairs), sum(g == name for _, g in pairs)
        lost = sum(t == name and g is None for t, g in pairs)
        rows[name] = {
            "cells": cells,
            "given": calls,
            "precision": hits / calls if calls else 0.0 if cells else np.nan,
            "recall": hits / cells if cells else np.nan,
            "f1": 2 * hits / (cells + calls) if cells else np.nan,
            "unassigned": lost / cells if cells else np.nan,
        }
    return pd.DataFrame(rows).T


def test_figures_by_hand():
    truth = ["CD4", "CD4", "CD8", "naive", "naive", "DC", "mast", None, "T"]
    given = ["CD4", ("T", None), ("B", None), "plasma", "CD4", None, ("T", None), "CD4", "T"]
    parents, types = evaluate(answered(truth, given), labels_key="sub").levels
    assert (parents.name, types.name) == ("parent of sub", "sub")

    assert types.per_type.loc["CD4", ["cells", "given"]].tolist() == [2, 2]
    assert types.per_type.loc["CD4", ["recall", "unassigned", "parent_only"]].tolist() == [0.5] * 3
    assert types.per_type.loc["CD8", ["recall", "unassigned", "parent_only"]].tolist() == [0, 1, 1]
    assert types.per_type.loc["DC", ["recall", "unassigned", "parent_only"]].tolist() == [0, 1, 0]
    assert types.per_type.loc["T", "recall"] == 1
    assert types.per_type.loc["plasma", ["recall", "parent_only"]].isna().all()
    known = types.summary["known"]
    assert (known["cells"], known["accuracy"], known["unassigned"]) == (7, 2 / 7, 3 / 7)
    assert types.summary["unlabelled"] == 1
    assert types.summary["unknown"] == {"types": 1, "cells": 1, "caught": 1}
    # CD4 -> T right, CD8 -> B wrong, and the parent of mast is not known
    only = {"cells": 3, "share": 3 / 8, "parent_known": 2, "parent_right": 1}
    assert types.summary["parent_only"] == pytest.approx(only)
    assert types.confusion.loc["CD4"].to_dict() == {
        "CD4": 1, "CD8": 0, "T": 0, "naive": 0, "plasma": 0, "DC": 0, UNASSIGNED: 1
    }  # fmt: skip

    assert parents.per_type.loc["T", ["cells", "given"]].tolist() == [4, 4]
    assert parents.per_type.loc["T", ["precision", "recall"]].tolist() == [3 / 4, 3 / 4]
    assert parents.per_type.loc["B", ["cells", "given", "recall"]].tolist() == [2, 2, 1 / 2]
    assert parents.per_type["parent_only"].isna().all()
    assert parents.summary["known"]["accuracy"] == 4 / 7
    assert parents.summary["unlabelled"] == 2  # also mast, of which no one knows the parent
    assert parents.summary["unknown"]["types"] == 0
    assert parents.summary["parent_only"] is None


ANSWERS = st.sampled_from([*TYPES, None, *((parent, None) for parent in PARENTS)])
TRUTHS = st.sampled_from([*TYPES, "B", "mast", "glia", None])
TRUE_PARENTS = OF | {"B": "B"}


@settings(max_examples=40)
@given(st.data())
def test_any_answers_are_counted_as_by_hand(data):
    n = data.draw(st.integers(0, 20))
    truth = ["CD4", *data.draw(st.lists(TRUTHS, min_size=n, max_size=n))]
    given = data.draw(st.lists(ANSWERS, min_size=n + 1, max_size=n + 1))
    found = evaluate(answered(truth, given), labels_key="sub")
    type_given = [None if isinstance(a, tuple) else a for a in given]
    parent_given = [a[0] if isinstance(a, tuple) else OF.get(a) for a in given]
    true_type = [None if name == "B" else name for name in truth]  # of a parent, and no type
    true_parent = [TRUE_PARENTS.get(name) for name in truth]
    for level, true, answer, names in (
        (found.levels[0], true_parent, parent_given, PARENTS),
        (found.levels[1], true_type, type_given, TYPES),
    ):
        pairs = [pair for pair in zip(true, answer, strict=True) if pair[0] is not None]
        expected = counted(pairs, names)
        pd.testing.assert_frame_equal(
            level.per_type.loc[names, list(expected.columns)].astype(float),
            expected,
            check_names=False,
        )
        known = [pair for pair in pairs if pair[0] in names]
        right = sum(t == g for t, g in known)
        assert level.summary["known"]["accuracy"] == pytest.approx(right / len(known))
        assert level.summary["cells"] == len(pairs) == level.confusion.to_numpy().sum()
        assert level.summary["cells"] + level.summary["unlabelled"] == n + 1
    alone = [
        (above, a[0]) for name, above, a in zip(true_type, true_parent, given, strict=True)
        if name is not None and isinstance(a, tuple)
    ]  # fmt: skip
    only = found.summary["parent_only"]
    assert only["cells"] == len(alone)
    assert only["parent_known"] == sum(above is not None for above, _ in alone)
    assert only["parent_right"] == sum(above == answer for above, answer in alone)
    json.loads(found.to_json())


@settings(max_examples=20)
@given(st.data())
def test_a_type_that_is_right_has_the_right_parent(data):
    n = data.draw(st.integers(1, 20))
    known = st.sampled_from(TYPES)
    truth = data.draw(st.lists(known, min_size=n, max_size=n))
    given = data.draw(st.lists(ANSWERS, min_size=n, max_size=n))
    parents, types = evaluate(answered(truth, given), labels_key="sub").levels
    low, high = types.summary["known"], parents.summary["known"]
    assert (low["cells"], high["cells"]) == (n, n)
    assert low["accuracy"] <= high["accuracy"]
    assert low["unassigned"] - types.summary["parent_only"]["share"] == pytest.approx(
        high["unassigned"]
    )
    both = evaluate(
        answered(truth, given, [OF[name] for name in truth]), labels_key=["lineage", "sub"]
    )
    assert both.levels[0].name == "lineage"
    for one, other in zip((parents, types), both.levels, strict=True):
        assert one.to_dict() | {"level": 0} == other.to_dict() | {"level": 0}


def test_a_column_of_parents_tells_of_types_that_the_reference_does_not_know():
    truth = ["CD4", "gdT", "mast", None, "B", None]
    lineage = ["T", "T", "myeloid", "B", "B", None]
    given = ["CD4", ("T", None), ("T", None), "plasma", ("B", None), "DC"]
    cells = answered(truth, given, lineage)
    parents, types = evaluate(cells, labels_key=("lineage", "sub")).levels
    assert parents.summary["known"]["cells"] == 4
    assert parents.summary["known"]["accuracy"] == 1
    assert parents.unknown_types["most_often"].to_dict() == {"myeloid": "T"}
    assert (parents.summary["cells"], parents.summary["unlabelled"]) == (5, 1)
    # a parent's name in the column of types stands for a type that is not known
    assert (types.summary["cells"], types.summary["unlabelled"]) == (3, 3)
    assert types.summary["unknown"] == {"types": 2, "cells": 2, "caught": 1}
    only = types.summary["parent_only"]
    assert (only["cells"], only["parent_known"], only["parent_right"]) == (2, 2, 1)


def test_names_are_changed_at_both_levels():
    truth = ["helper", "B lineage", "doublet", "naive", "naive"]
    lineage = ["lymph", "B lineage", "lymph", "B lineage", "junk"]
    rename = {"helper": "CD4", "lymph": "T", "B lineage": "B", "doublet": None, "junk": None}
    cells = answered(truth, ["CD4", ("B", None), "CD4", "plasma", "naive"], lineage)
    parents, types = evaluate(cells, labels_key=["lineage", "sub"], rename=rename).levels
    assert parents.summary["known"]["accuracy"] == 1
    # a cell that is left out at one level is left out at both
    assert (parents.summary["cells"], types.summary["cells"]) == (3, 2)
    one = {"helper": "CD4", "B lineage": "B", "doublet": None}
    parents, types = evaluate(cells, labels_key="sub", rename=one).levels
    assert (parents.summary["cells"], types.summary["cells"]) == (4, 3)
    with pytest.warns(UnusedNamesWarning, match="'lymph' and|'lymph', 'junk', which no cell"):
        evaluate(cells, labels_key="sub", rename=rename)


def test_other_parents_than_the_references_are_pointed_out():
    cells = answered(["CD4", "naive"], ["CD4", "naive"], ["B", "B"])
    with pytest.warns(OtherParentsWarning, match=r"'CD4' \(below 'B', there 'T'\)"):
        found = evaluate(cells, labels_key=["lineage", "sub"])
    assert found.levels[0].summary["known"]["accuracy"] == 0.5


TRUTH, GIVEN = ["CD4", "CD8", "naive", "DC"], ["CD4", ("T", None), "plasma", "DC"]
LINEAGE = ["T", "T", "B", "DC"]


@pytest.mark.parametrize(
    ("truth", "lineage", "key", "error", "message"),
    [
        (TRUTH, None, ["lineage", "sub"], KeyNotFoundError, "no column 'lineage' in obs"),
        (TRUTH, LINEAGE, ["lineage", "subb"], KeyNotFoundError, "no column 'subb'.*mean 'sub'"),
        (TRUTH, LINEAGE, ["lineage", "x", "sub"], InputError, "two columns, the coarse one first"),
        (TRUTH, LINEAGE, [], InputError, "give the column of the types"),
        (TRUTH, LINEAGE, ["sub", "sub"], InputError, "names the column 'sub' twice"),
        (TRUTH, LINEAGE, ["atlash_parent", "sub"], InputError, "'atlash_parent', which names ans"),
        (TRUTH, LINEAGE, "atlash_parent", InputError, "names answers of atlash"),
        (TRUTH, ["T", None, "B", "DC"], ["lineage", "sub"], LabelsError, "1 of 4 cells.*'1'"),
        (TRUTH, [None] * 4, ["lineage", "sub"], LabelsError, "None of the 4 cells.*'lineage'"),
        ([None] * 4, LINEAGE, ["lineage", "sub"], LabelsError, "None of the 4 cells.*'sub'"),
        (["CD4"] * 4, LINEAGE, ["lineage", "sub"], LabelsError, "'CD4' in 'sub' has 3 parents"),
        (
            ["CD4", "CD8", "T", "DC"],
            LINEAGE,
            ["lineage", "sub"],
            LabelsError,
            "stands for one level",
        ),
        (TRUTH, ["t", "t", "b", "d"], ["lineage", "sub"], LabelsError, "'lineage'.*no name in"),
        (TRUTH, [UNASSIGNED] * 4, ["lineage", "sub"], LabelsError, "atlash gives to cells"),
        (["B"] * 4, None, "sub", LabelsError, "No cell has a true type in 'sub'.*'CD4'"),
        (["x"] * 4, None, "sub", LabelsError, "have no name in common.*rename"),
    ],
)
@pytest.mark.filterwarnings("ignore::atlash.tl.true_levels.OtherParentsWarning")
def test_truth_that_is_no_use(truth, lineage, key, error, message):
    with pytest.raises(error, match=message):
        evaluate(answered(truth, GIVEN, lineage), labels_key=key)


def test_two_columns_need_a_hierarchy(reference, fresh_counts):
    with pytest.raises(InputError, match="without a hierarchy"):
        evaluate(fresh_counts, reference, labels_key=["batch", "cell_type"], config=QUIET)
    flat = answered(TRUTH, GIVEN, LINEAGE)
    del flat.uns["atlash"]["parents"]  # an older column of parents stands beside new answers
    with pytest.raises(InputError, match="without a hierarchy"):
        evaluate(flat, labels_key=["lineage", "sub"])
    assert len(evaluate(flat, labels_key="sub").levels) == 1


@pytest.mark.parametrize("kept", [[KEYS.status], []])
def test_columns_alone_tell_both_levels(kept):
    truth = ["CD4", "CD8", "CD8", "naive", "plasma", "NK", "DC"]
    given = ["CD4", "CD8", ("T", None), "naive", "plasma", "NK", None]
    cells = answered(truth, given)
    expected = evaluate(cells, labels_key="sub")
    del cells.uns["atlash"]
    cells.obs = cells.obs[["sub", KEYS.label, KEYS.parent, *kept]].copy()
    with pytest.warns(GuessedTypesWarning):
        found = evaluate(cells, labels_key="sub")
    assert found.summary["parent_only"] == expected.summary["parent_only"]
    for level, other in zip(found.levels, expected.levels, strict=True):
        rows = level.per_type[["cells", "given", "precision", "recall", "f1"]]
        pd.testing.assert_frame_equal(
            rows.sort_index(), other.per_type.loc[rows.index, rows.columns].sort_index()
        )
    # DC was never given, so columns alone do not tell that it is a type
    assert found.summary["unknown"]["types"] == 1


def test_confidence_sets_and_nearest_of_parents():
    cells = answered(
        ["CD4", "CD8", "naive", "DC"],
        ["CD4", ("T", None), "CD8", None],
        **{
            KEYS.nearest: ["CD4", "CD4", "CD8", "NK"],
            KEYS.confidence: [0.9, 0.4, 0.6, 0.1],
            KEYS.parent_confidence: [0.95, 0.85, 0.7, 0.3],
        },
    )
    sets = np.zeros((4, len(TYPES)), dtype=bool)
    sets[:2, :3], sets[2, 1], sets[3, -2:] = True, True, True
    cells.obsm[KEYS.sets] = sets
    parents, types = evaluate(cells, labels_key="sub").levels
    assert types.summary["accuracy_nearest"] == 1 / 4
    assert parents.summary["accuracy_nearest"] == 2 / 4
    assert types.summary["calibration"]["mean_confidence"] == pytest.approx(0.5)
    # of the cell without a parent it is not told whose confidence .3 is
    assert parents.summary["calibration"]["mean_confidence"] == pytest.approx(2.5 / 3)
    assert parents.summary["calibration"]["accuracy"] == pytest.approx(2 / 3)
    assert types.summary["sets"] == {"coverage": 0.75, "mean_size": 9 / 4}
    assert parents.summary["sets"] == {"coverage": 0.75, "mean_size": 5 / 4}


@pytest.fixture(scope="module")
def lineages():
    return {"B cell": "lymphocyte", "NK cell": "NK cell", "T cell": "lymphocyte"}


@pytest.fixture(scope="module")
def two_levels(atlas_counts, tiny, lineages):
    """A family and an orphan of its own name."""
    cells = atlas_counts.copy()
    cells.obs["lineage"] = [lineages[name] for name in cells.obs["cell_type"]]
    return atlash.Reference.build(cells, ["lineage", "cell_type"], "batch", config=tiny)


@pytest.fixture(scope="module")
def query(fresh_counts, lineages):
    """Cells of three types, and doublets of two siblings, whose type is not known."""
    kind = fresh_counts.obs["cell_type"].to_numpy()
    of_b, of_t = (fresh_counts[kind == name][:40] for name in ("B cell", "T cell"))
    mixed = ad.AnnData(of_b.X + of_t.X, var=fresh_counts.var)
    mixed.obs_names = [f"mixed{k}" for k in range(40)]
    cells = ad.concat([mixed, fresh_counts[:80]], join="outer", merge="same")
    cells.obs["sub"] = ["doublet"] * 40 + list(kind[:80])
    cells.obs["lineage"] = [lineages.get(name, "lymphocyte") for name in cells.obs["sub"]]
    return cells


STRICT = AnnotateConfig(progress=False, n_threads=1, min_confidence=0.97, max_lost=0)


@pytest.mark.parametrize("key", ["sub", ["lineage", "sub"]])
def test_a_reference_and_its_written_answers_are_evaluated_alike(
    two_levels, query, key, lineages, tmp_path
):
    before = query.obs.copy()
    anew = evaluate(query, two_levels, labels_key=key, config=STRICT)
    pd.testing.assert_frame_equal(query.obs, before)
    done = annotate(query, two_levels, config=STRICT, key_added="blood", copy=True)
    stored = evaluate(done, two_levels, labels_key=key, key_added="blood")
    assert stored.to_json() == anew.to_json()
    done.write_h5ad(tmp_path / "done.h5ad")
    alone = evaluate(tmp_path / "done.h5ad", labels_key=key, key_added="blood")
    for one, other in zip(alone.levels, anew.levels, strict=True):
        assert one.summary | {"segments": 0} == other.summary | {"segments": 0}

    obs = done.obs
    backed_off = obs["blood_status"] == "parent only"
    assert backed_off.sum() > 5
    is_known = np.full(len(obs), True) if key != "sub" else (obs["sub"] != "doublet").to_numpy()
    right = obs["blood_parent"].astype(str) == obs["lineage"]
    only = anew.summary["parent_only"]
    assert only["cells"] == backed_off.sum()
    assert only["parent_known"] == (backed_off & is_known).sum()
    assert only["parent_right"] == (backed_off & is_known & right).sum()
    parents = anew.levels[0]
    assert parents.summary["known"]["accuracy"] == pytest.approx(right[is_known].mean())
    assert parents.per_type["training_cells"].to_dict() == {"lymphocyte": 240, "NK cell": 120}
    assert anew.per_type["training_cells"].to_dict() == dict.fromkeys(lineages, 120)


def test_forced_answers_are_of_types(two_levels, query):
    done = annotate(query, two_levels, config=STRICT, force=True, copy=True)
    found = evaluate(done, labels_key="sub")
    assert found.summary["parent_only"]["cells"] == 0
    assert found.summary["known"]["unassigned"] == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layer": "raw"}, "Drop `layer`, or"),
        ({"gene_column": "x"}, "Drop `gene_column`, or"),
        ({"config": AnnotateConfig(scale="counts", max_lost=0)}, "Drop `max_lost` and `scale`"),
        ({"config": AnnotateConfig(min_confidence=0.9)}, "Drop `min_confidence`, or"),
    ],
)
def test_options_of_annotation_do_not_apply_to_written_answers(changes, message):
    with pytest.raises(InputError, match=message):
        evaluate(answered(TRUTH, GIVEN), labels_key="sub", **changes)
    evaluate(answered(TRUTH, GIVEN), labels_key="sub", config=QUIET)
