"""How a gene-token Transformer is shaped, and how it is pre-trained."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from atlash.config.reading import ScaleName

Sampling = Literal["random", "expressed"]
"""Which genes of a cell become tokens, where it expresses more than there is room for."""
ValueForm = Literal["bins", "continuous"]
"""How a gene's value enters; see :mod:`atlash.nn.gene_tokens`."""
GeneStart = Literal["coexpression", "random"]
"""What the embeddings of genes start from; see :mod:`atlash.models.gene_axes`."""


@dataclass(frozen=True)
class TransformerConfig:
    """How a cell becomes tokens, and what reads them.

    Parameters
    ----------
    n_tokens
        Most genes of a cell that become tokens, at least 2.
    sampling
        ``"random"`` draws them among the expressed genes, ``"expressed"`` takes those of the
        highest values.
    values
        ``"bins"`` enters a value by its rank among the cell's own, ``"continuous"`` as the
        logarithm of its ratio to their mean.
    n_bins
        Rows of the table of binned values, at least 3: one stands for a hidden value, the
        others for quantiles of the cell.
    width
        Length of the embedding of a token, and of a cell; a multiple of 4 and of ``n_heads``.
    n_layers, n_heads
        Layers, and attention heads of each.
    n_hidden
        Units of a layer's feed-forward part.
    """

    n_tokens: int = 512
    sampling: Sampling = "expressed"
    values: ValueForm = "bins"
    n_bins: int = 51
    width: int = 128
    n_layers: int = 4
    n_heads: int = 4
    n_hidden: int = 512


@dataclass(frozen=True)
class PretrainConfig:
    """How an encoder is pre-trained without labels.

    Parameters
    ----------
    model
        The Transformer.
    n_genes
        Most genes of the vocabulary; each file names its most variable in turn. All, if there
        are fewer.
    gene_start
        ``"coexpression"`` starts from embeddings that are alike for genes expressed together, by
        principal components of up to 32,768 cells; ``"random"`` from noise, as published.
    mask_ratios
        Shares of a cell's tokens whose values are hidden, above 0 and below 1; each cell of each
        step draws one.
    cls_weight
        Weight of predicting hidden values from the cell's embedding, beside predicting them
        from their tokens; at least 0.
    unknown_domain
        Share of cells that are trained with an unknown domain, as cells to be embedded later
        are; in [0, 1]. Without batches it has no effect.
    n_steps, batch_size
        Optimiser steps, and cells in each.
    learning_rate, warmup, weight_decay
        Of AdamW: the rate rises over the first share ``warmup`` of the steps, and falls as a
        cosine to a tenth.
    max_norm
        Norm to which gradients are clipped.
    block_size, buffer_size
        Neighbouring cells read in one go, and cells that are held and shuffled together; memory
        grows with the latter.
    checkpoint_steps, checkpoint_seconds
        A checkpoint is written after so many steps or seconds, whichever comes first.
    layer
        Layer to read instead of ``X``; ``"raw"`` stands for ``adata.raw``.
    gene_column
        Column of ``var`` with the gene identifiers, instead of its index.
    scale
        Scale of the values; ``"auto"`` detects it.
    device
        Where to learn: ``"auto"``, ``"cpu"``, ``"cuda"``, ...
    n_threads
        Threads; ``None`` takes all cores. Results are the same for any number.
    progress
        Show progress on standard error.
    """

    model: TransformerConfig = field(default_factory=TransformerConfig)
    n_genes: int = 8000
    gene_start: GeneStart = "coexpression"
    mask_ratios: tuple[float, ...] = (0.25, 0.5, 0.75)
    cls_weight: float = 1.0
    unknown_domain: float = 0.5
    n_steps: int = 10_000
    batch_size: int = 64
    learning_rate: float = 1e-3
    warmup: float = 0.05
    weight_decay: float = 0.01
    max_norm: float = 1.0
    block_size: int = 256
    buffer_size: int = 8192
    checkpoint_steps: int = 1000
    checkpoint_seconds: float = 300.0
    layer: str | None = None
    gene_column: str | None = None
    scale: ScaleName = "auto"
    device: str = "auto"
    n_threads: int | None = None
    progress: bool = True


@dataclass(frozen=True)
class FineTuneConfig:
    """How a pre-trained encoder becomes the encoder of a reference.

    Parameters
    ----------
    n_steps, batch_size
        Most optimiser steps of each fold and of the encoder that is kept, and cells in each; they
        take the place of those in ``TrainConfig``.
    learning_rate
        Greatest rate of AdamW, for all layers.
    """

    n_steps: int = 300
    batch_size: int = 64
    learning_rate: float = 3e-4


@dataclass(frozen=True)
class EmbedConfig:
    """How cells are embedded.

    Parameters
    ----------
    scale
        Scale of the values; ``"auto"`` detects it.
    chunk_size
        Cells read at a time.
    device
        Where to compute: ``"auto"``, ``"cpu"``, ``"cuda"``, ...
    n_threads
        Threads; ``None`` takes all cores. Results are the same for any number.
    progress
        Show progress on standard error.
    """

    scale: ScaleName = "auto"
    chunk_size: int = 512
    device: str = "auto"
    n_threads: int | None = None
    progress: bool = True
