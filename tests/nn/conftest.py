"""Small cells that the tests of this floor share."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from atlash.config import TrainConfig
from atlash.nn.batches import Standardiser, TrainingCells
from atlash.nn.encoder import HashEncoder, export_weights

N_FEATURES, N_TYPES = 30, 3


@pytest.fixture(scope="session")
def small():
    """Options of a network that learns in a moment."""
    return TrainConfig(
        n_hidden=16,
        n_hidden_2=8,
        n_component_hidden=8,
        n_steps=40,
        batch_size=64,
        learning_rate=0.02,
        component_learning_rate=0.02,
    )


@pytest.fixture(scope="session")
def draw_cells():
    """Draw counts of 3 types, each with 5 genes of its own, as training cells."""

    def draw(n, seed):
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, N_TYPES, n)
        mean = np.ones((N_TYPES, N_FEATURES))
        for kind in range(N_TYPES):
            mean[kind, 5 * kind : 5 * kind + 5] = 6
        counts = sp.csr_array(rng.poisson(mean[labels]).astype(np.float32))
        library = counts.sum(axis=1) + rng.poisson(50.0, n)  # of genes that are no features
        return TrainingCells(counts, library.astype(np.float64), labels, N_TYPES, 100.0)

    return draw


@pytest.fixture(scope="session")
def cells(draw_cells):
    """200 cells to learn from."""
    return draw_cells(200, seed=0)


@pytest.fixture(scope="session")
def standardiser(cells):
    """Their mean and scale."""
    logged = np.log1p(100 * cells.counts.toarray() / cells.library[:, None])
    mean, deviation = logged.mean(axis=0), logged.std(axis=0)
    return Standardiser(mean.astype(np.float32), (1 / deviation).astype(np.float32), 2.0)


@pytest.fixture(scope="session")
def axes():
    """Seven axes at right angles."""
    random = np.random.default_rng(1).normal(size=(N_FEATURES, 7))
    return np.linalg.qr(random)[0].astype(np.float32)


@pytest.fixture(scope="session")
def make_encoder(axes, standardiser):
    """Make an encoder of random weights, biases and gains, as a module and as arrays."""

    def make(n_members, *, seed=0, n_bits=16):
        config = TrainConfig(
            n_members=n_members,
            n_hidden=16,
            n_hidden_2=8,
            n_component_members=2,
            n_component_hidden=8,
        )
        encoder = HashEncoder(
            torch.from_numpy(axes), n_bits, config, device=torch.device("cpu"), random_state=seed
        )
        noise = torch.Generator().manual_seed(seed + 1)
        with torch.no_grad():
            for parameter in encoder.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=noise), alpha=0.3)
        return encoder.eval(), export_weights(encoder, standardiser)

    return make
