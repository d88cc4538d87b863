"""References that earlier versions saved load for ever, and answer as they did."""

import json
import shutil
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from atlash.config import AnnotateConfig, SearchConfig
from atlash.keys import AnnotationKeys
from atlash.reference import Reference
from atlash.tl import annotate, search

KEYS = AnnotationKeys()
TEXT = {KEYS.label, KEYS.parent, KEYS.nearest, KEYS.runner_up, KEYS.status, KEYS.reason}


@pytest.fixture(
    scope="module", params=sorted(Path(__file__).parent.glob("v*")), ids=lambda path: path.name
)
def golden(request, tmp_path_factory):
    """A copy of one of the folders of ``make_golden.py``: caches are written beside cells."""
    return shutil.copytree(request.param, tmp_path_factory.mktemp("golden") / request.param.name)


@pytest.fixture(scope="module")
def stored(golden):
    with np.load(golden / "query.npz", allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def reference(golden):
    return Reference.load(golden / "tiny.atlash", verify=True)


@pytest.fixture(scope="module")
def query(stored):
    return ad.AnnData(
        sp.csr_matrix(stored["counts"].astype(np.float32)),
        var=pd.DataFrame(index=stored["genes"].astype(str)),
    )


@pytest.fixture(scope="module")
def answered(query, reference):
    """The stored query, annotated by this version."""
    answered = query.copy()
    annotate(answered, reference, config=AnnotateConfig(max_lost=0.03, progress=False))
    return answered


def read_table(path):
    return pd.read_csv(path, keep_default_na=False)


@pytest.mark.parametrize("name", ["v1", "v1_grown"])
def test_there_are_golden_references(name):
    assert (Path(__file__).parent / name / "tiny.atlash" / "manifest.json").is_file()


def test_it_loads_verified_with_all_its_cells(golden, reference):
    facts = json.loads((golden / "facts.json").read_text())
    cells = reference.cells.to_table()
    assert cells.num_rows == facts["n_cells"]
    assert {"cell_id", "code", "label", "cell_type", "batch"} <= set(cells.schema.names)
    assert reference.types == facts["types"]
    assert len(reference.versions()) == facts["n_versions"]


def test_codes_are_those_of_then_to_the_bit(answered, stored):
    np.testing.assert_array_equal(answered.obsm[KEYS.codes], stored["codes"])
    np.testing.assert_array_equal(answered.obsm[KEYS.sets], stored["sets"])


def test_answers_are_those_of_then(golden, answered):
    expected = read_table(golden / "expected.csv").iloc[:, 1:]
    for key, values in expected.items():
        if key in TEXT:
            assert list(answered.obs[key].astype(str)) == list(values.astype(str)), key
        else:  # a later kernel may round otherwise, but no answer may move
            np.testing.assert_allclose(answered.obs[key], values.astype(float), atol=2e-2)
    assert answered.obs[KEYS.reason].iloc[0] == "too few genes"


@pytest.mark.filterwarnings("ignore:.*no counts of the reference")
def test_hits_are_those_of_then(golden, query, reference):
    expected = read_table(golden / "hits.csv")
    hits = search(query, reference, k=5, config=SearchConfig(progress=False)).to_pandas()
    for key in ("rank", "cell_id", "distance", "label"):
        assert list(hits[key]) == list(expected[key]), key
    np.testing.assert_allclose(hits["score"], expected["score"], rtol=1e-3)


def test_cells_can_be_added(reference, query):
    before = reference.meta["n_cells"]
    reference.add(query[1:])
    assert reference.meta["n_cells"] == before + query.n_obs - 1


def test_it_is_small_enough_to_keep(golden):
    files = [path for path in golden.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 300_000
