"""How references are learned and built."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from atlash.config.pretraining import FineTuneConfig

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    import pandas as pd

    from atlash.config.rare import LossConfig, LossName, MiningConfig
    from atlash.config.reading import ScaleName

Quantisation = Literal["none", "squared", "cauchy"]
"""Form of the quantisation loss; see :func:`atlash.nn.losses.quantisation_loss`."""
HierarchySource: TypeAlias = "Mapping[str, str | None] | pd.DataFrame | str | os.PathLike[str]"
"""Where the parent of each type stands; see :class:`BuildConfig`."""


@dataclass(frozen=True)
class TrainConfig:
    """How the encoder is learned.

    Parameters
    ----------
    n_bits
        Length of the anchor part of a code, which tells the type, a multiple of 8; ``None``
        chooses by the number of types (64 up to 128 types).
    n_detail_bits
        Length of the detail part, which tells cells of one type apart, a multiple of 8; 0 for
        none. Both parts together have at most 256 bits, of which the anchor part takes multiples
        of 64; where it leaves less room, the detail part gives way.
    n_features
        Genes the encoder reads.
    marker_share
        Share of these genes that are markers of types in the training cells; the others are
        the most variable ones.
    n_members
        Gene networks; their codes and those of the component networks are averaged.
    n_hidden, n_hidden_2
        Widths of each gene network's hidden layers.
    n_components
        Principal components.
    n_component_members, n_component_hidden
        Networks that read them, and their width.
    dropout
        Share of hidden units dropped.
    n_steps, max_epochs
        Most optimiser steps, and most passes over the cells; an inner split by batch may find
        that fewer are better.
    batch_size
        Cells a step.
    learning_rate, component_learning_rate, weight_decay
        Of AdamW with a one-cycle schedule; the component networks have a rate of their own.
    anchor_weight, similarity_weight
        Weights of the anchor loss (a cross entropy a bit) and of the similarity loss (a cross
        entropy over types).
    parent_weight
        Weight of the loss at the level of parents (a cross entropy over parents, each as similar
        as all of its children together); without a hierarchy it has no meaning.
    parent_bits
        Share of the anchor part that siblings have in common, in [0, 1), so that they are nearer
        to each other than to other types; 0 sets all types equally far apart. Without a
        hierarchy it has no meaning.
    similarity_scale
        Steepness of the softmax over anchor similarities in the similarity loss.
    quantisation
        Form of the quantisation loss.
    quantisation_weight
        Its weight.
    loss
        Form of the similarity loss, by name or in numbers: what it does for rare types.
    mining
        Cells that look mislabelled are left out, and hard ones learned in a second phase;
        ``None`` for neither.
    class_balance
        Beta of the class-balanced weights, in [0, 1); 0 weighs all types alike.
    learned_anchors
        Learn the anchors together with the encoder instead of predefining them; an ablation. The
        similarity loss, from which they learn, then has a weight of 1 where it would have 0.
    thin_probability
        Share of cells whose counts are thinned in training.
    thin_least
        Least share of counts kept when thinning, in (0, 1].
    gene_dropout
        Mean share of genes left out of a training cell, in [0, 0.5).
    gene_jitter, n_pseudo_batches
        Standard deviation of the logarithm of the factor by which a pseudo-batch changes each
        gene, and their number in a step; as batches differ.
    mixup
        Parameter of the Beta distribution that mixes pairs of cells; 0 mixes none.
    upper
        Greatest standardised expression.
    max_cells
        Most cells to learn from; a larger reference is sampled, rare types first.
    n_folds
        Inner folds for calibration and early stopping; whole batches where there are several.
    """

    n_bits: int | None = None
    n_detail_bits: int = 64
    n_features: int = 2000
    marker_share: float = 0.5
    n_members: int = 2
    n_hidden: int = 192
    n_hidden_2: int = 128
    n_components: int = 50
    n_component_members: int = 3
    n_component_hidden: int = 128
    dropout: float = 0.3
    n_steps: int = 500
    max_epochs: float = 20.0
    batch_size: int = 128
    learning_rate: float = 1e-3
    component_learning_rate: float = 5e-3
    weight_decay: float = 0.01
    anchor_weight: float = 1.0
    similarity_weight: float = 1.0
    parent_weight: float = 0.5
    parent_bits: float = 0.0
    similarity_scale: float = 10.0
    quantisation: Quantisation = "squared"
    quantisation_weight: float = 1e-3
    loss: LossName | LossConfig = "tail_adjusted"
    mining: MiningConfig | None = None
    class_balance: float = 0.9999
    learned_anchors: bool = False
    thin_probability: float = 0.3
    thin_least: float = 0.2
    gene_dropout: float = 0.2
    gene_jitter: float = 0.15
    n_pseudo_batches: int = 8
    mixup: float = 0.0
    upper: float = 10.0
    max_cells: int = 50_000
    n_folds: int = 3


@dataclass(frozen=True)
class BuildConfig:
    """How a reference is built.

    Parameters
    ----------
    train
        How the encoder is learned.
    encoder
        Folder of a pre-trained encoder to start from; ``None`` starts from nothing.
    fine_tune
        How it is fine-tuned; without effect if there is none.
    scale
        Scale of the values; ``"auto"`` detects it.
    hierarchy
        What the parent of each type is, where no second column of labels says it: a dict of
        parents by sub type, a table with the columns ``sub`` and ``parent`` or its file (.csv,
        .tsv, .parquet), or a file of an ontology (.obo, read by obonet). ``None`` for none.
    parents
        Terms of ``hierarchy`` that are the parents. ``None`` takes the roots of a table, and of
        an ontology those types that lie above other types.
    max_unlabelled
        Greatest share of cells without a label, in [0, 1]; they are left out, and more are
        an error.
    use_unlabelled
        Let at most 20,000 cells without a label tell which genes vary, and which vary together.
        They are no part of the reference either, and any share may lack a label then.
    chunk_size
        Cells encoded at a time.
    device
        Where to learn: ``"auto"``, ``"cpu"``, ``"cuda"``, ...
    n_threads
        Threads; ``None`` takes all cores. Results are the same for any number.
    progress
        Show progress on standard error.
    """

    train: TrainConfig = field(default_factory=TrainConfig)
    encoder: str | None = None
    fine_tune: FineTuneConfig = field(default_factory=FineTuneConfig)
    scale: ScaleName = "auto"
    hierarchy: HierarchySource | None = field(default=None, hash=False)  # a dict has no hash
    parents: tuple[str, ...] | None = None
    max_unlabelled: float = 0.5
    use_unlabelled: bool = False
    chunk_size: int = 2048
    device: str = "auto"
    n_threads: int | None = None
    progress: bool = True
