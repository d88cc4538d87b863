"""A reference grows in memory as on disk: cells, counts and answers, against plain Python."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from atlash.config import AnnotateConfig, SearchConfig
from atlash.errors import EmptyInputError, InputError, KeyNotFoundError
from atlash.keys import AnnotationKeys
from atlash.reference import Reference
from atlash.reference.ids import DuplicateCellsWarning
from atlash.reference.newcomers import ColumnsLeftOutWarning, UnknownTypesWarning
from atlash.tl import annotate
from atlash.tl.queries import encode_queries
from atlash.tl.search import search

QUIET = SearchConfig(progress=False, n_threads=1)
KEYS = AnnotationKeys()


@pytest.fixture(params=["memory", "disk"])
def small(request, reference, tmp_path):
    """A reference of one's own."""
    assert isinstance(reference.cells, pa.Table)  # no other test has saved it
    own = replace(reference)
    if request.param == "disk":
        own.save(tmp_path / "small.atlash")
        return Reference.load(tmp_path / "small.atlash")
    return own


@pytest.fixture(scope="module")
def codes(fresh_counts, reference):
    """Code of each of the new cells, as bytes."""
    return [row.tobytes() for row in encode_queries(fresh_counts, reference, QUIET).asked.codes]


def some(fresh, rows, names=None, **columns):
    """Return new cells, under names of their own."""
    cells = fresh[list(rows)].copy()
    cells.obs_names = [f"new{r}" for r in rows] if names is None else list(names)
    for name, values in columns.items():
        cells.obs[name] = values
    return cells


def add(to, cells, labels_key="cell_type", **how):
    to.add(cells, labels_key, n_threads=1, progress=False, **how)


def rows_of(own):
    table = own.cells if isinstance(own.cells, pa.Table) else own.cells.to_table()
    return table.to_pylist()


def check_facts(own):
    """Check that what is told of the cells is so; return them."""
    rows = rows_of(own)
    assert own.meta["n_cells"] == own.index.cells.n_rows == len(rows)
    labels = Counter(row["label"] for row in rows if row["label"] is not None)
    assert own.meta.get("labels", own.meta["types"]) == labels
    if own.version is not None:
        assert own.versions()[-1].number == own.version
        assert own.versions()[-1].n_cells == len(rows)
        loaded = Reference.load(own.cells.folder.parent)
        assert (loaded.meta, loaded.fingerprint) == (own.meta, own.fingerprint)
        assert rows_of(loaded) == rows
    return rows


def row_of(fresh, codes, place, name):
    kind, batch = fresh.obs["cell_type"].iloc[place], fresh.obs["batch"].iloc[place]
    told = {"cell_id": name, "code": codes[place], "label": kind}
    return told | {"cell_type": kind, "batch": batch}


def test_new_cells_come_last(small, fresh_counts, codes):
    before = rows_of(small)
    add(small, some(fresh_counts, range(5)))
    expected = [row_of(fresh_counts, codes, r, f"new{r}") for r in range(5)]
    assert check_facts(small) == before + expected
    if small.version is not None:
        assert (small.version, [v.note for v in small.versions()]) == (
            2,
            ["saved", "added 5 cells from the AnnData, X"],
        )


def test_several_sources_and_files(small, fresh_counts, codes, tmp_path):
    some(fresh_counts, [3]).write_h5ad(tmp_path / "one.h5ad")
    add(small, [tmp_path / "one.h5ad", some(fresh_counts, [7])])
    expected = [row_of(fresh_counts, codes, r, f"new{r}") for r in (3, 7)]
    assert check_facts(small)[-2:] == expected


@pytest.mark.parametrize("on_duplicate", ["refuse", "replace", "keep"])
def test_cells_whose_id_is_there(small, fresh_counts, codes, on_duplicate):
    before = rows_of(small)
    names = ["new0", before[3]["cell_id"], before[8]["cell_id"]]
    cells = some(fresh_counts, range(3), names)
    new = [row_of(fresh_counts, codes, r, name) for r, name in enumerate(names)]
    if on_duplicate == "refuse":
        with pytest.raises(InputError, match=rf"2 of 3 cells .* example '{names[1]}'.*'replace'"):
            add(small, cells)
        assert check_facts(small) == before
        assert small.version in (None, 1)
        return
    add(small, cells, on_duplicate=on_duplicate)
    stays = [row for row in before if on_duplicate == "keep" or row["cell_id"] not in names]
    assert check_facts(small) == stays + (new[:1] if on_duplicate == "keep" else new)


def test_keeping_all_that_is_there_changes_nothing(small, fresh_counts):
    before = rows_of(small)
    names = [row["cell_id"] for row in before[:3]]
    add(small, some(fresh_counts, range(3), names), on_duplicate="keep")
    assert check_facts(small) == before
    assert small.version in (None, 1)


def test_columns_that_are_missing_or_others(small, fresh_counts):
    cells = some(fresh_counts, range(3), age=[1, 2, 3], batch=[7, 8, 9])
    del cells.obs["cell_type"]
    with pytest.warns(ColumnsLeftOutWarning, match="'age'"):
        add(small, cells, None)
    new = check_facts(small)[-3:]
    assert [row["batch"] for row in new] == ["7", "8", "9"]
    assert [(row["label"], row["cell_type"]) for row in new] == [(None, None)] * 3
    assert "age" not in new[0]


def test_labels_that_were_not_learned_are_found_but_not_given(small, fresh_counts):
    cells = some(fresh_counts, range(4), cell_type=["Mast cell", "T cell", None, "Mast cell"])
    types = small.types
    with pytest.warns(UnknownTypesWarning, match="'Mast cell'"):
        add(small, cells)
    check_facts(small)
    assert small.meta["labels"]["Mast cell"] == 2
    assert small.types == types
    hits = search(
        some(fresh_counts, range(4)), small, 1, where="label = 'Mast cell'", config=QUIET
    )
    assert set(hits.to_pandas()["cell_id"]) == {"new0", "new3"}
    small.remove("label = 'Mast cell'")
    check_facts(small)
    assert "Mast cell" not in small.meta["labels"]


def test_names_that_repeat_among_the_new_cells(small, fresh_counts):
    with pytest.warns(DuplicateCellsWarning):
        add(small, [some(fresh_counts, [1], ["a"]), some(fresh_counts, [2], ["a"])])
    assert [row["cell_id"] for row in check_facts(small)[-2:]] == ["a", "a-1"]


@pytest.mark.parametrize(
    ("cells", "how", "refusal"),
    [
        (
            lambda f: some(f, [1]),
            {"on_duplicate": "ask"},
            (InputError, "'refuse', 'replace', 'keep'"),
        ),
        (lambda f: some(f, [1]), {"labels_key": "kind"}, (KeyNotFoundError, "'kind'")),
        (lambda f: some(f, [1]), {"layer": "counts"}, (KeyNotFoundError, "'counts'")),
        (lambda f: some(f, []), {}, (EmptyInputError, "0 cells")),
        (lambda f: some(f, [1])[:, :5].copy(), {}, (InputError, "genes")),
        (lambda f: f.obs, {}, (InputError, "Cells must be")),
    ],
)
def test_what_is_refused_changes_nothing(small, fresh_counts, cells, how, refusal):
    before, (error, message) = rows_of(small), refusal
    with pytest.raises(error, match=message):
        add(small, cells(fresh_counts), **how)
    assert check_facts(small) == before
    assert small.version in (None, 1)


@pytest.mark.parametrize(
    ("where", "error", "message"),
    [
        ("cell_id IS NOT NULL", InputError, "holds for all 360 cells; a reference needs one"),
        ("batch = 'b1'; DROP TABLE t", InputError, "';'"),
        ("bacth = 'b1'", KeyNotFoundError, "Did you mean 'batch'"),
        ("", InputError, "predicate"),
    ],
)
def test_conditions_that_are_none(small, where, error, message):
    before = rows_of(small)
    with pytest.raises(error, match=message):
        small.remove(where)
    assert check_facts(small) == before


def test_removing_none_changes_nothing(small):
    before = rows_of(small)
    small.remove("batch = 'b9'")
    assert check_facts(small) == before
    assert small.version in (None, 1)


def test_the_note_keeps_the_beginning_of_a_long_condition(reference, tmp_path):
    own = replace(reference)
    own.save(tmp_path / "r.atlash")
    own.remove("cell_id IN (" + ", ".join(f"'cell{i:03}'" for i in range(300)) + ")")
    assert own.meta["n_cells"] == 60
    note = own.versions()[-1].note
    assert note.startswith("removed 300 cells where cell_id IN ('cell000', 'cell001'")
    assert len(note) < 250


def test_the_same_answers_before_and_after(small, fresh_counts):
    config = AnnotateConfig(progress=False)
    mark = small.fingerprint
    before = annotate(fresh_counts, small, config=config, copy=True)
    add(small, some(fresh_counts, range(50)))
    small.remove("batch = 'b2' AND label = 'T cell'")
    after = annotate(fresh_counts, small, config=config, copy=True)
    pd.testing.assert_frame_equal(before.obs, after.obs)
    for key in (KEYS.codes, KEYS.sets):
        np.testing.assert_array_equal(before.obsm[key], after.obsm[key])
    assert small.fingerprint == replace(small).fingerprint == mark


def same_hits(one, other):
    for name in ("bounds", "rows", "distances", "scores", "labels"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.to_arrow().to_pylist() == other.to_arrow().to_pylist()


@pytest.mark.parametrize("ranking", ["asymmetric", "code"])
def test_search_is_that_of_a_reference_made_of_these_cells(small, fresh_counts, ranking):
    config = replace(QUIET, ranking=ranking)
    query = some(fresh_counts, range(100, 120))
    search(query, small, 5, config=config)  # what it keeps in memory must not stay
    add(small, some(fresh_counts, range(40)))
    small.remove("batch = 'b1' AND label <> 'B cell'")
    rows = rows_of(small)
    made = replace(small, cells=pa.Table.from_pylist(rows, small.cells.schema), version=None)
    for how in ({}, {"where": "label = 'T cell'"}, {"radius": 20}):
        same_hits(*(search(query, own, 15, config=config, **how) for own in (small, made)))
    found = search(some(fresh_counts, range(40)), small, 1, config=replace(QUIET, ranking="code"))
    assert not {row["cell_id"] for row in found.to_arrow().to_pylist()} - {
        row["cell_id"] for row in rows
    }
    assert (found.distances == 0).any()


class Oracle:
    """The cells of a reference as a list of rows, and what is done to them."""

    def __init__(self, rows):
        self.rows = rows

    def add(self, new, on_duplicate):
        there = {row["cell_id"] for row in self.rows}
        if on_duplicate == "keep":
            new = [row for row in new if row["cell_id"] not in there]
        elif on_duplicate == "refuse" and any(row["cell_id"] in there for row in new):
            return False
        else:
            names = {row["cell_id"] for row in new}
            self.rows = [row for row in self.rows if row["cell_id"] not in names]
        self.rows = self.rows + new
        return True

    def remove(self, column, value):
        left = [row for row in self.rows if row[column] != value]
        if left:
            self.rows = left
        return bool(left)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_any_sequence_of_changes(small, reference, fresh_counts, codes, seed):
    draw = np.random.default_rng(seed)
    oracle = Oracle(rows_of(small))
    mark = small.fingerprint
    counted = Counter()
    for _ in range(12):
        step = draw.choice(["add", "merge", "remove"], p=[0.5, 0.2, 0.3])
        rule = str(draw.choice(["refuse", "replace", "keep"]))
        if step == "remove":
            column = str(draw.choice(["cell_id", "label", "batch"], p=[0.7, 0.2, 0.1]))
            seen = [row[column] for row in oracle.rows if row[column] is not None]
            value = seen[draw.integers(len(seen))]
            done = oracle.remove(column, value)
            change = lambda: small.remove(f"{column} = '{value}'")  # noqa: B023, E731
        else:
            places = draw.choice(30, size=draw.integers(1, 9), replace=False).tolist()
            new = [row_of(fresh_counts, codes, p, f"n{p % 20}") for p in places]
            new = list({row["cell_id"]: row for row in new}.values())
            rows = [p for p in places if row_of(fresh_counts, codes, p, f"n{p % 20}") in new]
            done = oracle.add([row_of(fresh_counts, codes, p, f"n{p % 20}") for p in rows], rule)
            cells = some(fresh_counts, rows, [f"n{p % 20}" for p in rows])
            if step == "add":
                change = lambda: add(small, cells, on_duplicate=rule)  # noqa: B023, E731
            else:
                part = replace(reference)
                add(part, cells)
                part.remove("cell_id LIKE 'cell%'")
                change = lambda: small.merge([part], on_duplicate=rule)  # noqa: B023, E731
        counted[step, done] += 1
        if done:
            change()
        else:
            with pytest.raises(InputError):
                change()
        assert check_facts(small) == oracle.rows
    assert small.fingerprint == mark
    assert counted["add", True] > 1


def test_merging_references(small, reference, fresh_counts):
    before = rows_of(small)
    parts = [replace(reference) for _ in range(2)]
    for place, part in enumerate(parts):
        add(part, some(fresh_counts, [place, place + 10]))
    parts[0].remove("cell_id LIKE 'cell%'")
    others = [rows_of(part) for part in parts]
    small.merge(parts, on_duplicate="keep")
    assert check_facts(small) == before + others[0] + others[1][-2:]
    assert [rows_of(part) for part in parts] == others
    if small.version is not None:
        assert [v.note for v in small.versions()[1:]] == [
            "added 2 cells from another reference"
        ] * 2


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("there", "360 of 362 cells have an id that the reference has"),
        ("twice", "1 of 2 cells have an id that another of those that are merged has"),
        ("bytes", "column 'batch' holds binary"),
    ],
)
def test_what_cannot_be_merged_whole_is_not_merged_at_all(
    small, reference, fresh_counts, fault, told
):
    """The first of the references could be added, the second not."""
    before, version = rows_of(small), small.version
    first, second = replace(reference), replace(reference)
    add(first, some(fresh_counts, [0, 1]))
    add(second, some(fresh_counts, [1 if fault == "twice" else 2, 3]))
    first.remove("cell_id LIKE 'cell%'")
    if fault != "there":
        second.remove("cell_id LIKE 'cell%'")
    if fault == "bytes":
        place = second.cells.schema.get_field_index("batch")
        no_text = second.cells.set_column(place, "batch", pa.array([b"\xff"] * 2))
        second = replace(second, cells=no_text)
    with pytest.raises(InputError, match=told):
        small.merge([first, second])
    assert check_facts(small) == before
    assert small.version == version


def test_merging_with_itself(small):
    before = rows_of(small)
    with pytest.raises(InputError, match="360 of 360 cells have an id"):
        small.merge([small])
    small.merge([small], on_duplicate="keep")
    assert check_facts(small) == before
    small.merge([small], on_duplicate="replace")
    assert check_facts(small) == before


@pytest.mark.parametrize("others", [["other.atlash"], "alone"])
def test_what_is_merged_must_be_loaded(small, reference, others):
    before = rows_of(small)
    with pytest.raises(InputError, match=r"list of references.*Reference\.load"):
        small.merge(reference if others == "alone" else others)
    assert check_facts(small) == before


def test_codes_of_two_encoders_are_not_merged(small, other, reference, fresh_counts):
    before = rows_of(small)
    alike = replace(reference)
    add(alike, some(fresh_counts, [0]))
    with pytest.raises(InputError, match=r"fingerprint .*cannot be compared.*`add`"):
        small.merge([alike, other], on_duplicate="keep")
    assert check_facts(small) == before
