"""Principal axes of all cells, exactly, and how much of each is no noise.

The Gram matrix of standardised log expression is added up over chunks in whole numbers, so that
it is the same for any order of the cells and any number of threads. Which axes hold more than
noise is asked of cells that they were not learned from: the counts of each are dealt into two
halves, and an axis that tells something tells the same of both (count splitting; Neufeld et al.,
2022).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from atlash.clustering.genes import LOG_STEPS
from atlash.clustering.places import places_on
from atlash.clustering.sketch import draw_share, join, keep, keys_of
from atlash.data.parallel import ordered_map
from atlash.progress import n_threads_or_all, track

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from atlash.clustering.genes import Genes, Survey
    from atlash.clustering.sketch import Sketch
    from atlash.config import ClusterConfig

TILE_CELLS = 1024
"""Cells whose products are added in float32: values of at most 127 steps keep their sums below
2**24, where float32 is exact."""
MAX_AXES = 30
N_FOLDS = 2
NOISE, SIGNAL = 0.4, 0.6
"""Correlation of the halves at which an axis counts for nothing, and for all it is."""
DEPTH, DEPTH_ALONE = 0.6, 0.8
"""Share of what is no noise along an axis that depth may explain, and that leaves nothing else."""
MIN_AXES = 3
"""Axes that count for at least half, however noisy."""
MIN_CELLS_OF_AXIS = 3
"""Cells for each axis looked at, so that a fold of them has more cells than axes."""
SKETCH_CELLS = 16_000
"""About how many cells are asked how noisy the axes are."""


@dataclass(frozen=True)
class Axes:
    """Directions in expression.

    Attributes
    ----------
    matrix
        ``(n_features, n_axes)``, float32; unit vectors times their weights.
    reliability
        Correlation of two halves of the counts along each axis looked at ``(n_looked_at,)``.
    """

    matrix: NDArray[np.float32]
    reliability: NDArray[np.float64]

    @property
    def any_signal(self) -> bool:
        """Whether any axis tells more than noise."""
        return bool((self.reliability > NOISE).any())


@dataclass(frozen=True)
class _Gram:
    """Sums over ``n`` cells in whole steps: each feature's, and each two features' product.

    Products of a tile are float32, those of all cells float64; both are exact.
    """

    n: int
    sums: NDArray[np.float64]
    products: NDArray[np.floating]


def learn_axes(survey: Survey, config: ClusterConfig) -> tuple[Axes, Sketch]:
    """Read all cells once: learn the axes, and keep a sketch of the cells.

    Parameters
    ----------
    survey
        The cells and the chosen genes.
    config
        Options.

    Returns
    -------
    The axes, and about 16,000 cells with their counts.
    """
    gram, sketch = _read(survey, config)
    most = min(MAX_AXES, len(gram.sums), max(1, gram.n // MIN_CELLS_OF_AXIS))
    reliability = _reliability(sketch, survey.genes, most, config.n_splits)
    weight = np.clip((reliability - NOISE) / (SIGNAL - NOISE), 0, 1)
    weight[:MIN_AXES] = np.maximum(weight[:MIN_AXES], 0.5)
    matrix = (_directions(gram, survey.genes, most) * weight)[:, weight > 0]
    return Axes(np.ascontiguousarray(matrix, dtype=np.float32), reliability), sketch


def _read(survey: Survey, config: ClusterConfig) -> tuple[_Gram, Sketch]:
    """Add up the Gram matrix of all cells, and draw the sketch on the way."""
    from threadpoolctl import threadpool_limits

    most, bound = survey.genes.most, survey.bound
    sums, products = np.zeros(len(most)), np.zeros((len(most), len(most)))
    n_filled = int((survey.library > 0).sum())
    share = min(1.0, SKETCH_CELLS / n_filled)

    def work(item: tuple[slice, csr_array]) -> tuple[list[_Gram], Sketch]:
        part = bound.project(item[1], item[0])
        key = keys_of(part.X)
        kept = keep(bound, part, key=key, chosen=draw_share(part, key, share))
        return list(_tiles(part.X, most)), kept

    kept = []
    n_threads = n_threads_or_all(config.n_threads)
    with (
        threadpool_limits(1, user_api="blas"),
        track("Learning axes", bound.n_cells, show=config.progress) as advance,
    ):
        chunks = bound.source.chunks(config.chunk_size)
        for tiles, few in ordered_map(work, chunks, n_threads=n_threads):
            for tile in tiles:
                sums += tile.sums
                products += tile.products
                advance(tile.n)
            kept.append(few)
    return _Gram(n_filled, sums, products), join(kept)


def _tiles(X: csr_array, most: NDArray[np.float32]) -> Iterator[_Gram]:
    """Yield the sums of as many cells at a time as float32 adds up exactly."""
    from atlash.clustering._rows import fill_tile

    bounds = X.indptr.astype(np.int64)
    for start in range(0, X.shape[0], TILE_CELLS):
        stop = min(start + TILE_CELLS, X.shape[0])
        tile = np.empty((stop - start, X.shape[1]), dtype=np.float32)
        fill_tile(bounds[start : stop + 1], X.indices, X.data, LOG_STEPS, most, tile)
        # numpy multiplies a matrix by itself in half the work, and lets other threads run
        products = tile.T @ tile
        yield _Gram(stop - start, tile.sum(axis=0, dtype=np.float64), products)


def _directions(gram: _Gram, genes: Genes, n_axes: int) -> NDArray[np.float64]:
    """Return the leading principal axes ``(n_features, n_axes)``, most variance first.

    The sign of an axis is such that its greatest entry is positive.
    """
    from scipy.linalg import eigh
    from threadpoolctl import threadpool_limits

    scale = genes.inverse_scale.astype(np.float64) / LOG_STEPS
    covariance = gram.products / gram.n - np.outer(gram.sums, gram.sums) / gram.n**2
    covariance *= np.outer(scale, scale)
    n = len(covariance)
    with threadpool_limits(1, user_api="blas"):
        vectors = eigh(covariance, lower=False, subset_by_index=[n - n_axes, n - 1])[1][:, ::-1]
    greatest = np.abs(vectors).argmax(axis=0)
    return np.asarray(vectors * np.sign(vectors[greatest, np.arange(n_axes)]))


def _reliability(sketch: Sketch, genes: Genes, n_axes: int, n_splits: int) -> NDArray[np.float64]:
    """Return how well two halves of the counts agree along axes learned from other cells.

    Halves of a cell share its depth, which is no signal: an axis that depth explains counts less.
    """
    agreement = np.zeros((N_FOLDS, n_splits, n_axes))
    fold = sketch.folds(N_FOLDS)
    for number in range(N_FOLDS):
        learned, held_out = sketch[fold != number], sketch[fold == number]
        if learned.n_cells <= n_axes or held_out.n_cells < N_FOLDS:
            continue
        axes = _directions(_gram(learned, genes), genes, n_axes).astype(np.float32)
        places = places_on(axes, genes)
        for split in range(n_splits):
            agreement[number, split] = _correlations(*held_out.halves(places, split))
        by_depth = _explained(places.of(held_out.logged), np.log(held_out.factor))
        of_halves = np.maximum(agreement[number].mean(axis=0), np.finfo(np.float64).tiny)
        # what whole cells hold that is no noise, by the formula of Spearman and Brown
        of_signal = by_depth / (2 * of_halves / (1 + of_halves))
        agreement[number] *= np.clip((DEPTH_ALONE - of_signal) / (DEPTH_ALONE - DEPTH), 0, 1)
    mean: NDArray[np.float64] = agreement.mean(axis=(0, 1))
    return mean


def _gram(sketch: Sketch, genes: Genes) -> _Gram:
    """Return the sums of the cells of a sketch."""
    parts = list(_tiles(sketch.logged, genes.most))
    sums, products = parts[0].sums, parts[0].products.astype(np.float64)
    for part in parts[1:]:
        sums += part.sums
        products += part.products
    return _Gram(sketch.n_cells, sums, products)


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
