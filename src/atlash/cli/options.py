"""Options of commands that have many: their types and their help."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class ScaleOption(StrEnum):
    """Scales that can be declared; see :data:`atlash.config.ScaleName`."""

    auto = "auto"
    counts = "counts"
    normalized = "normalized"
    log1p = "log1p"
    log2p1 = "log2p1"
    log10p1 = "log10p1"


class LossOption(StrEnum):
    """Losses by name; see :func:`atlash.config.rare.loss_config`."""

    tail_adjusted = "tail_adjusted"
    anchors_adjusted = "anchors_adjusted"
    class_balanced = "class_balanced"
    plain = "plain"
    focal = "focal"
    logit_adjusted = "logit_adjusted"
    balanced_softmax = "balanced_softmax"
    balanced_adjusted = "balanced_adjusted"
    ginf = "ginf"
    clouded = "clouded"


class RankingOption(StrEnum):
    """Rankings; see :class:`atlash.SearchConfig`."""

    asymmetric = "asymmetric"
    code = "code"
    anchor_first = "anchor-first"


class MethodOption(StrEnum):
    """Methods; see :class:`atlash.SearchConfig`."""

    auto = "auto"
    flat = "flat"
    pruned = "pruned"
    anchor_walk = "anchor-walk"


class AnchorOption(StrEnum):
    """How cells are compared with anchors; see :class:`atlash.AnnotateConfig`."""

    asymmetric = "asymmetric"
    hamming = "hamming"


class LearnOption(StrEnum):
    """Hash heads by name; see :class:`atlash.LearnConfig`."""

    quantised = "quantised"
    sign = "sign"
    none = "none"


class AttentionOption(StrEnum):
    """Forms of attention; see :class:`atlash.AttentionConfig`."""

    none = "none"
    kernel = "kernel"
    transformer = "transformer"


class ValuesOption(StrEnum):
    """Forms of the values; see :data:`atlash.config.ValueForm`."""

    bins = "bins"
    continuous = "continuous"


# of several commands

Layer = Annotated[
    str | None, typer.Option(help="Layer to read instead of X; 'raw' stands for .raw.")
]
GeneColumn = Annotated[
    str | None, typer.Option(help="Column of var with the gene identifiers, instead of its index.")
]
Scale = Annotated[ScaleOption, typer.Option(help="Scale of the values; 'auto' looks.")]
MinShared = Annotated[
    float,
    typer.Option(min=0, max=1, help="Least share of the encoder's gene weight to be measured."),
]
AnchorMethod = Annotated[
    AnchorOption,
    typer.Option(help="What is compared with the anchors: expected bits, or the bits themselves."),
]
MinConfidence = Annotated[
    float, typer.Option(min=0, max=1, help="Least confidence of an assigned cell.")
]
MaxLost = Annotated[
    float,
    typer.Option(min=0, max=1, help="Share of known cells that may be called out of reach."),
]
MinGenes = Annotated[
    int, typer.Option(min=0, help="Least number of the reference's genes in an assigned cell.")
]
Vote = Annotated[
    str | None,
    typer.Option(help="Column of obs with clusters, or 'code': groups take one label."),
]
MatchQuery = Annotated[
    bool,
    typer.Option("--match-query", help="Standardise genes by the query's own means and spreads."),
]
KeyAdded = Annotated[str, typer.Option(help="Prefix of what is written.")]
Device = Annotated[str, typer.Option(help="Where to learn: auto, cpu, cuda, ...")]
Threads = Annotated[
    int | None, typer.Option(min=1, help="Threads; all cores by default. Results are the same.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for machines.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
ReferencePath = Annotated[
    Path, typer.Option("--reference", "-r", help="Saved reference (a folder).")
]

# of build

LabelsKey = Annotated[
    list[str],
    typer.Option(help="Column of obs with the cell types; given twice: parents, then types."),
]
BatchKey = Annotated[
    str | None, typer.Option(help="Column of obs with the batch, donor or study.")
]
Hierarchy = Annotated[
    Path | None,
    typer.Option(
        help="Parents of the types: a table with the columns sub and parent (.csv, .tsv, "
        ".parquet) or an ontology (.obo)."
    ),
]
Parent = Annotated[
    list[str] | None,
    typer.Option(help="Term of the hierarchy that is a parent; may be repeated."),
]
Bits = Annotated[
    int | None, typer.Option(help="Code length, a multiple of 8; by the types by default.")
]
Loss = Annotated[LossOption, typer.Option(help="What the loss does for rare types.")]
Guard = Annotated[
    bool, typer.Option(help="Leave cells that look mislabelled out of learning, and list them.")
]
Mine = Annotated[bool, typer.Option(help="The same as --guard, and learn hard cells again.")]
Encoder = Annotated[
    Path | None, typer.Option(help="Pre-trained encoder to start from (a folder).")
]
MaxUnlabelled = Annotated[
    float, typer.Option(min=0, max=1, help="Greatest share of cells without a label.")
]
UseUnlabelled = Annotated[
    bool,
    typer.Option(help="Let cells without a label, however many, help to choose genes and axes."),
]

# of register

KnownParent = Annotated[
    str | None,
    typer.Option(
        "--parent", help="Parent of the new type, of those known; by default it is one itself."
    ),
]

# of evaluate

TrueLabelsKey = Annotated[
    list[str],
    typer.Option(help="Column of obs with the true types; given twice: true parents, then types."),
]
ReferenceIfAny = Annotated[
    Path | None,
    typer.Option(
        "--reference", "-r", help="Saved reference; without it labels in QUERY are evaluated."
    ),
]
ResultFolder = Annotated[
    Path | None, typer.Option("--out", "-o", help="Folder for tables, summary and picture.")
]
Rename = Annotated[
    Path | None,
    typer.Option(
        help="CSV with the columns from,to: the reference's names of QUERY's types (parents)."
    ),
]
KeyEvaluated = Annotated[
    str | None,
    typer.Option(help="Prefix of labels in QUERY to evaluate, instead of annotating anew."),
]

# of search

K = Annotated[
    int | None,
    typer.Option("--k", "-k", help="Cells wanted for each query; 50, or all within a radius."),
]
Where = Annotated[
    str | None,
    typer.Option(help="Condition that cells must meet, in SQL: \"tissue = 'lung'\"."),
]
Radius = Annotated[int | None, typer.Option(help="Greatest distance in bits.")]
Exclude = Annotated[
    str | None,
    typer.Option(help="Column, such as donor, whose value query and cell must not share."),
]
Columns = Annotated[
    str | None,
    typer.Option(
        help="Columns of the cells found, separated by commas; without --output they are shown."
    ),
]
HitsFile = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="File for all hits (.csv, .parquet or .json)."),
]
Ranking = Annotated[RankingOption, typer.Option(help="What distances count.")]
Method = Annotated[
    MethodOption, typer.Option(help="Which cells are compared; 'anchor-walk' approximates.")
]

# of cluster

IntegratedKey = Annotated[
    str | None, typer.Option(help="Column of obs with batches, to be integrated.")
]
NClusters = Annotated[
    int | None, typer.Option(min=1, help="Number of clusters; found by default.")
]
Resolution = Annotated[
    float | None, typer.Option(help="Resolution of Leiden, its clusters taken as they are.")
]
EvenDepth = Annotated[
    bool,
    typer.Option("--even-depth/--no-even-depth", help="Take off what depth does to cells."),
]
RareTypes = Annotated[
    bool,
    typer.Option("--rare-types/--no-rare-types", help="Look for rare types inside the clusters."),
]
VariableGenes = Annotated[int, typer.Option("--genes", help="Variable genes that are read.")]
GraphNeighbors = Annotated[
    int, typer.Option("--neighbors", help="Nearest cells of each cell in the graph.")
]
MaxBuckets = Annotated[int, typer.Option("--buckets", help="Most buckets of near cells.")]
LeastAgreement = Annotated[
    float, typer.Option(help="Kappa of halved counts from which two clusters are distinct.")
]
LeastDistance = Annotated[
    float, typer.Option(help="Squared distance from which two clusters are far.")
]
Learn = Annotated[
    LearnOption | None,
    typer.Option(help="Learn an embedding with such hash heads; 'none' learns it without heads."),
]
Attention = Annotated[
    AttentionOption, typer.Option(help="How cells attend to their nearest cells.")
]
RefineSteps = Annotated[int, typer.Option(help="Steps of deep embedded clustering after joining.")]
ClustererFolder = Annotated[
    Path | None, typer.Option(help="Folder to save the fitted clusterer in.")
]

# of assign

FittedClusterer = Annotated[
    Path, typer.Option("--clusterer", "-c", help="Saved clusterer (a folder).")
]
LayerIfAny = Annotated[
    str | None,
    typer.Option(help="Layer to read; 'X' stands for X, 'raw' for .raw. [default: as clustered]"),
]
GeneColumnIfAny = Annotated[
    str | None,
    typer.Option(help="Column of var with the gene identifiers. [default: as clustered]"),
]
ScaleIfAny = Annotated[
    ScaleOption | None,
    typer.Option(help="Scale of the values; 'auto' looks. [default: as clustered]"),
]
MinSharedIfAny = Annotated[
    float | None,
    typer.Option(
        min=0, max=1, help="Least share of the genes to be measured. [default: as clustered]"
    ),
]
KnownBatchKey = Annotated[
    str | None,
    typer.Option(help="Column of obs with batches, of those that the clusterer integrated."),
]

# of pretrain

EncoderFolder = Annotated[
    Path, typer.Option("--out", "-o", help="Folder to write the encoder to.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on from the last checkpoint in the folder.")
]
DomainKey = Annotated[
    str | None, typer.Option(help="Column of obs with the batch, a token of its own.")
]
Vocabulary = Annotated[
    Path | None,
    typer.Option(help="Text file with one gene a line; chosen from the cells by default."),
]
Values = Annotated[ValuesOption, typer.Option(help="Values by rank, or continuous.")]
