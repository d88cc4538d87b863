"""The loop that learns an embedding and its hash heads together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from atlash.clustering.steps import check_finite, one_cycle
from atlash.nn.hash_encoder import CountDecoder, PlaceEncoder
from atlash.nn.hash_heads import QuantisedHeads, SignHeads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from atlash.config import LearnConfig
    from atlash.progress import Advance

HEADS_FROM = 0.3
"""Share of the steps after which heads join: words start from an embedding that has settled."""


@dataclass(frozen=True)
class LearningCells:
    """Cells to learn an embedding from.

    Attributes
    ----------
    Z
        Places ``(n, d)``, float32: principal components, the strongest first.
    Z1, Z2
        Places of two halves of the cells' counts on the same axes ``(n, d)``, float32; their
        noise is independent.
    counts
        Counts that the decoder explains from ``Z1`` ``(n, n_genes)``, CSR: those of the second
        half, so that noise cannot be copied.
    library
        All counts of that half ``(n,)``.
    weight
        Weight of each cell in all losses ``(n,)``, at least 0: rare cells may weigh more.
    """

    Z: NDArray[np.float32]
    Z1: NDArray[np.float32]
    Z2: NDArray[np.float32]
    counts: csr_array
    library: NDArray[np.float64]
    weight: NDArray[np.float64]


class Networks(nn.Module):
    """What learns: the encoder, its heads and the decoder."""

    def __init__(self, cells: LearningCells, config: LearnConfig, *, random_state: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(random_state)
        d = cells.Z.shape[1]
        self.encoder = PlaceEncoder(d, d, config.n_hidden, generator=generator)
        self.heads: SignHeads | QuantisedHeads | None = None
        if config.heads == "sign":
            self.heads = SignHeads(d, config.n_heads, config.n_bits, generator=generator)
        elif config.heads == "quantised":
            self.heads = QuantisedHeads(
                d, config.n_heads, config.n_words, generator=generator, soft=config.soft
            )
        self.decoder: CountDecoder | None = None
        if config.reconstruct != "none":
            total = np.asarray(cells.counts.sum(axis=0), dtype=np.float64) + 1
            share = torch.from_numpy((total / max(1.0, cells.library.sum())).astype(np.float32))
            self.decoder = CountDecoder(
                d, config.rank, share, law=config.reconstruct, generator=generator
            )
        self.log_width = nn.Parameter(torch.zeros(()))


@dataclass(frozen=True)
class _Batch:
    first: Tensor
    second: Tensor
    counts: tuple[Tensor, Tensor] | None
    library: Tensor
    weight: Tensor


def learn(
    cells: LearningCells, scaling: tuple[NDArray[np.float64], float], config: LearnConfig, *,
    random_state: int, advance: Advance,
) -> Networks:  # fmt: skip
    """Learn the networks; the caller keeps torch on one thread.

    Parameters
    ----------
    cells
        What to learn from.
    scaling
        The encoder reads ``(place - mean) / scale``.
    config
        Options.
    random_state
        Seed of everything.
    advance
        Told of each step.

    Raises
    ------
    TrainingError
        If the loss is not finite.
    """
    networks = Networks(cells, config, random_state=random_state)
    optimiser, schedule = one_cycle(
        networks, config.n_steps, rate=config.learning_rate, decay=config.weight_decay
    )
    heads_from = math.ceil(HEADS_FROM * config.n_steps)
    for step, batch in enumerate(_batches(cells, scaling, config, random_state)):
        if step == heads_from and networks.heads is not None:
            with torch.no_grad():
                networks.heads.start(networks.encoder(_standard(cells.Z, scaling)))
        loss = objective(networks, batch, config, with_heads=step >= heads_from)
        check_finite(loss.item(), step + 1, what="the embedding", rate=config.learning_rate)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
        advance()
    return networks


def objective(
    networks: Networks, batch: _Batch, config: LearnConfig, *, with_heads: bool
) -> Tensor:
    """Return the weighted sum of all losses."""
    weight = batch.weight
    first: Tensor = networks.encoder(batch.first)
    loss = first.new_zeros(())
    if config.predict_weight > 0:
        gap = (first - batch.second).square().mean(dim=1)
        loss = loss + config.predict_weight * (weight * gap).sum() / weight.sum()
    if config.contrast_weight > 0:
        second = networks.encoder(batch.second)
        loss = loss + config.contrast_weight * contrast(
            first, second, networks.log_width, weight=weight
        )
    if with_heads and networks.heads is not None:
        loss = loss + config.heads_weight * networks.heads.loss(first, weight)
    if networks.decoder is not None and batch.counts is not None:
        nats = networks.decoder.loss(first, *batch.counts, library=batch.library, weight=weight)
        loss = loss + config.reconstruct_weight * nats
    return loss


def contrast(first: Tensor, second: Tensor, log_width: Tensor, *, weight: Tensor) -> Tensor:
    """Return InfoNCE of two views by distance: a cell has to find itself among the batch.

    Parameters
    ----------
    first, second
        Embeddings ``(batch, n_dims)``.
    log_width
        Logarithm of the squared distance, a dimension, that costs one nat: learned.
    weight
        Of each cell ``(batch,)``.
    """
    squared = torch.cdist(first, second).square() / first.shape[1]
    logits = -squared * torch.exp(-log_width)
    own = torch.arange(len(first))
    nats = F.cross_entropy(logits, own, reduction="none") + F.cross_entropy(
        logits.T, own, reduction="none"
    )
    return (weight * nats).sum() / weight.sum() / 2


def _batches(
    cells: LearningCells, scaling: tuple[NDArray[np.float64], float], config: LearnConfig,
    random_state: int,
) -> Iterator[_Batch]:  # fmt: skip
    """Yield ``n_steps`` batches of shuffled cells."""
    rng = np.random.default_rng(random_state)
    first, second = _standard(cells.Z1, scaling), _standard(cells.Z2, scaling)
    weight = torch.from_numpy(cells.weight.astype(np.float32))
    library = torch.from_numpy(np.maximum(cells.library, 1).astype(np.float32))
    teachers, order = np.flatnonzero(cells.weight > 0), np.empty(0, dtype=np.int64)
    size = min(config.batch_size, len(teachers))
    for _ in range(config.n_steps):
        if len(order) < size:
            order = rng.permutation(teachers)
        drawn, order = order[:size], order[size:]
        rows = torch.from_numpy(drawn)
        counts = None
        if config.reconstruct != "none":
            counts = _of_genes(cells.counts[drawn], config.genes_a_step, rng)
        yield _Batch(first[rows], second[rows], counts, library[rows], weight[rows])


def _of_genes(counts: csr_array, most: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return the counts of drawn genes, and these genes."""
    n_genes = counts.shape[1]
    genes = np.sort(rng.choice(n_genes, min(most, n_genes), replace=False))
    chosen = counts.toarray()[:, genes].astype(np.float32)
    return torch.from_numpy(chosen), torch.from_numpy(genes)


def _standard(places: NDArray[np.float32], scaling: tuple[NDArray[np.float64], float]) -> Tensor:
    mean, scale = scaling
    return torch.from_numpy(((places - mean) / scale).astype(np.float32))
