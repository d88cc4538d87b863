"""Clusterers that earlier versions saved load for ever, and put cells where they did."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from atlash import HashClusterer

FOLDERS = sorted((Path(__file__).parent / "clusterer").glob("v*"))


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda path: path.name)
def golden(request):
    """One folder of those that ``make_golden_clusterer.py`` wrote, version by version."""
    return request.param


@pytest.fixture(scope="module")
def stored(golden):
    with np.load(golden / "query.npz", allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def loaded(golden):
    return HashClusterer.load(golden / "clusterer")


@pytest.fixture(scope="module")
def query(stored):
    return ad.AnnData(
        sp.csr_matrix(stored["counts"].astype(np.float32)),
        obs=pd.DataFrame({"batch": stored["batch"]}, index=[f"cell{k}" for k in range(30)]),
        var=pd.DataFrame(index=stored["genes"].astype(str)),
    )


def test_there_is_one_of_each_format():
    assert [path.name for path in FOLDERS] == ["v1", "v2", "v3"]


def test_it_loads_with_its_clusters(loaded):
    assert loaded.model_.n_clusters == 3 == len(loaded.facts_["cluster_stability"])
    assert loaded.config.n_runs == 5


def test_batches_are_kept_from_the_second_format_on(golden, loaded):
    assert loaded.model_.batch_names == (() if golden.name == "v1" else ("b1", "b2"))


def test_what_depth_does_is_kept_from_the_third_format_on(golden, loaded):
    assert (loaded.model_.depth_effect is not None) == (golden.name not in {"v1", "v2"})


def test_cells_are_put_where_they_were(loaded, query, stored):
    batch_key = "batch" if loaded.model_.batch_names else None  # format 1 kept none
    found = loaded.predict(query, batch_key=batch_key)
    for name in ("labels", "bucket", "codes"):
        np.testing.assert_array_equal(getattr(found, name), stored[name])
    for name in ("embedding", "membership", "stability"):
        np.testing.assert_allclose(getattr(found, name), stored[name], rtol=1e-4, atol=1e-5)
    assert found.labels[0] == -1
