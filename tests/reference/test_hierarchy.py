"""Parents from a second column or from a hierarchy of terms, and what is wrong with them."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from atlash.config import BuildConfig
from atlash.data.source import open_sources
from atlash.errors import InputError, KeyNotFoundError, LabelsError
from atlash.reference.hierarchy import OrphanTypesWarning, read_parents, split_labels_key
from atlash.reference.labels import read_labels

KEYS = ["parent", "sub"]
PARENT = ["T", "T", "mono", "mono", "B"]
SUB = ["CD4", "CD8", "CD14", "CD16", "B"]
OF = {"CD4": "T", "CD8": "T", "CD14": "mono", "CD16": "mono", "B": "B"}


def cells(parent=PARENT, sub=SUB, times=6, name="c"):
    obs = pd.DataFrame({"parent": parent * times, "sub": sub * times}, dtype=object)
    obs.index = [f"{name}{k}" for k in range(len(obs))]
    return ad.AnnData(np.ones((len(obs), 2), np.float32), obs=obs)


def read(*given, labels_key=KEYS, max_unlabelled=0.9, **config):
    sources = open_sources(list(given) or [cells()])
    sub = split_labels_key(labels_key)[1]
    labels = read_labels(sources, sub, None, max_unlabelled=max_unlabelled)
    parents = read_parents(sources, labels, labels_key, config=BuildConfig(**config))
    return dict(zip(labels.types, parents, strict=True)) if parents else {}


def test_two_columns_give_each_type_its_parent():
    assert read() == OF


def test_columns_of_several_files_are_one():
    assert read(cells(name="a"), cells(name="b")) == OF


@pytest.mark.parametrize("key", ["sub", ["sub"], ("sub",)])
def test_one_column_gives_no_hierarchy(key):
    assert read(labels_key=key) == {}


@pytest.mark.parametrize("form", [pd.Categorical, np.array, lambda names: pd.array(names, "str")])
def test_any_form_of_column_will_do(form):
    given = cells()
    for key in KEYS:
        given.obs[key] = form([f" {name} " for name in given.obs[key]])
    assert read(given) == OF


def test_a_type_may_bear_the_name_of_its_own_parent():
    """For cells that are not known further."""
    found = read(cells([*PARENT, "T"], [*SUB, "T"]))
    assert found == OF | {"T": "T"}


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, "", "  "])
def test_cells_without_either_label_are_left_out(missing):
    given = cells([*PARENT, missing], [*SUB, missing])
    with pytest.warns(UserWarning, match="left out"):
        assert read(given) == OF


@pytest.mark.parametrize(
    ("parent", "sub", "has", "lacks"),
    [(np.nan, "CD4", "'sub'", "'parent'"), ("T", np.nan, "'parent'", "'sub'")],
)
@pytest.mark.filterwarnings("ignore:.*left out")
def test_cells_with_one_label_of_the_two_are_refused(parent, sub, has, lacks):
    given = cells([*PARENT, parent], [*SUB, sub])
    message = rf"6 of 36 cells .* such as 'c5', which has {has} but not {lacks}"
    with pytest.raises(LabelsError, match=message):
        read(given)


def test_two_parents_are_both_named_with_cells():
    given = cells([*PARENT, "NK"], [*SUB, "CD8"])
    message = (
        r"'CD8' in 'sub' has 2 parents in 'parent': 'NK' in 6 cells such as 'c5' and 'T' in 6"
    )
    with pytest.raises(LabelsError, match=message):
        read(given)


@pytest.mark.parametrize(
    ("parent", "sub", "message"),
    [
        (
            [*PARENT, "mono"],
            [*SUB, "T"],
            "'T' is a type of the parent 'mono', and also the parent",
        ),
        (["x"] * 5, SUB, "All types have the parent 'x'"),
        (SUB, SUB, "no two are siblings"),
        (["a", "b", "c", "d", "e"], SUB, "no two are siblings"),
        (["unassigned", *PARENT[1:]], SUB, "A parent is called 'unassigned'"),
    ],
)
def test_hierarchies_that_say_nothing_or_too_much_are_refused(parent, sub, message):
    with pytest.raises(LabelsError, match=message):
        read(cells(parent, sub))


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(KeyNotFoundError, match=r"'parents'.*Did you mean 'parent'"):
        read(labels_key=["parents", "sub"])
    with pytest.raises(KeyNotFoundError, match="'subs'"):
        read(labels_key=["parent", "subs"])


@pytest.mark.parametrize("key", [[], ["a", "b", "c"], [1, 2], [["a"], "b"]])
def test_other_numbers_of_columns_are_refused(key):
    with pytest.raises(InputError, match="give the column of the types, or two columns"):
        split_labels_key(key)


def test_two_hierarchies_are_one_too_many():
    with pytest.raises(InputError, match="Parents are given twice"):
        read(hierarchy=OF)


def test_parents_without_a_hierarchy_are_refused():
    with pytest.raises(InputError, match="`parents` names terms of a `hierarchy`"):
        read(parents=("T",))


def test_one_parent_as_plain_text_is_refused():
    with pytest.raises(InputError, match=r"give a list of names: \['mono'\]"):
        read(labels_key="sub", hierarchy=OF, parents="mono")


def test_a_dict_gives_each_type_its_parent():
    assert read(labels_key="sub", hierarchy=OF) == OF


@pytest.mark.parametrize("top", [None, np.nan, pd.NA, "", "B"])
def test_no_parent_stands_for_a_root(top):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(labels_key="sub", hierarchy=OF | {"B": top}) == OF


def test_terms_in_between_are_left_out():
    steps = {"CD4": "helper", "helper": "ab T", "ab T": "T", "CD8": "T", "CD14": "mono"}
    found = read(labels_key="sub", hierarchy=steps | {"CD16": "mono", "B": None})
    assert found == OF


def test_named_parents_cut_the_hierarchy():
    steps = {"CD4": "T", "CD8": "T", "T": "lymphoid", "B": "lymphoid", "CD14": "mono"}
    steps |= {"CD16": "mono", "mono": "myeloid"}
    parents = ("T", "lymphoid", "mono")
    found = read(labels_key="sub", hierarchy=steps, parents=parents)
    assert found == OF | {"B": "lymphoid"}


def test_types_below_no_parent_are_parents_of_their_own_with_a_warning():
    given = {name: parent for name, parent in OF.items() if name != "B"} | {"Bcell": "x"}
    with pytest.warns(OrphanTypesWarning, match=r"1 of 5 types .* 'B'\. Each is .*mean 'Bcell'"):
        assert read(labels_key="sub", hierarchy=given) == OF


def test_what_is_suggested_for_an_orphan_is_no_other_type():
    given = cells(["any"] * 3, ["T cell", "B cell", "NK cell"])
    table = {"T cell": "lymphocyte", "B cell": "lymphocyte"}
    with pytest.warns(OrphanTypesWarning, match=r"'NK cell'\. Each is a parent of its own\.$"):
        assert read(given, labels_key="sub", hierarchy=table)["NK cell"] == "NK cell"


def test_a_hierarchy_of_other_names_is_refused():
    with pytest.raises(LabelsError, match=r"None of the 5 types, such as 'B', .* such as 'x'"):
        read(labels_key="sub", hierarchy={"x": "y"})


@pytest.mark.parametrize(
    ("steps", "circle"),
    [
        ({"CD4": "T", "T": "CD4"}, "'CD4' -> 'T' -> 'CD4'"),
        ({"CD4": "a", "a": "b", "b": "c", "c": "a"}, "'a' -> 'b' -> 'c' -> 'a'"),
    ],
)
def test_circles_are_drawn(steps, circle):
    with pytest.raises(LabelsError, match=f"runs in a circle: {circle}"):
        read(labels_key="sub", hierarchy=OF | steps)


def test_a_chain_of_ten_thousand_steps_is_climbed():
    steps = {f"s{k}": f"s{k + 1}" for k in range(10_000)} | OF | {"CD4": "s0", "CD8": "s0"}
    assert read(labels_key="sub", hierarchy=steps)["CD4"] == "s10000"
