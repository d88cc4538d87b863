import pandas as pd
import pytest

from atlash.data.columns import has_column


@pytest.mark.parametrize(
    ("given", "there"), [("a", True), ("b", False), (3, True), (None, False), (["a"], False)]
)
def test_columns(given, there):
    assert has_column(pd.DataFrame({"a": [1], 3: [2]}), given) is there
