"""``atlash search``: the hits of Python, on the screen and in files, or an error and no file."""

import datetime as dt
import json
from dataclasses import replace

import anndata as ad
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from atlash.cli.search_tables import hits_summary, print_hits, print_nearest
from atlash.config import SearchConfig
from atlash.reference import Reference
from atlash.tl.search import search

QUIET = SearchConfig(progress=False)


@pytest.fixture(scope="module")
def place(files, tmp_path_factory, fresh_counts):
    """A folder with a few cells to look for; not to be changed."""
    folder = tmp_path_factory.mktemp("searching")
    fresh_counts[:20].copy().write_h5ad(folder / "query.h5ad")
    (folder / "notes.txt").write_text("no cells")
    return folder


@pytest.fixture(scope="module")
def loaded(files):
    return Reference.load(files / "small.atlash")


@pytest.fixture
def look(atlash, files, place):
    """Search the small reference for these cells."""

    def run(*arguments, query="query.h5ad", **how):
        return atlash("search", place / query, "-r", files / "small.atlash", *arguments, **how)

    return run


def without_time(summary):
    return summary | {"search": summary["search"] | {"seconds": None}}


def test_files_hold_the_hits_of_python(look, fresh_counts, loaded, tmp_path):
    output = tmp_path / "hits.csv"
    output.write_text("old")
    found = look(
        "-k", "7", "--where", "batch = 'b1'", "--columns", "cell_id, label,code,batch",
        "-o", output, "--json", "-q",
    )  # fmt: skip
    assert (found.code, found.err) == (0, "")
    hits = search(fresh_counts[:20], loaded, 7, where="batch = 'b1'", config=QUIET)
    expected = hits.to_pandas(["cell_id", "label", "code", "batch"])
    assert set(expected["batch"]) == {"b1"}
    expected["code"] = [code.hex() for code in expected["code"]]
    rows = pd.read_csv(output)
    assert rows.columns.tolist() == expected.columns.tolist()
    for name in expected:
        wanted = expected[name].tolist()
        given = rows[name].tolist()
        assert given == (pytest.approx(wanted, rel=1e-6) if name == "score" else wanted)
    assert without_time(found.json) == without_time(hits_summary(hits, output))
    assert [path.name for path in tmp_path.iterdir()] == [output.name]


def test_tables_for_people(look, fresh_counts, loaded, tmp_path):
    output = tmp_path / "[b]hits[z].csv"
    found = look("--radius", "60", "--exclude", "batch", "-o", output)
    assert found.code == 0
    assert "Encoding" in found.err or not found.err
    hits = search(fresh_counts[:20], loaded, radius=60, exclude="batch", config=QUIET)
    best = hits_summary(hits, None)["labels"][0]
    told = [line.split() for line in found.out.splitlines()]
    row = [*best["label"].split(), str(best["cells"]), f"{best['share']:.1%}"]
    assert row in [line[: len(row)] for line in told]
    assert f"{len(hits.rows):,} hits of 20 cells" in found.out
    assert (
        f"Searched {hits.info['n_candidates']} cells (flat, exact, ranked by asymmetric"
        in found.out
    )
    assert f"Written: {output}" in found.out
    assert len(pd.read_csv(output)) == len(hits.rows)


def test_columns_without_a_file_are_printed(look, fresh_counts, loaded):
    """Of twenty queries there is room for the nearest hit of each."""
    found = look("-k", "3", "--columns", "cell_id, batch", "-q")
    assert found.code == 0, found.err
    hits = search(fresh_counts[:20], loaded, 3, config=QUIET)
    rows = hits.to_pandas(["cell_id", "batch"])
    nearest = rows[rows["rank"] == 1]
    told = [line.split() for line in found.out.splitlines()]
    assert ["query", "rank", "distance", "cell_id", "batch"] in told
    columns = ["query", "rank", "distance", "cell_id", "batch"]
    wanted = nearest[columns].astype(str).to_numpy().tolist()
    assert [line for line in told if line in wanted] == wanted
    assert len(wanted) == 20
    assert "These are 20 of 60 hits; --output writes all to a file" in found.out
    assert "60 hits of 20 cells" in found.out


def test_columns_without_a_file_are_in_json(look, tmp_path):
    asked = ("-k", "3", "--columns", "cell_id,code,batch", "--json", "-q")
    found = look(*asked)
    assert look(*asked, "-o", tmp_path / "h.json").code == 0
    assert found.json["rows"] == json.loads((tmp_path / "h.json").read_text())
    assert len(found.json["rows"]) == 60
    assert "rows" not in look("-k", "3", "--json", "-q").json


def test_few_queries_have_room_for_more_hits(fresh_counts, loaded, capsys):
    for n, told in ((1, 20), (3, 18), (30, 20)):
        hits = search(fresh_counts[:n], loaded, 25, config=QUIET)
        print_nearest(hits.to_arrow(["label", "code"]), n)
        out = capsys.readouterr().out
        assert f"These are {told} of {25 * n} hits" in out
        names = {name for line in out.splitlines() for name in line.split()[:1]}
        assert len(names & set(fresh_counts.obs_names)) == min(n, 20)
    print_nearest(hits.to_arrow([])[:0], 30)
    assert capsys.readouterr().out == ""


def test_values_of_all_kinds_are_shown(capsys):
    rows = pa.table(
        {
            "query": ["[red]q"], "rank": [1], "distance": [3], "score": [3.0], "row": [7],
            "[b]x": ["[/b] odd"], "flag": [True], "day": [dt.date(2020, 1, 2)],
            "code": [b"\x00\xff"], "gap": pa.array([None], pa.string()), "age": [1.5],
        }
    )  # fmt: skip
    print_nearest(rows, 1)
    told = [line.split() for line in capsys.readouterr().out.splitlines()]
    header = ["query", "rank", "distance", "[b]x", "flag", "day", "code", "gap", "age"]
    assert header in told
    assert ["[red]q", "1", "3", "[/b]", "odd", "True", "2020-01-02", "00ff", "1.5"] in told


def test_options_reach_the_search(look, fresh_counts, loaded, tmp_path):
    found = look(
        "-k", "3", "--ranking", "anchor-first", "--method", "anchor-walk", "--scale", "counts",
        "--threads", "1", "--json", "-q", "-o", tmp_path / "h.parquet",
    )  # fmt: skip
    config = replace(QUIET, ranking="anchor-first", method="anchor-walk", scale="counts")
    hits = search(fresh_counts[:20], loaded, 3, config=config)
    assert found.json["search"]["method"] == "anchor-walk"
    assert found.json["search"]["exact"] is False
    rows = pyarrow.parquet.read_table(tmp_path / "h.parquet")
    assert rows.to_pylist() == hits.to_arrow().to_pylist()


def test_no_hits_are_no_error(look, tmp_path):
    found = look(
        "-k", "500", "--radius", "0", "--json", "-q", "-o", tmp_path / "h.json", "--columns", "",
    )  # fmt: skip
    assert found.code == 0
    assert found.told == "Note: 500 cells are asked for, but only 360 may be found."
    assert (found.json["hits"], found.json["queries_without_hits"]) == (0, 20)
    assert (found.json["labels"], found.json["agreement"]) == ([], None)
    assert json.loads((tmp_path / "h.json").read_text()) == []


def test_no_hits_are_told_without_an_empty_table(look):
    found = look("-k", "5", "--where", "batch = 'b1'", "--radius", "0", "-q")
    assert (found.code, found.err) == (0, "")
    assert "0 hits of 20 cells, each cell found counted once; 20 without a hit" in found.out
    assert "Enrichment" not in found.out


def test_queries_that_may_find_nothing(look):
    found = look("--where", "batch = 'b1'", "--exclude", "batch", "--json", "-q")
    assert found.code == 0
    assert found.told.startswith("Note: 50 cells are asked for, but only 0 may be found beside")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--where", "batch = 'b1'; DROP TABLE t"], "';'"),
        (["--columns", "cell_id,lable"], "Did you mean 'label'"),
    ],
)
def test_what_is_at_fault_is_1_and_leaves_no_file(look, tmp_path, arguments, told):
    found = look(*arguments, "-q", "-o", tmp_path / "hits.csv")
    assert (found.code, found.out) == (1, "")
    assert found.told.startswith("Error: ")
    assert told in found.told
    assert not list(tmp_path.iterdir())


def test_a_query_of_an_unknown_type(look, tmp_path):
    found = look("-o", tmp_path / "hits.csv", query="notes.txt")
    assert (found.code, found.out) == (1, "")
    assert "notes.txt" in found.told
    assert not list(tmp_path.iterdir())


def test_an_output_that_cannot_be_is_told_before_the_work(look, files):
    before = sorted(files.rglob("*"))
    found = look("-o", files / "small.atlash" / "hits.csv")
    assert (found.code, found.out) == (1, "")
    assert "lies within a saved reference" in found.told
    assert sorted(files.rglob("*")) == before


def test_a_full_disk_leaves_no_file(look, tmp_path):
    found = look("-q", "-o", tmp_path / "hits.json", limit=4096)
    assert found.code == 1
    assert "cannot be written" in found.told
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments", [["q.h5ad"], ["q.h5ad", "-r", "r", "--ranking", "best"], ["-r", "r", "q", "p"]]
)
def test_a_wrong_command_line_is_2(atlash, arguments):
    found = atlash("search", *arguments)
    assert found.code == 2
    assert "Usage" in found.err


def test_labels_of_all_kinds_are_shown(reference, fresh_counts, capsys):
    own = replace(reference)
    cells = fresh_counts[:12].copy()
    cells.obs_names = [f"new{row}" for row in range(12)]
    cells.obs["cell_type"] = pd.Categorical(["[/b] odd", None, "T cell", "[red]x"] * 3)
    with pytest.warns(UserWarning, match="not learned"):
        own.add(cells, "cell_type", progress=False)
    own.remove("cell_id LIKE 'cell%'")
    with pytest.warns(UserWarning, match="only 12"):
        hits = search(ad.AnnData(cells.X, var=cells.var), own, config=QUIET)
    summary = hits_summary(hits, None)
    assert {row["label"]: row["cells"] for row in summary["labels"]} == {
        "[/b] odd": 3, None: 3, "T cell": 3, "[red]x": 3,
    }  # fmt: skip
    json.dumps(summary, allow_nan=False)
    print_hits(summary)
    told = capsys.readouterr().out
    for text in ("[/b] odd", "[red]x", "T cell", "(no label)"):
        assert text in told
