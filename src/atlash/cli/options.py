"""Options that several commands share."""

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

    class_balanced = "class_balanced"
    plain = "plain"
    focal = "focal"
    logit_adjusted = "logit_adjusted"
    balanced_softmax = "balanced_softmax"
    balanced_adjusted = "balanced_adjusted"
    ginf = "ginf"
    clouded = "clouded"


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
Loss = Annotated[LossOption, typer.Option(help="What the loss does for rare types.")]
Threads = Annotated[
    int | None, typer.Option(min=1, help="Threads; all cores by default. Results are the same.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for machines.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
ReferencePath = Annotated[
    Path, typer.Option("--reference", "-r", help="Saved reference (a folder).")
]
