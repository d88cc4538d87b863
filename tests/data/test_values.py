import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

from atlash.data.source import open_source
from atlash.data.values import check_finite, check_library, check_values
from atlash.errors import InvalidValuesError


@pytest.fixture
def cells():
    adata = ad.AnnData(sp.csr_matrix(np.arange(12, dtype=np.float32).reshape(4, 3)))
    adata.obs_names = ["w", "x", "y", "z"]
    adata.var_names = ["CD3E", "MS4A1", "LYZ"]
    return open_source(adata)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_first_bad_value_is_named(cells, value, dtype):
    chunk = sp.csr_array(np.array([[1, 0, 2], [0, 0, value], [value, 1, 1]], dtype=dtype))
    with pytest.raises(InvalidValuesError, match=r"gene 'LYZ' in cell 'y' \(row 2\) is"):
        check_values(chunk, slice(1, 4), cells)
    with pytest.raises(InvalidValuesError, match=r"gene 'LYZ' in cell 'z' \(row 3\) is"):
        check_values(chunk, np.array([0, 3, 3]), cells)


def test_a_negative_value_is_finite(cells):
    check_finite(sp.csr_array([[-1.0, 0, 2]]), slice(0, 1), cells)


@pytest.mark.parametrize("chunk", [sp.csr_array((2, 3)), sp.csr_array([[0.0, 1, 1e30]])])
def test_good_values_pass(cells, chunk):
    check_values(chunk, slice(0, chunk.shape[0]), cells)


def test_a_value_beyond_the_bound_is_named(cells):
    with pytest.raises(InvalidValuesError, match=r"'CD3E' in cell 'w'.* is 90, too large"):
        check_values(sp.csr_array([[90.0, 1, 0]]), slice(0, 1), cells, most=18.0)


def test_a_cell_that_sums_to_next_to_nothing_is_named(cells):
    with pytest.raises(InvalidValuesError, match=r"cell 'z' \(row 3\) sum to 1e-300"):
        check_library(np.array([0.0, 1e-300]), slice(2, 4), cells)
    with pytest.raises(InvalidValuesError, match=r"cell 'y' \(row 2\) sum to 1e-31"):
        check_library(np.array([1.0, 1e-31]), np.array([0, 2]), cells)
    check_library(np.array([0.0, 1e-30, 1e30]), slice(0, 3), cells)
