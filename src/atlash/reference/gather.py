"""Cells to learn from: drawn from all sources, brought to counts over common genes."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from atlash.data.genes import GeneTable, match_genes, merge_genes, read_gene_names
from atlash.data.normalize import to_counts
from atlash.data.scale import detect_scale
from atlash.data.values import check_values
from atlash.errors import EmptyInputError, GeneMismatchError
from atlash.models.prepare import LabelledCounts, UnlabelledCounts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from atlash.config import InputConfig
    from atlash.data.scale import Scale
    from atlash.data.source import CellSource
    from atlash.reference.labels import Labels

MIN_COMMON = 0.5
"""Least share of the smallest source's genes that all sources must have."""
LEAST_SHARED = 0.9
"""Least share of their common genes that a source without labelled cells must have."""


class EmptyCellsWarning(UserWarning):
    """Cells without counts were left out of training."""


@dataclass(frozen=True)
class Gathered:
    """What is learned from.

    Attributes
    ----------
    cells
        Counts, types and batches of the training cells, and cells without a label beside them.
    genes
        The genes that all sources measured.
    scales
        Scale of each source.
    rows
        Where the training cells stand among the cells of all sources ``(n,)``, ascending int64.
    """

    cells: LabelledCounts
    genes: GeneTable
    scales: list[Scale]
    rows: NDArray[np.int64]


def gather(
    sources: Sequence[CellSource],
    labels: Labels,
    config: InputConfig,
    *,
    max_cells: int,
    max_unlabelled: int = 0,
    random_state: int,
) -> Gathered:
    """Draw training cells, rare types first, and bring them to counts over common genes.

    Parameters
    ----------
    sources, labels
        The cells, and their types and batches.
    config
        How they are read.
    max_cells, max_unlabelled
        Most cells with a label, and most without one, which are drawn evenly.
    random_state
        Seed.

    Raises
    ------
    GeneMismatchError
        If the sources have too few genes in common.
    EmptyInputError
        If no cell has counts.
    """
    each = [(source, bool((own >= 0).any())) for source, own in labels.by_source(sources)]
    wanted = [(source, labelled) for source, labelled in each if labelled or max_unlabelled]
    genes = _common_genes(wanted, config.gene_column)
    labelled = sample_by_type(labels.codes, max_cells, random_state=random_state)
    others = sample_unlabelled(labels.codes, max_unlabelled, random_state=random_state)
    rows = np.sort(np.concatenate([labelled, others]))
    counts, scales = _counts(sources, rows, genes, config)
    codes = labels.codes[rows]
    groups = None if labels.groups is None else labels.groups[rows]
    filled = np.diff(counts.indptr) > 0
    _check_filled(filled[codes >= 0])
    known, unknown = (np.flatnonzero(filled & chosen) for chosen in (codes >= 0, codes < 0))
    cells = LabelledCounts(counts, codes, groups, len(labels.types))[known]
    if len(unknown):
        cells = replace(cells, unlabelled=UnlabelledCounts(counts, groups)[unknown])
    return Gathered(cells, genes, scales, rows[known])


def sample_by_type(
    codes: NDArray[np.int64], max_cells: int, *, random_state: int
) -> NDArray[np.int64]:
    """Draw at most about ``max_cells`` labelled cells, as evenly over types as they allow.

    Parameters
    ----------
    codes
        Type of each cell ``(n,)``, -1 for none.
    max_cells
        Most cells wanted.
    random_state
        Seed.

    Returns
    -------
    Ascending indices. Types below the common quota are taken whole.
    """
    labelled = np.flatnonzero(codes >= 0)
    if len(labelled) <= max_cells:
        return labelled
    counts = np.bincount(codes[labelled])
    ascending = np.sort(counts[counts > 0])
    # the quota at which taking min(count, quota) of each type gives max_cells
    room = max_cells
    quota = 1
    for place, count in enumerate(ascending):
        quota = max(1, room // (len(ascending) - place))
        if count > quota:
            break
        room -= int(count)
    rng = np.random.default_rng(random_state)
    picked = []
    for kind in np.flatnonzero(counts):
        members = labelled[codes[labelled] == kind]
        if len(members) > quota:
            members = rng.choice(members, quota, replace=False)
        picked.append(members)
    return np.sort(np.concatenate(picked))


def sample_unlabelled(
    codes: NDArray[np.int64], max_cells: int, *, random_state: int
) -> NDArray[np.int64]:
    """Draw at most ``max_cells`` cells without a label; return ascending indices."""
    unlabelled = np.flatnonzero(codes < 0)
    if len(unlabelled) <= max_cells:
        return unlabelled
    rng = np.random.default_rng(random_state)
    return np.sort(rng.choice(unlabelled, max_cells, replace=False))


def _counts(
    sources: Sequence[CellSource],
    rows: NDArray[np.int64],
    genes: GeneTable,
    config: InputConfig,
) -> tuple[sp.csr_array, list[Scale]]:
    """Return counts of some rows of all sources over common genes, and each source's scale."""
    weight = np.full(len(genes), 1 / len(genes))
    parts, scales, first = [], [], 0
    for source in sources:
        scale = detect_scale(source, declared=config.scale)
        scales.append(scale)
        inside = rows[(rows >= first) & (rows < first + source.n_cells)] - first
        first += source.n_cells
        if len(inside) == 0:
            continue
        names = read_gene_names(source.var, config.gene_column, source_name=source.name)
        match = match_genes(names, genes, weight=weight, min_shared=MIN_COMMON)
        chunk = source.rows(inside)
        check_values(chunk, inside, source)
        counts = to_counts(chunk, scale)
        parts.append(_over_genes(counts, match.gene_of_column, len(genes)))
    return sp.csr_array(sp.vstack(parts, format="csr")), scales


def _common_genes(
    sources: Sequence[tuple[CellSource, bool]], gene_column: str | None
) -> GeneTable:
    """Return the genes that all sources measured, given whether each has labelled cells."""
    names = [read_gene_names(s.var, gene_column, source_name=s.name) for s, _ in sources]
    table, measured = merge_genes(names)
    of_labelled = measured[[known for _, known in sources]]
    common = of_labelled.all(axis=0)
    smallest = int(of_labelled.sum(axis=1).min())
    if common.sum() < MIN_COMMON * smallest:
        msg = (
            f"The {len(of_labelled)} inputs have {int(common.sum()):,} genes in common, less than "
            f"{MIN_COMMON:.0%} of the {smallest:,} of the smallest. Use inputs with the same "
            "genes, or name the right column with `gene_column`."
        )
        raise GeneMismatchError(msg)
    for (source, _), own in zip(sources, measured, strict=True):
        shared = int((own & common).sum())
        if shared < LEAST_SHARED * common.sum():
            msg = (
                f"{source.name} has no labelled cell and {shared:,} of the {common.sum():,} genes "
                f"of those that have, less than {LEAST_SHARED:.0%}. The others would be lost: "
                "leave this input out, or name the right column with `gene_column`."
            )
            raise GeneMismatchError(msg)
    common = measured.all(axis=0)
    return GeneTable.from_frame(table.to_frame().iloc[np.flatnonzero(common)])


def _over_genes(
    counts: sp.csr_array, gene_of_column: NDArray[np.int32], n_genes: int
) -> sp.csr_array:
    """Rename columns to genes; columns of one gene are summed, others are dropped."""
    gene = gene_of_column[counts.indices]
    keep = (gene >= 0) & (counts.data > 0)
    row = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    triplets = (counts.data[keep].astype(np.float32), (row[keep], gene[keep]))
    return sp.csr_array(triplets, shape=(counts.shape[0], n_genes))


def _check_filled(filled: NDArray[np.bool_]) -> None:
    """Warn of training cells without counts, or raise if there are no others."""
    empty = int((~filled).sum())
    if empty == len(filled):
        msg = f"All {empty:,} training cells are without counts; nothing can be learned."
        raise EmptyInputError(msg)
    if empty:
        msg = f"{empty:,} training cells without counts are left out of training."
        warnings.warn(msg, EmptyCellsWarning, stacklevel=4)
