"""How cells are annotated and searched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from atlash.config.reading import ScaleName

Ranking = Literal["asymmetric", "code", "anchor-first"]
"""What distances between codes count; see :class:`SearchConfig`."""
SearchMethod = Literal["auto", "flat", "pruned", "anchor-walk"]
"""Which codes a search compares; see :class:`SearchConfig`."""


@dataclass(frozen=True)
class AnnotateConfig:
    """How cells are annotated.

    Parameters
    ----------
    method
        ``"asymmetric"`` compares expected bits with the anchors, ``"hamming"`` the bits.
    min_confidence
        Least calibrated probability of an assigned cell, in [0, 1]; below it a cell is
        between types.
    max_lost
        Share of cells of known types that may be called out of reach, in [0, 1]; 0 calls none
        so.
    min_genes
        Least number of the reference's genes detected in an assigned cell.
    vote
        Column of ``obs`` with clusters, or ``"code"`` for cells of one code: each group takes
        its most probable type as label. Transductive: a label then depends on the cell's company.
    match_query
        Standardise with the query's statistics instead of the reference's. Transductive, and
        confidences are not calibrated for it.
    scale
        Scale of the values; ``"auto"`` detects it.
    min_shared
        Least share of the encoder's gene weight that must be measured, in [0, 1].
    chunk_size
        Cells annotated at a time.
    n_threads
        Threads; ``None`` takes all cores. Results are the same for any number.
    progress
        Show progress on standard error.
    """

    method: Literal["asymmetric", "hamming"] = "asymmetric"
    min_confidence: float = 0.5
    max_lost: float = 0.05
    min_genes: int = 20
    vote: str | None = None
    match_query: bool = False
    scale: ScaleName = "auto"
    min_shared: float = 0.5
    chunk_size: int = 2048
    n_threads: int | None = None
    progress: bool = True


@dataclass(frozen=True)
class SearchConfig:
    """How cells are searched.

    Parameters
    ----------
    ranking
        ``"code"`` ranks by the bits in which codes differ, ``"anchor-first"`` by those of the
        anchor part, and by those of the detail part among equals. ``"asymmetric"`` takes the
        cells that the code puts first, four times as many as wanted and at least 200, and ranks
        them by the bits in which they are expected to differ: a bit that the query hardly
        decides counts half. Bits of the anchor part count twice.
    method
        ``"flat"`` compares with all cells; ``"pruned"`` leaves out cells that cannot be near,
        and finds the same; ``"auto"`` takes what is faster. ``"anchor-walk"`` looks at the
        cells of the nearest anchor, then of the next, until there are enough: it is
        approximate.
    layer
        Layer to read instead of ``X``; ``"raw"`` stands for ``adata.raw``.
    gene_column
        Column of ``var`` with the gene identifiers, instead of its index.
    scale
        Scale of the values; ``"auto"`` detects it.
    min_shared
        Least share of the encoder's gene weight that must be measured, in [0, 1].
    chunk_size
        Cells encoded at a time.
    n_threads
        Threads; ``None`` takes all cores. Results are the same for any number.
    progress
        Show progress on standard error.
    """

    ranking: Ranking = "asymmetric"
    method: SearchMethod = "auto"
    layer: str | None = None
    gene_column: str | None = None
    scale: ScaleName = "auto"
    min_shared: float = 0.5
    chunk_size: int = 2048
    n_threads: int | None = None
    progress: bool = True
