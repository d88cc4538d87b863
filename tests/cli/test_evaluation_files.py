"""Files of new names for types, good and bad."""

import pytest

from atlash.cli.evaluation_files import read_rename
from atlash.errors import FileFormatError


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
