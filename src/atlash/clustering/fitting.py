"""All of clustering, from cells to clusters, step by step."""

from __future__ import annotations

from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from atlash.clustering.axes import learn_axes
from atlash.clustering.batches import correct
from atlash.clustering.depth import at_one_depth, depth_effect, depth_of
from atlash.clustering.division import by_size, divide_as_wanted, join_as_wanted, refined
from atlash.clustering.embedding import after_attention, hash_heads, learn_places
from atlash.clustering.evidence import gather
from atlash.clustering.fitted import Fitted
from atlash.clustering.genes import survey
from atlash.clustering.mixing import integration
from atlash.clustering.partition import into_buckets, join_cells
from atlash.clustering.places import places_on
from atlash.clustering.rare_split import RareSplit, split_rare
from atlash.clustering.sketch import keys_of
from atlash.clustering.wanted import MIN_CELLS
from atlash.data.parallel import ordered_map
from atlash.errors import InputError
from atlash.progress import n_threads_or_all, track

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from atlash.clustering.batch_offsets import BatchOffsets
    from atlash.clustering.evidence import Move
    from atlash.clustering.genes import Survey
    from atlash.clustering.mixing import Integration
    from atlash.clustering.partition import Buckets, CellGraph, Partition
    from atlash.clustering.places import Places
    from atlash.clustering.sketch import Sketch
    from atlash.clustering.wanted import Wanted
    from atlash.config import ClusterConfig, InputConfig
    from atlash.data.source import CellSource


def fit(
    source: CellSource,
    batches: NDArray[np.int32] | None,
    *,
    inputs: InputConfig,
    config: ClusterConfig,
    wanted: Wanted,
) -> Fitted:
    """Cluster the cells of a source.

    Raises
    ------
    InputError
        If the cells cannot be used, fewer than 50 have counts, or there are too few clusters.
    """
    clock = _Clock()
    found = survey(source, batches, inputs=inputs, config=config)
    _check_filled(found)
    clock.stop("genes")
    axes, sketch = learn_axes(found, config)
    clock.stop("axes")
    on_axes = places_on(axes.matrix, found.genes)
    to_places = learn_places(sketch, on_axes, config=config, random_state=wanted.random_state)
    clock.stop("learning")
    rows, measured = place(found, to_places, config)
    counted = found.bound.scale.name == "counts"
    effect = depth_effect(sketch, to_places) if config.even_depth and counted else None
    by_depth = effect, depth_of(found.library, found.bound)
    even = _mover(by_depth, (None, None), config)(measured, rows)
    clock.stop("places")
    places, offsets, mixed = _together(even, None if batches is None else batches[rows], config)
    clock.stop("batches")
    buckets, graph = _group(places, sketch, to_places, config=config, wanted=wanted, clock=clock)
    partition = divide_as_wanted(graph, buckets, config=config, wanted=wanted)
    clock.stop("partition")
    gathered = partial(
        gather,
        found.bound,
        (rows, partition.labels[buckets.of_cell]),
        to_places,
        everyone=sketch,
        config=config,
        move=_mover(by_depth, (offsets, batches), config),
    )
    joined, steps = join_as_wanted(partition, gathered, config=config, wanted=wanted, axes=axes)
    clock.stop("joining")
    cluster = by_size(refined(joined[partition.labels], buckets, config), buckets)
    divided = buckets, partition, cluster
    rare = _split(found, (rows, places), divided, batches=batches, config=config, wanted=wanted)
    clock.stop("rare")
    return Fitted(
        genes=found.genes,
        axes=axes,
        learned=to_places.learned,
        buckets=rare.buckets,
        heads=hash_heads(places, to_places.learned, config),
        depth_effect=effect,
        offsets=offsets,
        integration=mixed,
        cluster_of_bucket=by_size(rare.cluster, rare.buckets),
        rows=rows,
        places=places,
        graph=graph,
        partition=rare.partition,
        steps=steps,
        rare=rare,
        seconds=clock.seconds,
    )


class _Clock:
    """Seconds of one step after the other."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._start = perf_counter()

    def stop(self, step: str) -> None:
        """Note the time since the last step ended."""
        now = perf_counter()
        self.seconds[step] = now - self._start
        self._start = now


def place(
    found: Survey, on_axes: Places, config: ClusterConfig
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the rows of cells with counts, by what they hold, and their places."""
    bound = found.bound
    key = np.empty(bound.n_cells, dtype=np.uint64)
    places = np.empty((bound.n_cells, on_axes.n_axes), dtype=np.float32)

    def work(item: tuple[slice, csr_array]) -> int:
        part = bound.project(item[1], item[0])
        key[part.rows] = keys_of(part.X)
        places[part.rows] = on_axes.of(part.X)
        return part.X.shape[0]

    chunks = bound.source.chunks(config.chunk_size)
    with track("Placing cells", bound.n_cells, show=config.progress) as advance:
        for n in ordered_map(work, chunks, n_threads=n_threads_or_all(config.n_threads)):
            advance(n)
    filled = np.flatnonzero(found.library > 0)
    rows = filled[np.argsort(key[filled], kind="stable")]
    return rows, places[rows]


def _together(
    places: NDArray[np.float32], batches: NDArray[np.int32] | None, config: ClusterConfig
) -> tuple[NDArray[np.float32], BatchOffsets | None, Integration | None]:
    """Bring the batches of cells together, if there are any, and measure what that did."""
    if batches is None:
        return places, None, None
    moved, offsets = correct(places, batches, n_threads=config.n_threads)
    mixed = integration(places, moved, batches, n_threads=config.n_threads)
    return moved, offsets, mixed


def _mover(
    by_depth: tuple[NDArray[np.float32] | None, NDArray[np.float64]],
    by_batch: tuple[BatchOffsets | None, NDArray[np.int32] | None],
    config: ClusterConfig,
) -> Move:
    """Return what takes depth and batches off cells at rows of the source, where wanted."""
    (effect, depth), (offsets, batches) = by_depth, by_batch

    def move(places: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        if effect is not None:
            places = at_one_depth(places, depth[rows], effect)
        if offsets is not None and batches is not None:
            places = offsets.apply(places, batches[rows], n_threads=config.n_threads)
        return places

    return move


def _group(
    places: NDArray[np.float32],
    sketch: Sketch,
    to_places: Places,
    *,
    config: ClusterConfig,
    wanted: Wanted,
    clock: _Clock,
) -> tuple[Buckets, CellGraph]:
    """Return the buckets of cells and their graph, after attention where it is wanted."""
    buckets = into_buckets(places, config)
    clock.stop("buckets")
    graph = join_cells(places, buckets, config)
    clock.stop("graph")
    if config.attention.form == "none":
        return buckets, graph
    attended = after_attention(
        places,
        graph.neighbours,
        sketch,
        to_places=to_places,
        config=config,
        random_state=wanted.random_state,
    )
    buckets = into_buckets(attended, config)
    graph = join_cells(attended, buckets, config)
    clock.stop("attention")
    return buckets.seen_in(places), graph


def _split(
    found: Survey,
    cells: tuple[NDArray[np.int64], NDArray[np.float32]],
    divided: tuple[Buckets, Partition, NDArray[np.int32]],
    *,
    batches: NDArray[np.int32] | None,
    config: ClusterConfig,
    wanted: Wanted,
) -> RareSplit:
    """Split rare types off, unless the user says what clusters are."""
    if config.rare_types and wanted.n_clusters is None and wanted.resolution is None:
        return split_rare(found.bound, cells, divided, batches=batches, config=config)
    return RareSplit(*divided, [])


def _check_filled(found: Survey) -> None:
    """Raise :class:`InputError` where too few cells have counts."""
    n_filled = int((found.library > 0).sum())
    if n_filled < MIN_CELLS:
        msg = (
            f"Only {n_filled} of the {found.bound.n_cells:,} cells of {found.bound.source.name} "
            f"have counts, and clusters are looked for in at least {MIN_CELLS} such cells. Check "
            "the layer, or give more cells."
        )
        raise InputError(msg)
