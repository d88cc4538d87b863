"""Wilcoxon's rank sums of each group of cells against the rest, gene by gene, over chunks."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from atlash.data.normalize import linearise, project_rows
from atlash.data.scale import largest_value
from atlash.data.values import check_library, check_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from atlash.data.scale import Scale
    from atlash.data.source import CellSource

TARGET = 1e4
"""Counts to which each cell is brought before the logarithm."""
N_BINS = 256
"""Bins of a gene's values, the first for zeros."""
MOST_BYTES = 2**29
"""Memory for the counts of one pass over the cells; more genes than fit take more passes."""
_UNIT = 2.0**32
"""Sums are whole multiples of the inverse; they fit 64 bits up to 200 million cells."""
_NOTHING = 1e-9
"""Added to means before their ratio, as scanpy does, so that a silent gene has one."""


@dataclass(frozen=True)
class RankSums:
    """What sets each group apart from the rest; all arrays are float64 ``(n_groups, n_genes)``.

    Attributes
    ----------
    score
        Standardised rank sum with the correction for ties; positive where the group has more.
        0 for a gene without variation.
    auroc
        Chance that a cell of the group exceeds one of the rest, ties counting half, in [0, 1].
    log2_fold_change
        Base-2 logarithm of the ratio of geometric means of ``1 + CP10K``, less 1 each.
    fraction_in, fraction_out
        Share of cells with the gene in the group, and in the rest.
    p_value
        Two-sided, of the normal approximation.
    """

    score: NDArray[np.float64]
    auroc: NDArray[np.float64]
    log2_fold_change: NDArray[np.float64]
    fraction_in: NDArray[np.float64]
    fraction_out: NDArray[np.float64]
    p_value: NDArray[np.float64]

    @classmethod
    def concatenate(cls, parts: Sequence[RankSums]) -> RankSums:
        """Join the results of blocks of genes, in order."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.hstack([getattr(part, name) for part in parts]) for name in names))


def rank_sums(
    source: CellSource,
    groups: NDArray[np.int32],
    n_groups: int,
    *,
    scale: Scale,
    chunk_size: int = 2048,
    n_bins: int = N_BINS,
    most_bytes: int = MOST_BYTES,
) -> RankSums:
    """Compare each group with all other cells, by ``log1p`` of counts per ten thousand.

    Parameters
    ----------
    source
        The cells.
    groups
        Group of each cell ``(n_cells,)``, from 0, or -1 for cells that are left out.
    n_groups
        Number of groups, at least 2, none of them empty.
    scale
        Scale of the values.
    chunk_size
        Cells read at a time.
    n_bins
        Bins of a gene's values, at least 2.
    most_bytes
        Memory for counts. As many genes as fit are counted in one pass over the cells.

    Returns
    -------
    The comparison; it does not depend on the order of the cells.

    Raises
    ------
    InvalidValuesError
        NaN, infinite or negative values, or a cell that sums to next to nothing.

    Notes
    -----
    Values are counted in bins of width ``log(10001) / (n_bins - 1)`` (.036 for 256), zeros in
    one of their own; what follows is exact for the binned values, ties included. Two values
    above zero are taken for equal only if they share a bin, so the AUROC is off by at most
    half the chance that a cell of the group and one of the rest do.
    """
    n_genes = len(source.var)
    room = max(1, most_bytes // (4 * n_bins * n_groups))
    sizes = np.bincount(groups[groups >= 0], minlength=n_groups)
    parts = []
    for start in range(0, n_genes, room):
        feature = np.full(n_genes, -1, dtype=np.int32)
        stop = min(start + room, n_genes)
        feature[start:stop] = np.arange(stop - start)
        counts = np.zeros((n_groups, stop - start, n_bins), dtype=np.int32)
        sums = np.zeros(counts.shape[:2], dtype=np.int64)
        _count(source, groups, counts, sums, feature=feature, scale=scale, size=chunk_size)
        counts[..., 0] = sizes[:, None] - counts.sum(axis=2)
        parts.append(compare(counts, sums / _UNIT))
    return RankSums.concatenate(parts)


def _count(
    source: CellSource,
    groups: NDArray[np.int32],
    counts: NDArray[np.int32],
    sums: NDArray[np.int64],
    *,
    feature: NDArray[np.int32],
    scale: Scale,
    size: int,
) -> None:
    """Fill ``counts`` and ``sums`` for the genes of one block, those with a ``feature``."""
    from atlash.data._rank_sums import count_values

    per_unit = (counts.shape[2] - 1) / math.log1p(TARGET)
    genes = np.arange(feature.size, dtype=np.int32)
    for rows, chunk in source.chunks(size):
        check_values(chunk, rows, source, most=largest_value(scale.name))
        linear = linearise(chunk, scale)
        X, library, _ = project_rows(
            linear, gene_of_column=genes, feature_of_gene=feature, target=TARGET
        )
        check_library(library, rows, source)
        parts = X.data, X.indices.astype(np.int32), X.indptr.astype(np.int64)
        count_values(parts, groups[rows], per_unit, counts, sums, unit=_UNIT)


def compare(counts: NDArray[np.int32], sums: NDArray[np.float64]) -> RankSums:
    """Compare each group with the others from counts of binned values.

    Parameters
    ----------
    counts
        Cells of each group, gene and bin, ``(n_groups, n_genes, n_bins)``; bins ascend, the
        first holds zeros.
    sums
        Sum of each gene's values in each group, ``(n_groups, n_genes)``.

    Notes
    -----
    The rank of a cell is the mean rank of its bin. With ``n`` cells in the group, ``m`` in the
    rest, ``N`` together and ``t`` in each bin, the rank sum has mean ``n (N + 1) / 2`` and
    variance ``n m (N + 1) / 12 (1 - sum(t^3 - t) / (N^3 - N))`` (Lehmann 1975, section 1.4).
    """
    from scipy.special import ndtr

    total = counts.sum(axis=0, dtype=np.int64)
    middle = total.cumsum(axis=1) - total + (total + 1) / 2
    n = counts[:, :1].sum(axis=2, dtype=np.float64)
    N = n.sum()
    m = N - n
    ranks = np.stack([(own * middle).sum(axis=1) for own in counts])
    ties = (total.astype(np.float64) ** 3 - total).sum(axis=1) / (N**3 - N)
    variance = n * m * (N + 1) / 12 * np.maximum(1 - ties, 0)
    above = ranks - n * (N + 1) / 2
    score = np.divide(above, np.sqrt(variance), out=np.zeros_like(above), where=variance > 0)
    silent = counts[..., 0]
    mean_in, mean_out = sums / n, (sums.sum(axis=0) - sums) / m
    ratio = (np.expm1(mean_in) + _NOTHING) / (np.expm1(mean_out) + _NOTHING)
    return RankSums(
        score=score,
        auroc=(ranks - n * (n + 1) / 2) / (n * m),
        log2_fold_change=np.log2(ratio),
        fraction_in=1 - silent / n,
        fraction_out=1 - (silent.sum(axis=0) - silent) / m,
        p_value=2 * ndtr(-np.abs(score)),
    )


def benjamini_hochberg(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p-values adjusted for the false discovery rate, each row ``(..., n)`` on its own.

    Step-up procedure of Benjamini and Hochberg (1995): the k-th smallest of n becomes the
    least ``p n / rank`` of those not smaller, at most 1.
    """
    order = np.argsort(p_values, axis=-1, kind="stable")
    n = p_values.shape[-1]
    raised = np.take_along_axis(p_values, order, axis=-1) * n / np.arange(1, n + 1)
    least = np.minimum.accumulate(raised[..., ::-1], axis=-1)[..., ::-1]
    adjusted = np.empty_like(least)
    np.put_along_axis(adjusted, order, np.minimum(least, 1.0), axis=-1)
    return adjusted
