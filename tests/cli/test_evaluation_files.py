"""Files of new names for types, good and bad."""

from dataclasses import replace

import numpy as np
import pytest

from atlash.cli.evaluation_files import (
    PARENT_TABLES,
    SUMMARY,
    TABLES,
    read_rename,
    write_evaluation,
)
from atlash.errors import FileFormatError, OutputError
from atlash.tl.answers import Answers
from atlash.tl.evaluation import evaluate_levels

NAMES = np.array(["T", "B", "T"], dtype=object)


@pytest.fixture
def found():
    """Two levels, parents first."""
    answers = Answers(["T", "B"], NAMES, NAMES, NAMES, None, None, None)
    return evaluate_levels([("parent", NAMES), ("type", NAMES)], [answers, answers])


def test_files_of_parents_of_an_earlier_run_go(found, tmp_path):
    (tmp_path / "mine.csv").write_text("kept")
    write_evaluation(found, tmp_path)
    both = sorted([*TABLES, *PARENT_TABLES, SUMMARY, "mine.csv"])
    assert sorted(path.name for path in tmp_path.iterdir()) == both
    write_evaluation(replace(found, levels=found.levels[1:]), tmp_path)
    one = sorted([*TABLES, SUMMARY, "mine.csv"])
    assert sorted(path.name for path in tmp_path.iterdir()) == one


def test_what_cannot_be_removed_is_named(found, tmp_path):
    (tmp_path / PARENT_TABLES[0]).mkdir()
    with pytest.raises(OutputError, match=r"per_type_parent.csv' is of an earlier run and cannot"):
        write_evaluation(replace(found, levels=found.levels[1:]), tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from,to\nT,CD4 T\nB,\n", {"T": "CD4 T", "B": None}),
        ('\ufefffrom,to\r\n"T, helper",CD4 T\r\n\r\n', {"T, helper": "CD4 T"}),
        (" from , to \n T , CD4 T \nT,CD4 T\n", {"T": "CD4 T"}),
        ("from,to\n", {}),
    ],
)
def test_names_are_read(tmp_path, text, expected):
    (tmp_path / "names.csv").write_text(text, encoding="utf-8", newline="")
    assert read_rename(tmp_path / "names.csv") == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is 'nothing'"),
        (b"T,CD4 T\n", "is 'T,CD4 T'"),
        (b"from;to\nT;CD4 T\n", "is 'from;to'"),
        (b"from,to\nT,CD4 T,x\n", "'T,CD4 T,x', which has not two fields"),
        (b"from,to\nT\n", "which has not two fields"),
        (b"from,to\nT,CD4\nT,CD8\n", "gives 'T' two names, 'CD4' and 'CD8'"),
        (b"from,to\n\xff\xfe,T\n", "no CSV file in UTF-8"),
    ],
)
def test_what_is_no_such_table_is_told(tmp_path, content, message):
    (tmp_path / "names.csv").write_bytes(content)
    with pytest.raises(FileFormatError, match=message):
        read_rename(tmp_path / "names.csv")


def test_a_folder_is_no_table(tmp_path):
    with pytest.raises(FileFormatError, match="cannot be read: Is a directory"):
        read_rename(tmp_path)
