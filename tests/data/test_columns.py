import numpy as np
import pandas as pd
import pytest

from atlash.data.columns import has_column, one_column, text_of, without_point
from atlash.errors import InputError

TWICE = pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"])


@pytest.mark.parametrize(
    ("given", "there"), [("a", True), ("b", False), (3, True), (None, False), (["a"], False)]
)
def test_columns(given, there):
    assert has_column(pd.DataFrame({"a": [1], 3: [2]}), given) is there


def test_one_of_several_columns_is_not_guessed():
    assert one_column(TWICE, "b").tolist() == [2]
    with pytest.raises(InputError, match=r"2 columns are called 'a'.*Keep one"):
        one_column(TWICE, "a")


@pytest.mark.parametrize(
    ("value", "text"),
    [(7, "7"), (7.0, "7"), ("7", "7"), (np.float32(-2), "-2"), (0.5, "0.5"), (True, "True")],
)
def test_whole_numbers_have_no_point(value, text):
    assert text_of(value) == text


@pytest.mark.parametrize(
    ("name", "plain"),
    [("1.0", "1"), ("-3.00", "-3"), ("1.5", "1.5"), ("v1.0", "v1.0"), ("10", "10"), ("", "")],
)
def test_points_of_whole_numbers_are_left_out(name, plain):
    assert without_point(name) == plain
