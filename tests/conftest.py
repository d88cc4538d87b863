"""Settings and data that all tests share."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import settings

from atlash.config import BuildConfig, TrainConfig

# deadlines measure the machine, not the code; derandomised runs are the same every time
settings.register_profile("atlash", deadline=None, derandomize=True)
settings.load_profile("atlash")

TINY = TrainConfig(
    n_steps=30,
    n_features=200,
    n_hidden=32,
    n_hidden_2=16,
    n_components=10,
    n_component_hidden=16,
)
TYPES = ("B cell", "NK cell", "T cell")
BATCHES = ("b1", "b2")
N_GENES, N_OF_GROUP, N_MARKERS = 300, 60, 12


def make_atlas(random_state):
    """Draw gamma-Poisson counts of 3 types x 2 batches x 60 cells over 300 genes.

    Genes 0-11, 12-23 and 24-35 are markers of the first, second and third type; batches
    differ in every gene by a factor and in depth. The genes' means, markers and batch effects
    are the same for every ``random_state``.
    """
    fixed = np.random.default_rng(0)
    base = fixed.gamma(0.6, 1.0, N_GENES)
    batch_effect = np.exp(0.3 * fixed.standard_normal((len(BATCHES), N_GENES)))
    rng = np.random.default_rng(random_state)
    blocks, labels, batches = [], [], []
    for kind, name in enumerate(TYPES):
        mean = base.copy()
        mean[kind * N_MARKERS : (kind + 1) * N_MARKERS] += 6
        for b, batch in enumerate(BATCHES):
            share = mean * batch_effect[b]
            depth = rng.lognormal(np.log((900, 1300)[b]), 0.25, N_OF_GROUP)
            expected = depth[:, None] * share / share.sum()
            noise = rng.gamma(4.0, 1 / 4.0, expected.shape)
            blocks.append(rng.poisson(expected * noise))
            labels += [name] * N_OF_GROUP
            batches += [batch] * N_OF_GROUP
    order = rng.permutation(len(labels))  # types and batches mixed, as in a real file
    obs = pd.DataFrame(
        {"cell_type": pd.Categorical(labels), "batch": pd.Categorical(batches)},
        index=pd.Index([f"cell{k:03d}" for k in range(len(labels))]),
    )
    var = pd.DataFrame(index=pd.Index([f"GENE{k + 1}" for k in range(N_GENES)]))
    X = sp.csr_matrix(np.concatenate(blocks).astype(np.float32))
    return ad.AnnData(X, obs=obs, var=var)[order].copy()


@pytest.fixture(scope="session")
def atlas_counts():
    """Synthetic labelled counts, shared: do not change them; see `make_atlas`."""
    return make_atlas(0)


@pytest.fixture
def atlas(atlas_counts):
    """Return a copy of `atlas_counts` to do with as a test likes."""
    return atlas_counts.copy()


@pytest.fixture(scope="session")
def fresh_counts():
    """Other cells of the same types and batches."""
    return make_atlas(1)


@pytest.fixture(scope="session")
def tiny():
    """Options under which learning takes a second."""
    return BuildConfig(train=TINY, progress=False)


@pytest.fixture(scope="session")
def reference(atlas_counts, tiny):
    """A small reference built from `atlas_counts`, shared: do not change it.

    Saving changes where it reads its cells from: save ``dataclasses.replace(reference)``.
    """
    import atlash

    return atlash.Reference.build(
        atlas_counts, labels_key="cell_type", batch_key="batch", config=tiny
    )
