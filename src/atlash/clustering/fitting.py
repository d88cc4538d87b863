"""All of clustering, from cells to clusters, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from atlash.clustering.axes import learn_axes
from atlash.clustering.batches import correct
from atlash.clustering.distinct import Join, join_clusters
from atlash.clustering.embedding import after_attention, hash_heads, learn_places
from atlash.clustering.evidence import gather
from atlash.clustering.genes import survey
from atlash.clustering.partition import divide, into_buckets, join_cells
from atlash.clustering.places import places_on
from atlash.clustering.rare_split import RareSplit, split_rare
from atlash.clustering.sketch import keys_of
from atlash.clustering.soft import refine, soft_assignment
from atlash.data.parallel import ordered_map
from atlash.errors import InputError
from atlash.progress import n_threads_or_all, track

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from atlash.clustering.axes import Axes
    from atlash.clustering.distinct import Evidence
    from atlash.clustering.genes import Genes, Survey
    from atlash.clustering.learned import LearnedEmbedding
    from atlash.clustering.partition import Buckets, CellGraph, Partition
    from atlash.clustering.places import Places
    from atlash.config import ClusterConfig, InputConfig
    from atlash.data.source import CellSource
    from atlash.nn.hash_codes import HeadWeights

MIN_CELLS = 50
"""Fewest cells that clusters are looked for in."""
RESOLUTION = 1.0
FINER = 1.5
"""Factor by which the resolution grows where too few clusters are found."""
MAX_RESOLUTION = 1e4
"""Above it each of 4,096 equal buckets is a cluster of its own."""


@dataclass(frozen=True)
class Wanted:
    """What the user asks for.

    Parameters
    ----------
    n_clusters
        Number of clusters; ``None`` finds it.
    resolution
        Resolution of Leiden whose clusters are taken as they are; ``None`` joins those of 1.
    random_state
        Seed.
    """

    n_clusters: int | None
    resolution: float | None
    random_state: int


@dataclass(frozen=True)
class Fitted:
    """What was learned, and what it says of the cells learned from.

    Attributes
    ----------
    genes, axes, learned, buckets
        What brings new cells into buckets; ``learned`` is ``None`` without learning.
    heads
        What gives hash codes.
    cluster_of_bucket
        ``(n_buckets,)``, int32; clusters are numbered by size, the largest 0.
    rows
        Where the cells that have counts stand in the source ``(n,)``, in the order of all that
        follows.
    places
        ``(n, n_axes)``, float32.
    graph
        Of these cells.
    partition
        Leiden's clusters of buckets.
    steps
        How clusters were joined; numbers are those of the partition.
    rare
        What was split off as rare types, under numbers of its own.
    seconds
        Of each step.
    """

    genes: Genes
    axes: Axes
    learned: LearnedEmbedding | None
    buckets: Buckets
    heads: HeadWeights
    cluster_of_bucket: NDArray[np.int32]
    rows: NDArray[np.int64]
    places: NDArray[np.float32]
    graph: CellGraph
    partition: Partition
    steps: list[Join]
    rare: RareSplit
    seconds: dict[str, float]


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
        If the cells cannot be used, or fewer than 50 have counts, or there are not so many
        clusters to be found.
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
    rows, places = _place(found, to_places, config)
    offsets = None
    if batches is not None:
        places, offsets = correct(places, batches[rows], n_threads=config.n_threads)
    clock.stop("places")
    buckets = into_buckets(places, config)
    clock.stop("buckets")
    graph = join_cells(places, buckets, config)
    clock.stop("graph")
    if config.attention.form != "none":
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
        buckets = buckets.seen_in(places)
        clock.stop("attention")
    partition = _divide(graph, buckets, config, wanted)
    clock.stop("partition")
    joined, steps = _one_each(partition), list[Join]()
    if wanted.resolution is None:
        labels = partition.labels[buckets.of_cell]
        evidence, labels = gather(
            found.bound, (rows, labels), to_places, everyone=sketch, config=config
        )
        if offsets is not None and batches is not None:
            evidence = evidence.moved(lambda part: offsets.apply(part, batches[evidence.rows]))
        joined, steps = _join(evidence, labels, config, wanted, any_signal=axes.any_signal)
    clock.stop("joining")
    cluster = _by_size(_refined(joined[partition.labels], buckets, config), buckets)
    rare = RareSplit(buckets, partition, cluster, [])
    free = wanted.n_clusters is None and wanted.resolution is None and batches is None
    if config.rare_types and free:
        rare = split_rare(
            found.bound, (rows, places), (buckets, partition, cluster), config=config
        )
    clock.stop("rare")
    return Fitted(
        genes=found.genes,
        axes=axes,
        learned=to_places.learned,
        buckets=rare.buckets,
        heads=hash_heads(places, to_places.learned, config),
        cluster_of_bucket=_by_size(rare.cluster, rare.buckets),
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


def _place(
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


def _divide(
    graph: CellGraph, buckets: Buckets, config: ClusterConfig, wanted: Wanted
) -> Partition:
    """Cluster the buckets, at a finer resolution where more clusters are wanted."""
    if (wanted.n_clusters or 1) > len(buckets.centres):
        n, n_cells = len(buckets.centres), len(buckets.of_cell)
        msg = (
            f"{wanted.n_clusters:,} clusters are wanted, but the {n_cells:,} cells with counts "
            f"lie at only {n:,} different places. Ask for at most {n:,}, or leave `n_clusters` "
            "at 'auto'."
            if n_cells <= config.n_buckets
            else f"{wanted.n_clusters:,} clusters are wanted of {n:,} buckets of cells. Ask for "
            f"at most {n:,}, or raise `n_buckets` in `ClusterConfig`."
        )
        raise InputError(msg)
    resolution = wanted.resolution or RESOLUTION
    while True:
        partition = divide(
            graph, buckets, config, resolution=resolution, random_state=wanted.random_state
        )
        n_found = int(partition.labels.max()) + 1
        if n_found >= (wanted.n_clusters or 1):
            return partition
        if resolution > MAX_RESOLUTION:
            msg = (
                f"{wanted.n_clusters:,} clusters are wanted, but no more than {n_found:,} were "
                f"found. Ask for at most {n_found:,}, or leave `n_clusters` at 'auto'."
            )
            raise InputError(msg)
        resolution *= FINER


def _one_each(partition: Partition) -> NDArray[np.int32]:
    """Return each cluster's own number."""
    return np.arange(partition.labels.max() + 1, dtype=np.int32)


def _join(
    evidence: Evidence,
    labels: NDArray[np.int32],
    config: ClusterConfig,
    wanted: Wanted,
    *,
    any_signal: bool,
) -> tuple[NDArray[np.int32], list[Join]]:
    """Join clusters as wanted; where no axis tells more than noise, all of them."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):  # another number may round otherwise
        return join_clusters(
            evidence,
            labels,
            least_agreement=config.least_agreement,
            least_distance=config.least_distance,
            n_clusters=wanted.n_clusters or (None if any_signal else 1),
        )


def _refined(
    cluster: NDArray[np.int32], buckets: Buckets, config: ClusterConfig
) -> NDArray[np.int32]:
    """Return the clusters of buckets after deep embedded clustering, where it is wanted."""
    if config.refine_steps == 0:
        return cluster
    kinds, which = np.unique(cluster, return_inverse=True)
    centres = refine(buckets.centres, which, n_steps=config.refine_steps)
    shares = soft_assignment(buckets.centres, centres.centres, scale=centres.scale)
    return np.asarray(kinds[shares.argmax(axis=1)], dtype=np.int32)


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


def _by_size(cluster: NDArray[np.int32], buckets: Buckets) -> NDArray[np.int32]:
    """Return numbers of clusters by their cells, the largest 0; ties by the first bucket."""
    kinds, first, which = np.unique(cluster, return_index=True, return_inverse=True)
    sizes = np.bincount(which, buckets.sizes, len(kinds))
    number = np.empty(len(kinds), dtype=np.int32)
    number[np.lexsort((first, -sizes))] = np.arange(len(kinds), dtype=np.int32)
    return number[which]
