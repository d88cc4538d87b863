"""A reference with columns of every kind, and cells to look for."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from atlash.config import AnnotateConfig, SearchConfig
from atlash.keys import AnnotationKeys
from atlash.reference.columns import CELL_ID, LABEL, cells_table, codes_of
from atlash.tl import annotate, search

N_QUERIES = 40


def known_of(n, seed):
    """Return what is known of ``n`` cells: text, numbers, truth, and all of these with gaps."""
    rng = np.random.default_rng(seed)
    number = rng.integers(0, 5, n)
    gap = rng.random(n) < 0.15
    truth = rng.random(n) < 0.3
    return pd.DataFrame(
        {
            "donor": pd.Categorical(np.where(gap, None, np.char.add("d", number.astype(str)))),
            "number": number,
            "age": np.where(gap, np.nan, number).astype(float),
            "flag": truth,
            "maybe": np.where(gap, None, truth),
            "note": np.where(gap, None, np.char.add("n", (number % 3).astype(str))),
            "share": number % 2,  # and names that results have as well
            "rank": number,
            "distance": -1.0,
            "n_hits": "many",
        }
    )


@pytest.fixture(scope="session")
def known(reference):
    """The columns of the reference's cells, in their order."""
    return known_of(reference.cells.num_rows, 0)


@pytest.fixture(scope="session")
def atlas_ref(reference, known):
    """The shared reference with more columns, in memory; do not change it."""
    held = reference.cells
    cells = cells_table(
        held[CELL_ID].to_pylist(), codes_of(held), held[LABEL].to_pylist(), obs=known
    )
    return dataclasses.replace(reference, cells=cells)


@pytest.fixture(scope="session")
def loaded(atlas_ref, tmp_path_factory):
    """The same, saved and loaded."""
    path = tmp_path_factory.mktemp("tl") / "atlas.atlash"
    dataclasses.replace(atlas_ref).save(path)
    return type(atlas_ref).load(path)


@pytest.fixture
def query(fresh_counts):
    """Forty other cells with the same columns, to do with as a test likes."""
    some = fresh_counts[:N_QUERIES].copy()
    some.obs = known_of(N_QUERIES, 1).set_index(some.obs_names)
    return some


@pytest.fixture(scope="session")
def quiet():
    """Return options of a search without progress, on one thread."""

    def options(**changes):
        return SearchConfig(**({"progress": False, "n_threads": 1} | changes))

    return options


@pytest.fixture
def few(query, atlas_ref, quiet):
    """Hits of a radius that leaves some queries with several cells, and others with none."""
    nearest = search(query, atlas_ref, 1, config=quiet(ranking="code")).distances
    found = search(query, atlas_ref, radius=int(np.median(nearest)), config=quiet())
    n_hits = np.diff(found.bounds)
    assert n_hits.min() == 0
    assert n_hits.max() > 1
    return found


@pytest.fixture(scope="session")
def annotated(fresh_counts, reference):
    """The other cells, annotated with the defaults; shared."""
    return annotate(
        fresh_counts, reference, config=AnnotateConfig(progress=False, n_threads=1), copy=True
    )


@pytest.fixture(scope="session")
def options():
    """Return options without progress, on one thread."""

    def options(**changes):
        return AnnotateConfig(**({"progress": False, "n_threads": 1} | changes))

    return options


@pytest.fixture(scope="session")
def same():
    """Return what compares answers."""

    def same(one, other):
        """Raise unless two annotated AnnData hold the same answers, to the bit."""
        keys = AnnotationKeys()
        categories = (keys.label, keys.nearest, keys.runner_up, keys.status, keys.reason)
        for key in (*categories, keys.confidence, keys.margin, keys.novelty):
            np.testing.assert_array_equal(one.obs[key].to_numpy(), other.obs[key].to_numpy(), key)
        for key in (keys.codes, keys.sets):
            np.testing.assert_array_equal(one.obsm[key], other.obsm[key], key)

    return same
