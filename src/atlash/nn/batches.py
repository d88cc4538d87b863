"""Training batches: cells drawn, thinned, normalised, standardised, with genes left out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from scipy.sparse import csr_array
    from torch import Tensor

    from atlash.config import TrainConfig

_MOST_DRAWN = 2**62
"""Counts beyond it are no whole numbers of 64 bits, and vary by a billionth of their size."""


@dataclass(frozen=True)
class TrainingCells:
    """Cells in memory to learn from.

    Attributes
    ----------
    counts
        Counts of the features ``(n, n_features)``, CSR, not negative.
    library
        Counts of each cell over all genes of the reference ``(n,)``, float64.
    labels
        Type of each cell ``(n,)``, in ``[0, n_types)``.
    n_types
        Number of types.
    target_sum
        Counts that a cell is scaled to.
    """

    counts: csr_array
    library: NDArray[np.float64]
    labels: NDArray[np.int64]
    n_types: int
    target_sum: float


@dataclass(frozen=True)
class Standardiser:
    """Frozen statistics of the features: ``x = min((v - mean) * inverse_scale, upper)``."""

    mean: NDArray[np.float32]
    inverse_scale: NDArray[np.float32]
    upper: float


def thin(
    counts: NDArray[np.floating], share: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Keep each count with its probability, as if the cell had been sequenced less deeply.

    Parameters
    ----------
    counts
        Counts ``(n,)``; what is beyond an integer is rounded up or down at random, so that
        expected counts and gene activities keep their mean.
    share
        Probability of keeping ``(n,)``, in [0, 1].
    rng
        Source of randomness.

    Returns
    -------
    Binomial draws ``(n,)``, float32; of counts beyond 64 bits their mean.
    """
    whole = np.floor(counts)
    whole += rng.random(len(counts), dtype=np.float32) < counts - whole
    kept = (rng.random(len(counts)) < share).astype(np.float32)  # right where the count is 1
    other = np.flatnonzero(whole != 1)
    n = whole[other]
    kept[other] = rng.binomial(np.minimum(n, _MOST_DRAWN).astype(np.int64), share[other])
    beyond = n > _MOST_DRAWN
    kept[other[beyond]] = n[beyond] * share[other[beyond]]
    return kept


def batches(
    cells: TrainingCells,
    standardiser: Standardiser,
    *,
    config: TrainConfig,
    rng: np.random.Generator,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield standardised cells ``(batch, n_features)`` and their types, without end."""
    n = len(cells.labels)
    size = min(config.batch_size, n)
    order, at = rng.permutation(n), 0
    while True:
        if at + size > n:
            order, at = rng.permutation(n), 0
        index = order[at : at + size]
        at += size
        x = augmented(cells, index, standardiser, config=config, rng=rng)
        yield torch.from_numpy(x), torch.from_numpy(cells.labels[index])


def augmented(
    cells: TrainingCells,
    index: NDArray[np.int64],
    standardiser: Standardiser,
    *,
    config: TrainConfig,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Return standardised, thinned cells with genes left out ``(len(index), n_features)``."""
    rows = cells.counts[index]
    share = np.ones(len(index))
    thinned = rng.random(len(index)) < config.thin_probability
    share[thinned] = rng.uniform(config.thin_least, 1, int(thinned.sum()))
    lengths = np.diff(rows.indptr)
    values = rows.data.astype(np.float32)
    entries = np.repeat(thinned, lengths)
    values[entries] = thin(values[entries], np.repeat(share, lengths)[entries], rng)
    scale = cells.target_sum / np.maximum(cells.library[index] * share, 1)
    values *= np.repeat(scale, lengths).astype(np.float32)
    if config.gene_jitter > 0:
        shape = (config.n_pseudo_batches, cells.counts.shape[1])
        factor = np.exp(config.gene_jitter * rng.standard_normal(shape, dtype=np.float32))
        batch = rng.integers(0, config.n_pseudo_batches, len(index))
        values *= factor[np.repeat(batch, lengths), rows.indices]
    logged = np.log1p(values)

    silent = -standardiser.mean * standardiser.inverse_scale
    x = np.repeat(silent[None], len(index), axis=0)
    column = rows.indices
    standard = (logged - standardiser.mean[column]) * standardiser.inverse_scale[column]
    x[np.repeat(np.arange(len(index)), lengths), column] = np.minimum(standard, standardiser.upper)
    if config.gene_dropout > 0:
        # a share of its own for each cell: from all genes measured to few of them
        missing = rng.uniform(0, 2 * config.gene_dropout, (len(index), 1)).astype(np.float32)
        x *= rng.random(x.shape, dtype=np.float32) >= missing
    return x


def as_they_are(config: TrainConfig) -> TrainConfig:
    """Return the options under which a batch is its cells, without any augmentation."""
    return replace(config, thin_probability=0.0, gene_dropout=0.0, gene_jitter=0.0, mixup=0.0)
