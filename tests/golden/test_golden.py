"""References that earlier versions saved load for ever, and answer as they did."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from atlash.config import AnnotateConfig
from atlash.keys import AnnotationKeys
from atlash.reference import Reference
from atlash.tl import annotate

KEYS = AnnotationKeys()
TEXT = [KEYS.label, KEYS.nearest, KEYS.runner_up, KEYS.status, KEYS.reason]
NUMBERS = [KEYS.confidence, KEYS.margin, KEYS.novelty]


@pytest.fixture(
    scope="module", params=sorted(Path(__file__).parent.glob("v*")), ids=lambda path: path.name
)
def golden(request):
    """One folder of those that ``make_golden.py`` wrote, version by version."""
    return request.param


@pytest.fixture(scope="module")
def stored(golden):
    with np.load(golden / "query.npz", allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def answered(golden, stored):
    """The stored query, annotated by this version."""
    query = ad.AnnData(
        sp.csr_matrix(stored["counts"].astype(np.float32)),
        var=pd.DataFrame(index=stored["genes"].astype(str)),
    )
    reference = Reference.load(golden / "tiny.atlash")
    annotate(query, reference, config=AnnotateConfig(max_lost=0.03, progress=False))
    return query


def test_there_is_a_golden_reference():
    assert list(Path(__file__).parent.glob("v*/tiny.atlash/manifest.json"))


def test_it_loads_verified_with_all_its_cells(golden):
    reference = Reference.load(golden / "tiny.atlash", verify=True)
    cells = reference.cells.to_table()
    assert cells.num_rows == reference.meta["n_cells"] == 90
    assert {"cell_id", "code", "label", "cell_type", "batch"} <= set(cells.schema.names)
    assert reference.types == ["B cell", "NK cell", "T cell"]


def test_codes_are_those_of_then_to_the_bit(answered, stored):
    np.testing.assert_array_equal(answered.obsm[KEYS.codes], stored["codes"])
    np.testing.assert_array_equal(answered.obsm[KEYS.sets], stored["sets"])


def test_answers_are_those_of_then(golden, answered):
    expected = pd.read_csv(golden / "expected.csv", index_col=0, keep_default_na=False)
    for key in TEXT:
        assert list(answered.obs[key].astype(str)) == list(expected[key].astype(str)), key
    for key in NUMBERS:  # a later kernel may round otherwise, but no answer may move
        np.testing.assert_allclose(answered.obs[key], expected[key].astype(float), atol=2e-2)
    assert answered.obs[KEYS.reason].iloc[0] == "too few genes"


def test_it_is_small_enough_to_keep(golden):
    files = [path for path in golden.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 300_000
