"""Batches brought together: soft clusters that batches share, and each batch's offset in them.

After Harmony (Korsunsky et al., Nature Methods 2019): rounds of a soft k-means on directions, in
which a batch is held off clusters that it already fills more than others do, and of a ridge
regression of places on batches within each cluster; what the batch explains is taken off. Five
things are different. Both steps learn from the means of cells of one bucket and one batch, so that
their cost does not grow with the cells. Clusters are broad at first and become narrow, so that
strong offsets, which keep batches in clusters of their own, are seen. Where the means of batches
differ little more than chance lets them, offsets shrink and batches may fill clusters as they do:
they may hold types unevenly, and what hardly differs is left alone. Offsets shrink towards the
batch's mean offset over all clusters, not towards none. And what is learned is a function of a
cell's place and its batch alone, which new cells of these batches go through as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from atlash.clustering.batch_estimates import TINY, BatchConfig, even_mass, noise_of, offsets_of
from atlash.clustering.batch_offsets import BatchOffsets, check_batches
from atlash.graph.buckets import assign, learn_centres
from atlash.graph.work import as_places

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Doubles = NDArray[np.float64]

CELLS_A_CLUSTER = 30
"""There is at most one soft cluster for so many cells of a batch of mean size."""
DAMPING = 0.5
"""How far a step moves the weights of clusters; moved all the way, batches swing to and fro."""


class Correction(NamedTuple):
    """Cells brought together.

    Attributes
    ----------
    places
        ``(N, d)``, float32.
    offsets
        What moved them, for new cells.
    """

    places: NDArray[np.float32]
    offsets: BatchOffsets


def correct(
    Z: ArrayLike,
    batches: ArrayLike,
    *,
    config: BatchConfig | None = None,
    n_threads: int | None = None,
) -> Correction:
    """Take off what batches add to the places of cells.

    A type that one batch alone holds moves by little more than its batch's mean offset, and a
    batch of few cells hardly moves. One batch gives its places back as they are. Batches that
    share no type have nothing to be brought together by, and are laid over each other in part.

    Parameters
    ----------
    Z
        Places of cells ``(N, d)``, finite; directions are seen from the origin, so that it should
        lie amid the cells.
    batches
        Batch of each cell ``(N,)``, whole numbers from 0 on.
    config
        Options; ``None`` stands for ``BatchConfig()``.
    n_threads
        Threads; ``None`` takes all cores. They do not change the result.

    Returns
    -------
    The places, and the offsets.

    Raises
    ------
    ValueError
        If there is not one batch a cell, or one is negative.
    EmptyInputError
        If there is no cell.
    InvalidValuesError
        If a place is NaN or infinite.
    """
    chosen = BatchConfig() if config is None else config
    places = as_places(Z)
    of_cell = check_batches(batches, len(places), least=0, most=None)
    points = _points(places, of_cell, chosen.n_buckets, n_threads)
    several = len(np.unique(of_cell)) > 1
    n_rounds = chosen.n_rounds if several else 0
    learned = _learn(points, len(places), chosen, n_rounds, n_threads)
    return Correction(learned.apply(places, of_cell, n_threads=n_threads), learned)


class Points(NamedTuple):
    """Means of cells of one bucket and one batch.

    Attributes
    ----------
    places, weight, batch
        Where, how many cells, and of which batch.
    squared
        Mean squared length of the cells: what their mean does not tell.
    """

    places: Doubles
    weight: Doubles
    batch: NDArray[np.int32]
    squared: Doubles

    @property
    def sizes(self) -> Doubles:
        """Cells of each batch ``(n_batches,)``."""
        return np.bincount(self.batch, self.weight).astype(np.float64)


class SoftClusters(NamedTuple):
    """Directions ``(d, K)``, log weights ``(n_batches, K)``, and what multiplies cosines."""

    centres: Doubles
    log_weights: Doubles
    sharpness: float


def _points(
    places: NDArray[np.float32], batch: NDArray[np.int32], n_buckets: int, n_threads: int | None
) -> Points:
    squared = np.einsum("ij,ij->i", places, places, dtype=np.float64)  # no copy of all places
    if len(places) <= n_buckets:
        return Points(places.astype(np.float64), np.ones(len(places)), batch, squared)
    centres = learn_centres(places, n_buckets, random_state=0, n_threads=n_threads)
    bucket = assign(places, centres, n_threads=n_threads).astype(np.int64)
    n_batches = int(batch.max()) + 1
    pairs, which = np.unique(bucket * n_batches + batch, return_inverse=True)
    weight = np.bincount(which).astype(np.float64)
    sums = [np.bincount(which, column, len(pairs)) for column in places.T]
    return Points(
        np.stack(sums, axis=1) / weight[:, None],
        weight,
        (pairs % n_batches).astype(np.int32),
        np.bincount(which, squared, len(pairs)) / weight,
    )


def _learn(
    points: Points, n_cells: int, config: BatchConfig, n_rounds: int, n_threads: int | None
) -> BatchOffsets:
    """Alternate soft clusters and offsets, until points come to rest."""
    from atlash.clustering._batches import move

    n_batches = int((points.sizes > 0).sum())
    most = max(1, min(config.n_clusters, n_cells // (CELLS_A_CLUSTER * n_batches)))
    start = _unit(points.places).astype(np.float32)
    centres = _unit(learn_centres(start, most, random_state=0, n_threads=n_threads).astype(float))
    log_weights = np.zeros((len(points.sizes), len(centres)))
    moved = points.places.copy()
    shape = log_weights.shape
    none = (np.empty((0, *centres.shape)), np.empty((0, *shape)), np.empty(0))
    learned = BatchOffsets(*none, np.empty((0, *shape, centres.shape[1])))
    noise = 0.0
    for number in range(n_rounds):
        sigma = max(config.sigma, config.first_sigma / 2**number)
        theta = config.theta / (1 + config.caution * noise)
        sums = _Sums(points, moved, 2 / sigma, shape)
        for _ in range(config.n_steps):
            log_weights, amid = sums.step(centres, log_weights, theta)
            if sigma <= config.sigma:  # amid broad clusters, all centres would become one
                centres = amid
        sums.add(centres, log_weights)
        noise = noise_of(sums.mass, sums.sums, sums.squares)
        ridge = max(config.ridge, config.caution * noise)
        offsets = offsets_of(sums.mass, sums.sums, points.sizes, ridge=ridge, config=config)
        learned = _with_round(learned, centres, log_weights, 2 / sigma, offsets)
        before = moved.copy()
        move(
            points.places, points.batch, np.ascontiguousarray(centres.T)[None],
            log_weights[None], learned.sharpness[-1:], offsets[None], moved,
        )  # fmt: skip
        if sigma <= config.sigma and _at_rest(points, before, moved, config.tolerance):
            break
    return learned


class _Sums:
    """Sums of points over soft clusters, at one sharpness."""

    def __init__(
        self, points: Points, moved: Doubles, sharpness: float, shape: tuple[int, ...]
    ) -> None:
        self._points, self._moved, self._sharpness = points, moved, sharpness
        self.mass = np.empty(shape)
        self.sums = np.empty((*shape, moved.shape[1]))
        self.squares = np.empty(shape)
        self._directions = np.empty(self.sums.shape[1:])

    def add(self, centres: Doubles, log_weights: Doubles) -> None:
        """Share the points out and add them up."""
        from atlash.clustering._batches import add_points

        columns = np.ascontiguousarray(centres.T)
        clusters = SoftClusters(columns, log_weights, self._sharpness)
        add_points(
            self._points, self._moved, clusters, self.mass, self.sums, self.squares,
            self._directions,
        )  # fmt: skip

    def step(
        self, centres: Doubles, log_weights: Doubles, theta: float
    ) -> tuple[Doubles, Doubles]:
        """Return weights that even batches out a little more, and centres amid their points."""
        self.add(centres, log_weights)
        even = even_mass(self.mass, self._points.sizes)
        wanted = theta * np.log((2 * even + TINY) / (self.mass + even + TINY))
        return log_weights + DAMPING * (wanted - log_weights), _unit(self._directions)


def _with_round(
    learned: BatchOffsets,
    centres: Doubles,
    log_weights: Doubles,
    sharpness: float,
    offsets: Doubles,
) -> BatchOffsets:
    return BatchOffsets(
        np.append(learned.centres, centres[None], axis=0),
        np.append(learned.log_weights, log_weights[None], axis=0),
        np.append(learned.sharpness, sharpness),
        np.append(learned.offsets, offsets[None], axis=0),
    )


def _at_rest(points: Points, before: Doubles, after: Doubles, tolerance: float) -> bool:
    last = (points.weight[:, None] * np.square(after - before)).sum()
    in_all = (points.weight[:, None] * np.square(after - points.places)).sum()
    return bool(last <= tolerance**2 * in_all)


def _unit(rows: Doubles) -> Doubles:
    """Return rows over their lengths; rows of zeros stay."""
    length = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    unit: Doubles = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    return unit
