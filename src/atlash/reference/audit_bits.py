"""Bits that tell nothing, and bits that tell the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.reference.audit_counts import GroupCounts

DEAD_SHARE = 0.01
"""A bit is dead if less than this share of cells, or all but less than it, have it."""
LEAST_OF_TYPE = 100
"""Cells of a type in which a bit can be called dead: one of them is the share above."""
LEAST_OF_GROUP = 20
"""Cells of a type in a batch that tell something of the batch."""
LEAST_ASSOCIATION = 0.3
"""Cramér's V of a batch-revealing bit: a medium effect (Cohen 1988), 9 % of its variance."""
FALSE_ALARM = 0.05
"""Probability that any bit is more associated than chance allows, where batches are alike."""


def audit_bits(
    counts: GroupCounts, n_bits: int, n_anchor_bits: int
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Judge every bit.

    Parameters
    ----------
    counts
        Ones of each bit, by label and batch.
    n_bits
        Length of a code.
    n_anchor_bits
        Bits that tell the type, which come first; the others are detail.

    Returns
    -------
    Counts as plain JSON; and one row a bit: ``bit``, ``part`` (``"anchor"`` or ``"detail"``),
    ``ones`` (share of cells), ``dead_within_types`` (share of cells in whose type the bit is
    dead, NaN without types of 100 cells), ``batch_association`` and
    ``batch_association_by_chance`` (see :func:`batch_association`), ``dead`` and
    ``batch_revealing``. A detail bit is dead, too, if it is so within the types of more than half
    of the cells. A bit reveals the batch if its association is above 0.3 and above chance.
    """
    order = np.lexsort((counts.groups[:, 1], counts.groups[:, 0]))
    groups, sizes = counts.groups[order], counts.sizes[order]
    ones = counts.ones[order, :n_bits]
    part = np.where(np.arange(n_bits) < n_anchor_bits, "anchor", "detail")
    n_cells = int(sizes.sum())
    share = ones.sum(axis=0) / n_cells if n_cells else np.full(n_bits, np.nan)
    within = dead_within_types(groups[:, 0], sizes, ones)
    association, chance, n_types = batch_association(groups, sizes, ones)
    dead = _is_dead(share) | ((part == "detail") & (within > 0.5))
    revealing = association > np.maximum(chance, LEAST_ASSOCIATION)
    table = pd.DataFrame(
        {
            "bit": np.arange(n_bits),
            "part": part,
            "ones": share,
            "dead_within_types": within,
            "batch_association": association,
            "batch_association_by_chance": chance,
            "dead": dead,
            "batch_revealing": revealing,
        }
    )
    batches: dict[str, Any] = {"skipped": "No type has 20 cells in each of two batches."}
    if n_types:
        batches = {
            "bits": int(revealing.sum()),
            "threshold": LEAST_ASSOCIATION,
            "greatest": float(association.max()),
            "median": float(np.median(association)),
            "greatest_by_chance": float(chance.max()),
            "types": n_types,
        }
    return {"n_bits": n_bits, "dead": int(dead.sum()), "batch_revealing": batches}, table


def dead_within_types(
    labels: NDArray[np.int32], sizes: NDArray[np.int64], ones: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the share of cells in whose type each bit is dead ``(n_bits,)``.

    Parameters
    ----------
    labels
        Type of each group ``(g,)``; -1 for cells without one, which are left out.
    sizes, ones
        Cells of each group ``(g,)``, and how many have each bit ``(g, n_bits)``.

    Returns
    -------
    Shares among cells of types of at least 100; NaN if there are none.
    """
    n_types = int(labels.max(initial=-1)) + 1
    cells = np.zeros(n_types, dtype=np.int64)
    having = np.zeros((n_types, ones.shape[1]), dtype=np.int64)
    np.add.at(cells, labels[labels >= 0], sizes[labels >= 0])
    np.add.at(having, labels[labels >= 0], ones[labels >= 0])
    large = cells >= LEAST_OF_TYPE
    if not large.any():
        return np.full(ones.shape[1], np.nan)
    dead = _is_dead(having[large] / cells[large, None])
    return np.asarray((dead * cells[large, None]).sum(axis=0) / cells[large].sum())


def batch_association(
    groups: NDArray[np.int32], sizes: NDArray[np.int64], ones: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Measure how much each bit tells of the batch, among cells of one type.

    Parameters
    ----------
    groups
        Label and batch of each group ``(g, 2)``, int32, labels ascending; groups without a label
        or of fewer than 20 cells are left out, and then labels of one batch.
    sizes, ones
        Cells of each group ``(g,)``, and how many have each bit ``(g, n_bits)``.

    Returns
    -------
    Association ``(n_bits,)`` in [0, 1], NaN if nothing is left; what one of ``n_bits`` bits
    passes with a probability of 5 % if batches are shuffled within types ``(n_bits,)``; and the
    number of types.

    Notes
    -----
    Cramér's V with the correction of Bergsma (2013, J. Korean Stat. Soc. 42:323) of the bit with
    the batch, types pooled: the share of the bit's variance within types that lies between
    batches, less what is expected by chance, and its root. When batches are shuffled, what lies
    between them is a weighed sum of a chi-squared variable for each type, which Satterthwaite's
    gamma variable of the same mean and variance stands for.
    """
    kept = np.flatnonzero((groups[:, 0] >= 0) & (sizes >= LEAST_OF_GROUP))
    labels, count = np.unique(groups[kept, 0], return_counts=True)
    kept = kept[np.isin(groups[kept, 0], labels[count > 1])]
    if len(kept) == 0:
        return np.full(ones.shape[1], np.nan), np.full(ones.shape[1], np.nan), 0
    starts = np.unique(groups[kept, 0], return_index=True)[1]
    cells = np.add.reduceat(sizes[kept], starts)[:, None]
    mean = np.add.reduceat(ones[kept], starts) / cells
    variance = cells * mean * (1 - mean)
    inside = np.add.reduceat(ones[kept] ** 2 / sizes[kept, None], starts)
    spare = count[count > 1][:, None] - 1
    by_chance = variance / (cells - 1)
    expected = (spare * by_chance).sum(axis=0)
    excess = (inside - cells * mean**2).sum(axis=0) - expected
    whole = variance.sum(axis=0)
    limit = _greatest_by_chance(expected, (spare * by_chance**2).sum(axis=0)) - expected
    return _root_share(excess, whole), _root_share(limit, whole), len(starts)


def _greatest_by_chance(
    mean: NDArray[np.float64], half_variance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what one of all gamma variables ``(n_bits,)`` passes with a probability of 5 %."""
    from scipy.stats import gamma

    alive = mean > 0
    scale = np.divide(2 * half_variance, mean, out=np.ones_like(mean), where=alive)
    shape = np.where(alive, mean / scale, 1.0)
    limit = gamma.isf(FALSE_ALARM / len(mean), shape, scale=scale)
    return np.where(alive, limit, 0.0)


def _root_share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    share = np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)
    return np.asarray(np.sqrt(np.clip(share, 0, 1)))


def _is_dead(share: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray((share < DEAD_SHARE) | (share > 1 - DEAD_SHARE))
