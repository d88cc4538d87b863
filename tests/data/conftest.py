"""Small cells that the tests of this floor share."""

from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp


@pytest.fixture(scope="session")
def counts():
    """Counts of 60 cells x 40 genes, a third of them not 0; the last cell is empty."""
    rng = np.random.default_rng(0)
    dense = rng.poisson(3, (60, 40)) * (rng.random((60, 40)) < 0.35)
    dense[:, 0] = 1  # one molecule of something in every cell
    dense[-1] = 0
    return dense.astype(np.float64)


@pytest.fixture
def adata(counts):
    """The counts as AnnData, with a batch and two namings of the genes."""
    genes = pd.DataFrame(
        {"gene_ids": [f"ENSG{k:011d}.{k % 7}" for k in range(40)]},
        index=[f"GENE{k}" for k in range(40)],
    )
    cells = pd.DataFrame(
        {"batch": pd.Categorical(list("ab") * 30)}, index=[f"c{k}" for k in range(60)]
    )
    return ad.AnnData(sp.csr_matrix(counts.astype(np.float32)), obs=cells, var=genes)


@pytest.fixture(scope="session")
def write_zarr():
    """Write a zarr store, of either format, without anndata's notices of future defaults."""

    def write(cells, path, version=3, **options):
        with ad.settings.override(zarr_write_format=version), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cells.write_zarr(path, **options)
        return path

    return write
