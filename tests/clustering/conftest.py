"""Small cells that the tests of this room share."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

from atlash.clustering import HashClusterer
from atlash.clustering.axes import learn_axes
from atlash.clustering.genes import survey
from atlash.clustering.networks import LearningCells
from atlash.config import ClusterConfig, InputConfig
from atlash.data.source import open_source

FIELDS = ("labels", "membership", "stability", "bucket", "embedding", "codes")
N_TYPES, N_DIMS, N_GENES = 4, 6, 30


@pytest.fixture(scope="session")
def types():
    """Type of each of 240 cells."""
    return np.arange(240) % N_TYPES


@pytest.fixture(scope="session")
def sketch(types):
    """Cells of four types, two halves of them, and counts that follow the place."""
    rng = np.random.default_rng(0)
    signal = 4 * rng.normal(size=(N_TYPES, N_DIMS))[types] + rng.normal(size=(len(types), N_DIMS))
    one, two = (signal + 1.5 * rng.normal(size=signal.shape) for _ in range(2))
    loadings = 0.15 * rng.normal(size=(N_DIMS, N_GENES))
    counts = sp.csr_array(rng.poisson(2 * np.exp(signal @ loadings)).astype(np.float32))
    places = ((one + two) / 2, one, two)
    return LearningCells(
        *(z.astype(np.float32) for z in places),
        counts=counts,
        library=np.asarray(counts.sum(axis=1), dtype=np.float64) + 20,
        weight=np.ones(len(types)),
    )


@pytest.fixture(scope="session")
def quiet():
    """Return options without progress, on one thread."""

    def options(**changes):
        return ClusterConfig(**({"progress": False, "n_threads": 1} | changes))

    return options


@pytest.fixture(scope="session")
def look(quiet):
    """Survey cells, by batches if wanted."""

    def run(cells, batches=None, **changes):
        options = quiet(**changes)
        inputs = InputConfig(chunk_size=options.chunk_size, scale=options.scale)
        return survey(open_source(cells), batches, inputs=inputs, config=options)

    return run


@pytest.fixture(scope="session")
def surveyed(look, atlas_counts):
    """What the first pass finds in `atlas_counts`, over 120 of its genes; shared."""
    return look(atlas_counts, n_genes=120)


@pytest.fixture(scope="session")
def dealt(surveyed, quiet):
    """Axes of `surveyed` and its cells with their counts; shared."""
    return learn_axes(surveyed, quiet())


@pytest.fixture(scope="session")
def fitted(atlas_counts, quiet):
    """A clusterer fitted to `atlas_counts`; shared, not to be changed."""
    return HashClusterer(config=quiet()).fit(atlas_counts)


@pytest.fixture(scope="session")
def dense(surveyed, atlas_counts):
    """Log expression of the chosen genes in float64, the slow way ``(360, 120)``."""
    counts = atlas_counts.X.toarray().astype(np.float64)
    depth = counts.sum(axis=1, keepdims=True)
    logged = np.log1p(np.median(depth) * counts / depth)
    return logged[:, surveyed.genes.recipe.features]


@pytest.fixture
def cluster(quiet):
    """Fit a clusterer to a matrix or an AnnData."""

    def run(cells, n_clusters="auto", *, batch_key=None, resolution=None, seed=0, **changes):
        if not isinstance(cells, ad.AnnData):
            cells = ad.AnnData(cells)
        clusterer = HashClusterer(
            n_clusters, resolution=resolution, random_state=seed, config=quiet(**changes)
        )
        return clusterer.fit(cells, batch_key=batch_key)

    return run


@pytest.fixture(scope="session")
def counts(atlas_counts):
    return atlas_counts.X.toarray()


@pytest.fixture(scope="session")
def same():
    """Return what compares clusters."""

    def same(found, expected, order=slice(None)):
        """Compare bit by bit, cell by cell."""
        for name in FIELDS:
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name)[order])

    return same


@pytest.fixture(scope="session")
def sizes():
    """Return what counts the cells of each cluster."""

    def sizes(clusterer):
        return np.bincount(clusterer.clusters_.labels[clusterer.clusters_.labels >= 0]).tolist()

    return sizes
