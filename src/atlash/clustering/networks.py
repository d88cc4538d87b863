"""What learns an embedding and its hash heads, and the loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from atlash.nn.hash_encoder import CountDecoder, PlaceEncoder
from atlash.nn.hash_heads import QuantisedHeads, SignHeads

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from atlash.config import LearnConfig


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
class Batch:
    """Cells of one step: standardised places of both halves, counts of drawn genes, weights."""

    first: Tensor
    second: Tensor
    counts: tuple[Tensor, Tensor] | None
    library: Tensor
    weight: Tensor


def objective(
    networks: Networks, batch: Batch, config: LearnConfig, *, with_heads: bool
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
