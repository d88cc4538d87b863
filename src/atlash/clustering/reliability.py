"""How much of an axis is no noise: what two halves of the counts of a cell agree on.

It is asked of cells that the axis was not learned from: the counts of each are dealt into two
halves, and an axis that tells something tells the same of both (count splitting; Neufeld et al.,
2022).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from atlash.clustering.gram import directions, products_of
from atlash.clustering.places import places_on
from atlash.data.parallel import ordered_map
from atlash.progress import n_threads_or_all

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.clustering.genes import Genes
    from atlash.clustering.sketch import Sketch
    from atlash.config import ClusterConfig

N_FOLDS = 2
DEPTH, DEPTH_ALONE = 0.6, 0.8
"""Share of what is no noise along an axis that depth may explain, and that leaves nothing else."""


def reliability_of_axes(
    sketch: Sketch, genes: Genes, n_axes: int, *, config: ClusterConfig
) -> NDArray[np.float64]:
    """Return how well two halves of the counts agree along axes learned from other cells.

    Halves of a cell share its depth, which is no signal: an axis that depth explains counts less.

    Parameters
    ----------
    sketch
        Cells with their counts.
    genes
        The chosen genes.
    n_axes
        Axes to look at, those of most variance.
    config
        Options: splits and threads.

    Returns
    -------
    Mean correlation of the halves along each axis ``(n_axes,)``, about 0 for noise, at most 1.
    """
    from threadpoolctl import threadpool_limits

    fold = sketch.folds(N_FOLDS)

    def of_fold(number: int) -> NDArray[np.float64]:
        learned, held_out = sketch[fold != number], sketch[fold == number]
        if learned.n_cells <= n_axes or held_out.n_cells < N_FOLDS:
            return np.zeros((config.n_splits, n_axes))
        axes = directions(products_of(learned.logged, genes.most), genes, n_axes).astype(
            np.float32
        )
        return _agreement(held_out, axes, genes, config.n_splits)

    n_threads = n_threads_or_all(config.n_threads)
    with threadpool_limits(1, user_api="blas"):  # another number may round otherwise
        agreement = np.stack(list(ordered_map(of_fold, range(N_FOLDS), n_threads=n_threads)))
    mean: NDArray[np.float64] = agreement.mean(axis=(0, 1))
    return mean


def _agreement(
    held_out: Sketch, axes: NDArray[np.float32], genes: Genes, n_splits: int
) -> NDArray[np.float64]:
    """Return the correlation of halves ``(n_splits, n_axes)``, less for axes of depth."""
    places = places_on(axes, genes)
    agreement = np.stack(
        [_correlations(*held_out.halves(places, split)) for split in range(n_splits)]
    )
    by_depth = _explained(places.of(held_out.logged), np.log(held_out.factor))
    of_halves = np.maximum(agreement.mean(axis=0), np.finfo(np.float64).tiny)
    # what whole cells hold that is no noise, by the formula of Spearman and Brown
    of_signal = by_depth / (2 * of_halves / (1 + of_halves))
    share = np.clip((DEPTH_ALONE - of_signal) / (DEPTH_ALONE - DEPTH), 0, 1)
    return np.asarray(agreement * share)


def _correlations(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the correlation of each column with its fellow, 0 where one is constant."""
    a, b = (half - half.mean(axis=0, dtype=np.float64) for half in (first, second))
    spread = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    none = np.zeros(a.shape[1])
    return np.asarray(np.divide((a * b).sum(axis=0), spread, out=none, where=spread > 0))


def _explained(places: NDArray[np.float32], depth: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the share of the variance of each column that a parabola in depth explains."""
    if np.ptp(depth) == 0 or len(depth) <= 3:
        return np.zeros(places.shape[1])
    standard = (depth - depth.mean()) / depth.std()
    curve = np.stack([np.ones_like(standard), standard, standard**2], axis=1).astype(np.float64)
    basis = np.linalg.qr(curve)[0]
    centred = places - places.mean(axis=0, dtype=np.float64)
    total = (centred**2).sum(axis=0)
    found = ((basis.T @ centred) ** 2).sum(axis=0)
    share: NDArray[np.float64] = np.divide(found, total, out=np.zeros(len(total)), where=total > 0)
    return share
