"""Groups and graphs that earlier steps left, and what is said where they are missing."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from atlash.errors import InputError, InvalidValuesError, KeyNotFoundError
from atlash.tl.stored import complete_groups_of, groups_of, stored_graph


@pytest.mark.parametrize(
    ("values", "groups", "names"),
    [
        (list("bab"), [1, 0, 1], ["a", "b"]),
        ([10, 9, 10], [1, 0, 1], ["9", "10"]),
        (["a", None, "b"], [0, -1, 1], ["a", "b"]),
        (pd.Categorical(list("xyx"), ["z", "y", "x"]), [1, 0, 1], ["y", "x"]),
        (["a", "", "b", " "], [0, -1, 1, -1], ["a", "b"]),
        (pd.Categorical(["1", 1, 2, "1"], [2, 1, "1"]), [1, 1, 0, 1], ["2", "1"]),
    ],
)
def test_groups_keep_the_order_of_categories(values, groups, names):
    found = groups_of(pd.DataFrame({"g": values}), "g")
    assert found[0].dtype == np.int32
    assert (found[0].tolist(), found[1]) == (groups, names)


@pytest.mark.parametrize("name", ["a", "b", "c", "d"])
def test_a_group_is_left_out_wherever_it_stands(name):
    values = np.array(list("cabcab"))
    groups, names = groups_of(pd.DataFrame({"g": values}), "g", without=name)
    assert names == sorted({"a", "b", "c"} - {name})
    again = [names[g] if g >= 0 else name for g in groups]
    assert again == values.tolist()


def test_a_missing_column_is_named_with_its_like():
    with pytest.raises(KeyNotFoundError, match=r"no column 'clusters'; .* Did you mean 'cluster'"):
        groups_of(pd.DataFrame({"cluster": [1]}), "clusters")
    with pytest.raises(KeyNotFoundError, match="it has none"):
        groups_of(pd.DataFrame(index=range(2)), "clusters")


def test_gaps_are_counted_where_none_may_be():
    obs = pd.DataFrame({"g": ["a", None, None]}, index=["c1", "c2", "c3"])
    with pytest.raises(InputError, match="no value for 2 of 3 cells, the first 'c2'"):
        complete_groups_of(obs, "g")


@pytest.fixture
def cells():
    cells = ad.AnnData(np.zeros((3, 1), dtype=np.float32))
    cells.obsp["mine"] = sp.csr_matrix(np.eye(3, k=1, dtype=np.float32))
    cells.uns["neighbors"] = {"distances_key": "mine"}
    return cells


def test_a_graph_is_found_by_its_name(cells):
    graph = stored_graph(cells, "neighbors", "distances")
    assert graph.dtype == np.float64
    np.testing.assert_array_equal(graph.toarray(), np.eye(3, k=1))


def test_a_missing_graph_is_named(cells):
    with pytest.raises(KeyNotFoundError, match=r"no 'neighbours'.*Did you mean 'neighbors'"):
        stored_graph(cells, "neighbours", "distances")
    with pytest.raises(KeyNotFoundError, match=r"names 'connectivities'.*`obsp` has 'mine'"):
        stored_graph(cells, "neighbors", "connectivities")


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_impossible_weights_are_refused(cells, value):
    cells.obsp["mine"].data[1] = value
    with pytest.raises(InvalidValuesError, match="must be finite and at least 0"):
        stored_graph(cells, "neighbors", "distances")
