import anndata as ad
import numpy as np
import pandas as pd
import pytest

from atlash.data.source import open_sources
from atlash.errors import KeyNotFoundError
from atlash.models.domains import read_domains


def sources(*columns):
    return open_sources(
        [
            ad.AnnData(
                np.ones((len(c), 2), np.float32), obs=pd.DataFrame({"donor": c}, dtype=object)
            )
            for c in columns
        ]
    )


@pytest.fixture(autouse=True)
def _quiet(recwarn):
    """Cell names are numbers here, of which anndata tells."""


def test_names_are_shared_by_all_sources_and_missing_ones_are_unknown():
    found = read_domains(sources(["b", "a", None], ["c", "a"]), "donor")
    assert found.names == ("a", "b", "c")
    assert [codes.tolist() for codes in found.codes] == [[2, 1, 0], [3, 1]]


def test_numbers_and_categories_are_names():
    parts = sources([3, 10], [10, 3])
    parts[1].obs["donor"] = parts[1].obs["donor"].astype("category")
    found = read_domains(parts, "donor")
    assert found.names == ("10", "3")
    assert [codes.tolist() for codes in found.codes] == [[2, 1], [1, 2]]


def test_without_a_key_all_are_unknown():
    found = read_domains(sources(["b", "a"]), None)
    assert found.names == ()
    assert found.codes[0].tolist() == [0, 0]


def test_a_source_without_the_column_is_an_error():
    parts = sources(["b"], ["c"])
    del parts[1].obs["donor"]
    parts[1].obs["donors"] = 1
    with pytest.raises(KeyNotFoundError, match=r"no column 'donor'.*Did you mean 'donors'"):
        read_domains(parts, "donor")


@pytest.mark.parametrize("key", [["batch"], {}, 3], ids=repr)
def test_a_batch_key_that_is_no_name(key):
    with pytest.raises(KeyNotFoundError, match="has no column"):
        read_domains(sources(["a", "b"]), key)


def test_whole_numbers_have_no_point():
    """A missing batch makes a column of whole numbers one of fractions."""
    found = read_domains(sources([0, 1], [0.0, 1.0, np.nan]), "donor")
    assert found.names == ("0", "1")
    assert [codes.tolist() for codes in found.codes] == [[1, 2], [1, 2, 0]]
