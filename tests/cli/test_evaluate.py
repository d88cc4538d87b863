"""``atlash evaluate``: the figures of Python, tables and a picture, or an error and no file."""

import csv
import json
import os

import anndata as ad
import pandas as pd
import pytest

import atlash as package
from atlash.config import AnnotateConfig
from atlash.tl import evaluate

FILES = ["confusion.csv", "confusion.png", "per_type.csv", "summary.json", "unknown_types.csv"]


@pytest.fixture
def place(files, tmp_path):
    """A folder of one's own with the query, in which a type has another name."""
    cells = ad.read_h5ad(files / "query.h5ad")
    cells.obs["kind"] = cells.obs["cell_type"].astype(str).replace({"NK cell": "killer, natural"})
    cells.write_h5ad(tmp_path / "query.h5ad")
    (tmp_path / "names.csv").write_text('from,to\n"killer, natural",NK cell\n')
    return tmp_path


@pytest.fixture
def judge(atlash, files, place):
    """Evaluate the query with the saved reference."""

    def run(*arguments, key="kind"):
        return atlash(
            "evaluate", place / "query.h5ad", "-r", files / "small.atlash", "--labels-key", key,
            "--quiet", *arguments,
        )  # fmt: skip

    return run


def leaves_nothing(place):
    return sorted(path.name for path in place.iterdir()) == ["names.csv", "query.h5ad"]


def test_tables_picture_and_figures_are_those_of_python(judge, place, fresh_counts, reference):
    outcome = judge("--out", place / "found", "--rename", place / "names.csv")
    assert (outcome.code, outcome.err) == (0, "")
    for text in ("B cell", "Train", "Segment", "Macro-F1", "tail", "Unassigned", "Confidence"):
        assert text in outcome.out
    assert sorted(path.name for path in (place / "found").iterdir()) == FILES
    expected = evaluate(fresh_counts, reference, labels_key="cell_type")
    told = json.loads((place / "found" / "summary.json").read_text())
    (level,) = json.loads(expected.to_json())["levels"]
    assert told == {"levels": [level | {"level": "kind"}]}
    rows = pd.read_csv(place / "found" / "per_type.csv", index_col="type")
    pd.testing.assert_frame_equal(
        rows.astype(object), expected.per_type.astype(object), check_index_type=False
    )
    counts = pd.read_csv(place / "found" / "confusion.csv", index_col="type")
    assert counts.to_numpy().tolist() == expected.confusion.to_numpy().tolist()
    assert (place / "found" / "confusion.png").read_bytes().startswith(b"\x89PNG")


def test_json_is_all_that_is_printed_and_files_are_replaced(judge, place):
    (place / "found").mkdir()
    (place / "found" / "per_type.csv").write_text("old")
    (place / "found" / "notes.txt").write_text("mine")
    outcome = judge("--json", "--out", place / "found")
    assert outcome.code == 0
    assert outcome.json == json.loads((place / "found" / "summary.json").read_text())
    assert outcome.json["levels"][0]["unknown"]["types"] == 1
    with (place / "found" / "per_type.csv").open() as file:
        assert next(csv.reader(file))[:2] == ["type", "segment"]
    assert (place / "found" / "notes.txt").read_text() == "mine"


def test_the_way_to_compare_with_anchors_is_that_of_python(judge, place, fresh_counts, reference):
    outcome = judge("--method", "hamming", "--json", "--rename", place / "names.csv")
    config = AnnotateConfig(method="hamming", progress=False)
    expected = evaluate(fresh_counts, reference, labels_key="cell_type", config=config)
    (level,) = json.loads(expected.to_json())["levels"]
    assert outcome.json == {"levels": [level | {"level": "kind"}]}


def test_options_of_annotation_are_those_of_python(judge, place, fresh_counts, reference):
    options = ("--match-query", "--min-genes", "60", "--vote", "batch")
    outcome = judge(*options, "--json", "--rename", place / "names.csv")
    config = AnnotateConfig(match_query=True, min_genes=60, vote="batch", progress=False)
    expected = evaluate(fresh_counts, reference, labels_key="cell_type", config=config)
    (level,) = json.loads(expected.to_json())["levels"]
    assert outcome.json == {"levels": [level | {"level": "kind"}]}


def test_types_that_are_unknown_and_taken_for_others_are_shown(judge, place):
    outcome = judge()
    assert outcome.code == 0
    for text in (
        "Unknown to the reference",
        "killer, natural",
        "do not occur",
        "Most often wrong",
    ):
        assert text in outcome.out
    assert leaves_nothing(place)


def test_labels_in_the_query_are_evaluated_without_a_reference(atlash, files, place):
    done = place / "done.h5ad"
    atlash("annotate", place / "query.h5ad", "-r", files / "small.atlash", "-o", done, "-q")
    outcome = atlash("evaluate", done, "--labels-key", "cell_type", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json == json.loads(evaluate(done, labels_key="cell_type").to_json())


@pytest.mark.parametrize(
    ("arguments", "key", "message"),
    [
        ([], "knd", "Did you mean 'kind'"),
        ([], "batch", "have no name in common"),
        (["--out", "query.h5ad"], "kind", "is the input"),
        (["--out", "names.csv"], "kind", "is a file"),
        (["--out", "no/such/folder"], "kind", "there is no folder"),
        (["--rename", "no.csv"], "kind", "No such file"),
        (["--rename", "query.h5ad"], "kind", "it is no CSV file in UTF-8"),
        (["--key-added", "blood"], "kind", "There is no column 'blood_label'"),
        (["--layer", "spliced"], "kind", "has no 'spliced'"),
    ],
)
def test_what_cannot_be_is_told_and_leaves_nothing(judge, place, arguments, key, message):
    paths = ("query.h5ad", "names.csv", "no/such/folder", "no.csv")
    arguments = [place / value if value in paths else value for value in arguments]
    outcome = judge(*arguments, key=key)
    assert (outcome.code, outcome.out) == (1, "")
    assert message in outcome.told
    assert leaves_nothing(place)


def test_a_saved_reference_is_no_place_for_results(judge, files):
    before = sorted((files / "small.atlash").iterdir())
    for out in (files / "small.atlash", files / "small.atlash" / "found"):
        outcome = judge("--out", out)
        assert outcome.code == 1
        assert "lies within a saved reference" in outcome.told
    assert sorted((files / "small.atlash").iterdir()) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(judge, place):
    (place / "locked").mkdir(mode=0o555)
    outcome = judge("--out", place / "locked")
    assert outcome.code == 1
    assert "no permission" in outcome.told


def test_a_folder_of_a_files_name_is_told_first(judge, place):
    (place / "found" / "confusion.png").mkdir(parents=True)
    outcome = judge("--out", place / "found")
    assert (outcome.code, outcome.out) == (1, "")
    assert "confusion.png' is a folder, where a file of results goes" in outcome.told
    assert [path.name for path in (place / "found").iterdir()] == ["confusion.png"]


def test_a_full_disk_leaves_no_folder(atlash, files, place):
    outcome = atlash(
        "evaluate", place / "query.h5ad", "-r", files / "small.atlash", "--labels-key", "kind",
        "-q", "--out", place / "found", limit=2048,
    )  # fmt: skip
    assert (outcome.code, outcome.out) == (1, "")
    assert "cannot be written" in outcome.told
    assert leaves_nothing(place)


@pytest.fixture(scope="module")
def lineages(tmp_path_factory, atlas_counts, fresh_counts, tiny):
    """A folder with a reference that knows parents, and a query with both columns."""
    place = tmp_path_factory.mktemp("lineages")
    of = {"B cell": "lymphocyte", "NK cell": "NK cell", "T cell": "lymphocyte"}
    cells, query = atlas_counts.copy(), fresh_counts.copy()
    for adata in (cells, query):
        adata.obs["lineage"] = [of[name] for name in adata.obs["cell_type"]]
    query.obs["kind"] = ["T lymphocyte" if k == "T cell" else k for k in query.obs["cell_type"]]
    query.write_h5ad(place / "query.h5ad")
    (place / "names.csv").write_text("from,to\nT lymphocyte,T cell\n")
    built = package.Reference.build(cells, ["lineage", "cell_type"], "batch", config=tiny)
    built.save(place / "two.atlash")
    return place


def test_both_levels_of_a_hierarchy_are_told_and_written(atlash, lineages, tmp_path):
    query, reference = lineages / "query.h5ad", lineages / "two.atlash"
    out = tmp_path / "found"
    outcome = atlash(
        "evaluate", query, "-r", reference, "--labels-key", "lineage", "--labels-key", "kind",
        "--rename", lineages / "names.csv", "--min-confidence", "0.97", "--out", out, "-q",
    )  # fmt: skip
    assert (outcome.code, outcome.err) == (0, "")
    first, second = outcome.out.index("Level: lineage"), outcome.out.index("Level: kind")
    assert first < outcome.out.index("lymphocyte") < second < outcome.out.index("B cell")
    parent_files = [name.replace(".", "_parent.") for name in FILES if name != "summary.json"]
    assert sorted(path.name for path in out.iterdir()) == sorted([*FILES, *parent_files])
    expected = evaluate(
        query,
        package.Reference.load(reference),
        labels_key=["lineage", "cell_type"],
        config=package.AnnotateConfig(min_confidence=0.97, progress=False),
    )
    assert ("parent alone" in outcome.out) == (expected.summary["parent_only"]["cells"] > 0)
    told = json.loads((out / "summary.json").read_text())["levels"]
    for level, other in zip(told, expected.to_dict()["levels"], strict=True):
        assert level | {"level": 0} == other | {"level": 0}
    for name, level in (("", expected.levels[1]), ("_parent", expected.levels[0])):
        rows = pd.read_csv(out / f"per_type{name}.csv", index_col="type")
        assert rows["cells"].to_dict() == level.per_type["cells"].to_dict()
        counts = pd.read_csv(out / f"confusion{name}.csv", index_col="type")
        assert counts.to_numpy().tolist() == level.confusion.to_numpy().tolist()
        assert (out / f"confusion{name}.png").read_bytes().startswith(b"\x89PNG")


def test_written_answers_have_both_levels_and_take_no_options(atlash, lineages, tmp_path):
    done = tmp_path / "done.h5ad"
    atlash("annotate", lineages / "query.h5ad", "-r", lineages / "two.atlash", "-o", done, "-q")
    outcome = atlash("evaluate", done, "--labels-key", "cell_type", "--json")
    assert outcome.code == 0, outcome.err
    assert [level["level"] for level in outcome.json["levels"]] == [
        "parent of cell_type", "cell_type"
    ]  # fmt: skip
    for option in (["--layer", "raw"], ["--max-lost", "0"], ["--gene-column", "symbol"]):
        refused = atlash("evaluate", done, "--labels-key", "cell_type", *option)
        assert (refused.code, refused.out) == (1, "")
        assert f"Drop {option[0]}, or annotate anew: pass a --reference" in refused.told


def test_two_columns_without_a_hierarchy_are_told(judge, place):
    outcome = judge("--labels-key", "cell_type", "--out", place / "found")
    assert (outcome.code, outcome.out) == (1, "")
    assert "--labels-key names two columns, 'kind' and 'cell_type'" in outcome.told
    assert leaves_nothing(place)
