"""atlash's clustering as the benchmarks call it, and the steps inside it that the grid needs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

import numpy as np

import atlash
from atlash.clustering.axes import learn_axes
from atlash.clustering.depth import at_one_depth, depth_effect, depth_of
from atlash.clustering.distinct import join_clusters
from atlash.clustering.division import RESOLUTION
from atlash.clustering.evidence import gather
from atlash.clustering.fitting import place
from atlash.clustering.genes import survey
from atlash.clustering.partition import divide, into_buckets, join_cells
from atlash.clustering.places import places_on
from atlash.config import ClusterConfig, InputConfig
from atlash.data.source import open_source
from benchmarks.cluster_sets import Found, cached, digest_of
from benchmarks.product import threads

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import anndata as ad
    from numpy.typing import NDArray

    from benchmarks.cluster_sets import ClusterSet

OUT_OF_REACH = ("cli", "models", "pl", "reference", "tl")
"""Rooms that clustering cannot import."""
OURS = "atlash"
WORDS = "head"
"""What the words of a head are stored by, before its number."""
Thresholds = tuple[float, float]


@dataclass(frozen=True)
class Variant:
    """Settings that a benchmark changes.

    Parameters
    ----------
    config
        Options.
    resolution
        Resolution of Leiden whose clusters are taken as they are; ``None`` joins those of 1.
    """

    config: ClusterConfig = field(default_factory=ClusterConfig)
    resolution: float | None = None


@lru_cache(maxsize=1)
def source() -> str:
    """Digest of the source files that clustering can reach, as they are when this is called."""
    root = Path(atlash.__file__).parent
    files = sorted(root.rglob("*.py"))
    inside = [path for path in files if path.relative_to(root).parts[0] not in OUT_OF_REACH]
    return digest_of(*inside, root / "tl" / "cluster.py")


def clustered(cells: ad.AnnData, seed: int, variant: Variant | None = None) -> NDArray[np.int32]:
    """Cluster in place; return the cluster of each cell ``(n_cells,)``.

    Without a variant, settings are the default's.
    """
    chosen = variant or Variant()
    config = replace(chosen.config, n_threads=threads(), progress=False)
    atlash.tl.cluster(cells, resolution=chosen.resolution, random_state=seed, config=config)
    return np.asarray(cells.obs["atlash_cluster"].cat.codes, dtype=np.int32)


def clustered_with_batches(
    cells: ad.AnnData, batch_key: str
) -> tuple[NDArray[np.int32], list[dict[str, Any]]]:
    """Return the cluster of each cell ``(n_cells,)``, and what is told of rare types.

    Cells without counts are a cluster of their own.
    """
    config = atlash.ClusterConfig(n_threads=threads(), progress=False)
    clusterer = atlash.HashClusterer(config=config).fit(cells, batch_key=batch_key)
    labels = clusterer.clusters_.labels
    labels = np.where(labels < 0, labels.max() + 1, labels).astype(np.int32)
    return labels, clusterer.facts_["rare"]


def clusters(of: ClusterSet, seed: int) -> Found:
    """Return atlash's clusters; computed anew whenever the source of clustering has changed."""

    def compute() -> Found:
        start = perf_counter()
        labels = clustered(of.cells, seed)
        return Found({OURS: labels}, perf_counter() - start)

    return cached(f"{OURS}-{source()}", of, seed, compute)


def varied(of: ClusterSet, seed: int, variant: Variant) -> Found:
    """Return the clusters of a variant, and the words that its heads give the cells.

    Computed anew whenever the source of clustering has changed. Seconds are the processor's, so
    that variants compare on a machine that is not idle.
    """

    def compute() -> Found:
        cells, start = of.cells, process_time()
        labels = {OURS: clustered(cells, seed, variant)}
        seconds = process_time() - start
        for head, words in enumerate(np.asarray(cells.obsm["atlash_words"], np.int32).T):
            labels[f"{WORDS}{head}"] = words
        return Found(labels, seconds)

    return cached(f"{OURS}_varied-{digest_of(source(), variant)}", of, seed, compute)


def pseudotime(cells: ad.AnnData, root: str | tuple[str, str], graph: str) -> NDArray[np.float64]:
    """Return the pseudotime of each cell ``(n_cells,)`` on the graph that ``uns[graph]`` names."""
    atlash.tl.pseudotime(cells, root, neighbors_key=graph)
    return np.asarray(cells.obs["atlash_pseudotime"], dtype=np.float64)


def root_chosen(cells: ad.AnnData) -> str:
    """Name the root of the last pseudotime."""
    return str(cells.uns["atlash_pseudotime"]["root"])


OWN_GRAPH = "atlash_neighbors"


def defaults() -> tuple[int, float, float]:
    """Return the default ``n_neighbors``, ``least_agreement`` and ``least_distance``."""
    config = ClusterConfig()
    return config.n_neighbors, config.least_agreement, config.least_distance


def joined_at(
    of: ClusterSet, n_neighbors: Sequence[int], thresholds: Sequence[Thresholds]
) -> Iterator[tuple[int, Thresholds, NDArray[np.int32]]]:
    """Cluster a set for each number of neighbours and pair of thresholds, with seed 0.

    Axes are learned once, graphs divided once for each number of neighbours, and only the joining
    is done for each pair: the clusters are those of :func:`clustered` with these options.

    Parameters
    ----------
    of
        The cells.
    n_neighbors
        Numbers of neighbours.
    thresholds
        Pairs of ``least_agreement`` and ``least_distance``.

    Yields
    ------
    Number of neighbours, pair, and cluster of each cell ``(n_cells,)``; -1 without counts.
    """
    config = ClusterConfig(n_threads=threads(), progress=False)
    found = survey(open_source(of.cells, None), None, inputs=InputConfig(), config=config)
    axes, sketch = learn_axes(found, config)
    on_axes = places_on(axes.matrix, found.genes)
    rows, places = place(found, on_axes, config)
    effect, depth = depth_effect(sketch, on_axes), depth_of(found.library, found.bound)

    def move(where: NDArray[np.float32], of_rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return at_one_depth(where, depth[of_rows], effect)

    places = move(places, rows)
    buckets = into_buckets(places, config)
    for k in n_neighbors:
        chosen = replace(config, n_neighbors=k)
        graph = join_cells(places, buckets, chosen)
        partition = divide(graph, buckets, chosen, resolution=RESOLUTION, random_state=0)
        parts = partition.labels[buckets.of_cell]
        evidence, of_evidence = gather(
            found.bound, (rows, parts), on_axes, everyone=sketch, config=chosen, move=move
        )
        for agreement, distance in thresholds:
            joined, _ = join_clusters(
                evidence, of_evidence, least_agreement=agreement, least_distance=distance
            )
            labels = np.full(of.counts.shape[0], -1, dtype=np.int32)
            labels[rows] = joined[parts]
            yield k, (agreement, distance), labels
