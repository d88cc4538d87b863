import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlash.reference.ids import DuplicateCellsWarning, unique_ids


def test_unique_names_stay(recwarn):
    assert unique_ids(pd.Index(["a", "b", "a-1"])) == ["a", "b", "a-1"]
    assert not recwarn


def test_repeats_are_numbered_around_names_that_exist():
    with pytest.warns(DuplicateCellsWarning, match="2 of 5 cells .* example 'a'"):
        assert unique_ids(pd.Index(["a", "a", "a-1", "b", "a"])) == ["a", "a-2", "a-1", "b", "a-3"]


@pytest.mark.filterwarnings("ignore::atlash.reference.ids.DuplicateCellsWarning")
@given(st.lists(st.sampled_from(["a", "a-1", "a-1-1", "b", "b-2", ""])))
def test_names_are_unique_and_the_first_of_each_is_kept(names):
    unique = unique_ids(pd.Index(names, dtype=object))
    assert len(set(unique)) == len(names)
    assert all(new.startswith(old) for old, new in zip(names, unique, strict=True))
    assert all(unique[names.index(name)] == name for name in names)
