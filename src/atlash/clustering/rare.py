"""Rare types inside clusters: found by genes that few cells share, kept where halves agree.

Axes, neighbours and joining are made for types of many cells; twenty cells in twenty thousand
hardly move an axis. So each cluster is looked into once more, over all genes: cells that are
surprising in the same genes start a profile, the profile finds its cells by likelihood, and these
make a better profile. What is found is a type only if both halves of the counts tell the same
cells, far from the rest of the cluster, with few cells in between.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from atlash.clustering.distinct import kappa_of, p_value_of
from atlash.clustering.rare_profile import Crowd, learn_profile
from atlash.clustering.rare_seeds import seeds
from atlash.clustering.rare_types import RareType, over_all_genes
from atlash.clustering.sketch import join, keep, keys_of
from atlash.data.parallel import ordered_map
from atlash.progress import n_threads_or_all

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.clustering.rare_profile import Profile
    from atlash.clustering.sketch import Sketch
    from atlash.config import ClusterConfig
    from atlash.data.normalize import BoundSource

MIN_CELLS = 10
"""Fewest cells of a rare type."""
SHARE, SHARE_OF_CLUSTER = 0.01, 0.1
"""Greatest share of all cells, and of its cluster, that a rare type has."""
LEAST_DISTANCE = 12.0
"""Least distance from the rest of its cluster, in standard deviations of that."""
MOST_BETWEEN = 0.5
"""Most cells in the middle third of the way, as a share of the rare cells."""
MOST_CHANCE = 0.01
"""Greatest p-value, times the profiles that were tried."""
MAX_OF_CLUSTER, MAX_CELLS = 8192, 49_152
"""Most cells of a cluster, and of all, in which profiles are sought."""
N_TRIALS = 8
"""Starts in each cluster."""


@dataclass(frozen=True)
class RareEvidence:
    """Why a rare type was kept.

    Attributes
    ----------
    n_genes
        Genes of the profile.
    agreement
        Cohen's kappa of the two halves' calls, at most 1.
    distance
        Between the means of the rare cells and of the rest, in standard deviations of the rest;
        of held-out halves along the likelihood ratio.
    between
        Cells in the middle third of the way, as a share of the rare cells.
    p_value
        That the cells which one half calls rare are like the rest in the other half (Welch's
        test; twice the median over splits), times the profiles that were tried; at most 1.
    """

    n_genes: int
    agreement: float
    distance: float
    between: float
    p_value: float


def find_rare(
    bound: BoundSource,
    cells: tuple[NDArray[np.int64], NDArray[np.int32]],
    config: ClusterConfig,
    *,
    batches: NDArray[np.int32] | None = None,
) -> list[tuple[RareType, RareEvidence]]:
    """Look for rare types in each cluster.

    Parameters
    ----------
    bound
        The cells.
    cells
        Rows of the source, each once, and their clusters ``(n,)``; where a cluster has too many
        cells, those are looked at that stand at even distances in this order.
    config
        Options.
    batches
        Batch of each cell of the source ``(n_cells,)``, whole numbers from 0 on; ``None`` for one
        batch. Cells are then surprising beside those of their own batch.

    Returns
    -------
    Rare types, by cluster. A cell that two of them call is of the first.
    """
    few, labels = _sample(over_all_genes(bound), cells, config)
    sizes, n_cells = np.bincount(cells[1]), len(cells[1])

    def look(parent: int) -> tuple[list[tuple[Profile, RareEvidence]], int]:
        members = np.flatnonzero(labels == parent)
        if len(members) * SHARE_OF_CLUSTER < MIN_CELLS:
            return [], 0
        counts = few.counts[members].astype(np.float64)
        counts.sort_indices()
        of_cell = None if batches is None else batches[few.rows[members]]
        crowd = Crowd(counts, few.key[members], of_cell)
        most = min(SHARE_OF_CLUSTER, SHARE * n_cells / sizes[parent]) * len(members)
        return _in_crowd(crowd, config, most=most)

    candidates: list[tuple[RareType, RareEvidence]] = []
    n_tried = 0
    parents, n_threads = np.unique(labels).tolist(), n_threads_or_all(config.n_threads)
    looks = ordered_map(look, parents, n_threads=n_threads)
    for parent, (found, tried) in zip(parents, looks, strict=True):
        candidates += [(RareType(parent, profile), told) for profile, told in found]
        n_tried += tried
    corrected = [
        (kind, replace(told, p_value=min(1.0, told.p_value * n_tried)))
        for kind, told in candidates
    ]
    return [(kind, told) for kind, told in corrected if told.p_value <= MOST_CHANCE]


def _in_crowd(
    crowd: Crowd, config: ClusterConfig, *, most: float
) -> tuple[list[tuple[Profile, RareEvidence]], int]:
    """Return the rare types of a cluster, and how many profiles were tried."""
    order, alike = seeds(crowd)
    seen = np.zeros(crowd.n_cells, dtype=np.bool_)
    taken = np.zeros(crowd.n_cells, dtype=np.bool_)
    found: list[tuple[Profile, RareEvidence]] = []
    tried: set[bytes] = set()
    n_left = N_TRIALS
    for start in order.tolist():
        if seen[start] or seen[alike[start]].any():
            continue
        if n_left == 0:
            break
        n_left -= 1
        group = np.append(alike[start], start)
        seen[group] = True
        learned = learn_profile(crowd, group)
        if learned is None:
            continue
        profile, is_rare = learned
        seen |= is_rare
        if is_rare.tobytes() in tried:
            continue
        tried.add(is_rare.tobytes())
        if not MIN_CELLS <= is_rare.sum() <= most or (taken & is_rare).any():
            continue
        if crowd.share_of_batches(is_rare) > SHARE_OF_CLUSTER:
            continue
        told = _evidence(crowd, profile, is_rare, config.n_splits)
        if (
            told.agreement >= config.least_agreement
            and told.distance >= LEAST_DISTANCE
            and told.between <= MOST_BETWEEN
        ):
            found.append((profile, told))
            taken |= is_rare
    return found, len(tried)


def _evidence(
    crowd: Crowd, profile: Profile, is_rare: NDArray[np.bool_], n_splits: int
) -> RareEvidence:
    """Compare the rare cells with the others on both halves of the counts."""
    from atlash.clustering._rows import halve

    counts = crowd.over(profile.genes)
    whole = counts.data.astype(np.float32)
    first = np.empty_like(whole)
    kappas, distances, p_values = [], [], []
    for split in range(n_splits):
        bounds = counts.indptr.astype(np.int64)
        halve(bounds, counts.indices.astype(np.int32), whole, crowd.key, split, first)
        calls, places = [], []
        for half in (first, whole - first):
            part = counts.copy()
            part.data = half.astype(np.float64)
            call, place = profile.told(part, crowd.depth / 2)
            calls.append(call)
            places.append(place)
            spread = max(float(place[~is_rare].std()), np.finfo(np.float64).tiny)
            distances.append((place[is_rare].mean() - place[~is_rare].mean()) / spread)
        kappas.append(kappa_of(*calls))
        p_values.append(p_value_of(places[1], calls[0]))
    place = profile.told(counts, crowd.depth)[1]
    between = ((place > 1 / 3) & (place < 2 / 3)).sum() / is_rare.sum()
    return RareEvidence(
        n_genes=len(profile.genes),
        agreement=float(np.mean(kappas)),
        distance=float(np.mean(distances)),
        between=float(between),
        p_value=min(1.0, 2 * float(np.median(p_values))),
    )


def _sample(
    bound: BoundSource,
    cells: tuple[NDArray[np.int64], NDArray[np.int32]],
    config: ClusterConfig,
) -> tuple[Sketch, NDArray[np.int32]]:
    """Return cells of each cluster with their counts, by their keys, and their clusters."""
    picked = _some_of_each(cells[1])
    order = np.argsort(cells[0][picked])
    rows, labels = cells[0][picked][order], cells[1][picked][order]

    def read(start: int) -> Sketch:
        part = bound.rows(rows[start : start + config.chunk_size])
        everything = np.ones(part.X.shape[0], dtype=np.bool_)
        return keep(bound, part, key=keys_of(part.X), chosen=everything)

    few = join([read(start) for start in range(0, len(rows), config.chunk_size)])
    return few, labels[np.searchsorted(rows, few.rows)]


def _some_of_each(labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the places of as many cells of each cluster as there is room for, evenly spaced."""
    order = np.argsort(labels, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    sizes = np.array([len(members) for members in groups])
    room = MAX_OF_CLUSTER
    while np.minimum(sizes, room).sum() > MAX_CELLS:
        room = room * 7 // 8
    taken = [
        members[np.arange(min(room, len(members))) * len(members) // min(room, len(members))]
        for members in groups
    ]
    return np.concatenate(taken)
