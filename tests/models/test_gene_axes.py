import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from atlash.config import InputConfig
from atlash.data.source import open_sources
from atlash.models import gene_axes
from atlash.models.gene_axes import gene_directions
from atlash.models.vocabulary import learn_vocabulary

OPTIONS = InputConfig(min_shared=0.0)
N_GENES = 40


def cells(n=400, seed=0, programs=4, names=None):
    """Cells of which each expresses one program, a run of neighbouring genes, more than others."""
    rng = np.random.default_rng(seed)
    names = [f"GENE{k}" for k in range(N_GENES)] if names is None else names
    program = np.arange(len(names)) * programs // len(names)
    rate = np.where(program == rng.integers(programs, size=(n, 1)), 1.5, 0.3)
    X = sp.csr_matrix(rng.poisson(rate).astype(np.float32))
    return ad.AnnData(X, var=pd.DataFrame(index=names)), program


def directions(*parts, width=8, seed=0):
    sources = open_sources(list(parts))
    known = learn_vocabulary(sources, OPTIONS, n_genes=1000, names=None, progress=False)
    bounds = [known.bind(source, OPTIONS) for source in sources]
    found = gene_directions(bounds, width, random_state=seed, progress=False)
    return pd.DataFrame(found, index=known.genes.ids)


def cosines(vectors):
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit @ unit.T


def obvious(parts, width):
    """The same by a dense matrix, one source after another."""
    rows = []
    for part in parts:
        seen = (part.X.toarray() > 0).astype(float)
        mean = seen.mean(axis=0)
        spread = np.maximum(np.sqrt(mean * (1 - mean)), gene_axes.LEAST_SPREAD)
        rows.append((seen - mean) / spread / np.sqrt(len(seen)))
    values, vectors = np.linalg.eigh(sum(row.T @ row for row in rows) / len(rows))
    loadings = vectors[:, ::-1][:, :width] * np.sqrt(values[::-1][:width])
    length = np.sqrt((loadings**2).sum(axis=1, keepdims=True) + gene_axes.UNEXPLAINED**2)
    return loadings / length * np.sqrt(width)


@pytest.mark.parametrize("small", [0, 10_000], ids=["some components", "all components"])
def test_they_are_loadings_of_what_is_detected(monkeypatch, small):
    monkeypatch.setattr(gene_axes, "SMALL", small)
    parts = cells(seed=0)[0], cells(n=150, seed=1)[0]
    found = directions(*parts).to_numpy()
    wanted = obvious(parts, 8)
    signs = np.sign((found * wanted).sum(axis=0))
    np.testing.assert_allclose(found, wanted * signs, atol=1e-5)


def test_genes_of_a_program_point_the_same_way():
    part, program = cells()
    alike = cosines(directions(part, width=3).to_numpy())
    same = program[:, None] == program
    assert alike[same].min() > 0.7
    assert alike[~same].max() < 0.2


def test_a_small_source_is_heard_beside_a_large_one():
    own = [f"OTHER{k}" for k in range(20)]
    small, program = cells(n=60, seed=1, programs=2, names=own)
    found = directions(cells(n=2000)[0], small, width=6)
    alike = cosines(found.loc[own].to_numpy())
    assert (
        alike[program[:, None] == program].mean() > alike[program[:, None] != program].mean() + 1
    )


def test_differences_between_sources_are_no_program():
    """Two sources that differ in depth alone: no axis sets them apart."""
    one, two = cells(seed=0)[0], cells(seed=1)[0]
    two.X = sp.csr_matrix(np.random.default_rng(0).binomial(two.X.toarray().astype(int), 0.5))
    two.X = two.X.astype(np.float32)
    found = directions(one, two, width=3).to_numpy()
    assert np.abs(found.mean(axis=0)).max() < 0.5  # a common axis has loadings of one sign


def test_the_seed_draws_cells_and_nothing_else(monkeypatch):
    part = cells()[0]
    pd.testing.assert_frame_equal(directions(part, seed=1), directions(part, seed=2))
    monkeypatch.setattr(gene_axes, "N_CELLS", 100)
    assert not directions(part, seed=1).equals(directions(part, seed=2))
    pd.testing.assert_frame_equal(directions(part, seed=1), directions(part, seed=1))


@pytest.mark.parametrize("n", [1, 2, 5])
def test_fewer_cells_than_components(n):
    found = directions(cells(n=n)[0]).to_numpy()
    assert np.isfinite(found).all()
    assert not found[:, n:].any()


def test_identical_cells_have_no_axes():
    part = cells(n=1)[0]
    assert not directions(ad.concat([part] * 300, index_unique="-")).to_numpy().any()
