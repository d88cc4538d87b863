"""How cells are clustered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from atlash.config.reading import ScaleName

CountLaw = Literal["poisson", "nb", "zinb"]
"""Law of the counts that the embedding has to explain."""


@dataclass(frozen=True)
class LearnConfig:
    """How the embedding and its hash heads are learned.

    Parameters
    ----------
    heads
        ``"quantised"`` takes the nearest word of each head, ``"sign"`` the rounded sigmoids of
        scHashFormer, ``"none"`` learns no heads.
    n_heads
        Heads.
    n_words
        Words of a quantised head.
    n_bits
        Bits of a sign head, 1 to 10.
    soft
        Quantised heads: pull a cell to a mean of words, weighted by how near they are.
    reconstruct
        Law of the counts that a low-rank decoder explains from the embedding of the first view;
        ``"none"`` has no decoder.
    rank
        Directions of the decoder.
    genes_a_step
        Genes, drawn anew for each step, whose counts are explained; they stand for all.
    predict_weight, contrast_weight, heads_weight, reconstruct_weight
        Weights of the losses: the squared distance of the first view's embedding to the second
        view's place, the contrast of views (InfoNCE), that of the heads, and the nats of counts.
    n_hidden
        Hidden units of the encoder.
    n_steps, batch_size
        Optimiser steps, at least 1, and cells in each.
    learning_rate, weight_decay
        Of AdamW with a one-cycle schedule.
    """

    heads: Literal["quantised", "sign", "none"] = "quantised"
    n_heads: int = 4
    n_words: int = 64
    n_bits: int = 4
    soft: bool = False
    reconstruct: CountLaw | Literal["none"] = "none"
    rank: int = 20
    genes_a_step: int = 500
    predict_weight: float = 1.0
    contrast_weight: float = 0.0
    heads_weight: float = 1.0
    reconstruct_weight: float = 1.0
    n_hidden: int = 128
    n_steps: int = 400
    batch_size: int = 256
    learning_rate: float = 3e-3
    weight_decay: float = 0.01


@dataclass(frozen=True)
class AttentionConfig:
    """How cells attend to their nearest cells.

    Parameters
    ----------
    form
        ``"none"``; ``"kernel"`` averages by distance and has nothing to learn; ``"transformer"``
        is one learned layer.
    n_rounds
        How often the kernel averages.
    temperature
        Of the kernel: squared distances are divided by it and by their mean over the tokens.
    n_heads, n_units
        Heads of the layer, and units of all heads together, a multiple of ``n_heads``.
    n_hidden
        Units of the layer's feed-forward part.
    n_steps, batch_size
        Optimiser steps, and cells in each.
    learning_rate, weight_decay
        Of AdamW with a one-cycle schedule.
    block_size
        Cells attended at a time.
    """

    form: Literal["none", "kernel", "transformer"] = "none"
    n_rounds: int = 1
    temperature: float = 1.0
    n_heads: int = 4
    n_units: int = 32
    n_hidden: int = 64
    n_steps: int = 400
    batch_size: int = 256
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    block_size: int = 16_384


@dataclass(frozen=True)
class ClusterConfig:
    """How cells are clustered.

    Parameters
    ----------
    n_genes
        Variable genes that are read.
    n_neighbors
        Nearest cells of each cell in the graph, itself among them.
    n_buckets
        Most buckets; up to so many cells, each is a bucket of its own.
    n_runs
        Runs of Leiden, of which the best is taken.
    n_splits
        Times that the counts of cells are dealt into halves.
    least_agreement
        Cohen's kappa of the halves' calls from which two clusters are distinct, at most 1.
    least_distance
        Squared distance of two clusters from which they are far, in units of the variance that
        halves share; clusters that are neither distinct nor far are joined.
    rare_types
        Look for rare types inside the clusters, where their number is to be found. With batches,
        their genes must be more than the rest of their batch has.
    even_depth
        Take off places what depth does to them, as thinned copies of cells tell it, so that
        shallow cells of a type and deep ones are not clusters of their own.
    learn
        How an embedding of the places is learned; ``None`` takes the places as they are, which
        was never worse in the benchmarks.
    attention
        How cells attend to their nearest; off, as it did not help in the benchmarks.
    refine_steps
        Steps of deep embedded clustering after joining; 0, as it did not help in the benchmarks.
    layer
        Layer to read instead of ``X``; ``"raw"`` stands for ``adata.raw``.
    gene_column
        Column of ``var`` with the gene identifiers, instead of its index.
    scale
        Scale of the values; ``"auto"`` detects it.
    min_shared
        Least share of the genes that new cells must have, in [0, 1].
    chunk_size
        Cells read at a time.
    n_threads
        Threads; ``None`` takes all cores. Results are the same for any number.
    progress
        Show progress on standard error.
    """

    n_genes: int = 2000
    n_neighbors: int = 40
    n_buckets: int = 2048
    n_runs: int = 40
    n_splits: int = 5
    least_agreement: float = 0.9
    least_distance: float = 0.3
    rare_types: bool = True
    even_depth: bool = True
    learn: LearnConfig | None = None
    attention: AttentionConfig = field(default_factory=AttentionConfig)
    refine_steps: int = 0
    layer: str | None = None
    gene_column: str | None = None
    scale: ScaleName = "auto"
    min_shared: float = 0.5
    chunk_size: int = 2048
    n_threads: int | None = None
    progress: bool = True
