"""How cells are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ScaleName = Literal["auto", "counts", "normalized", "log1p", "log2p1", "log10p1"]
"""How expression values are given; ``auto`` looks."""


@dataclass(frozen=True)
class InputConfig:
    """How cells are read.

    Parameters
    ----------
    layer
        Layer to read instead of ``X``; ``"raw"`` stands for ``adata.raw``.
    gene_column
        Column of ``var`` with the gene identifiers; ``None`` looks at ``var_names`` and at
        the usual columns.
    scale
        Scale of the values; ``"auto"`` detects it and refuses what cannot be told.
    min_shared
        Least share of the encoder's gene weight that must be measured, in [0, 1].
    chunk_size
        Cells read at a time.
    """

    layer: str | None = None
    gene_column: str | None = None
    scale: ScaleName = "auto"
    min_shared: float = 0.5
    chunk_size: int = 2048
