"""Rare types that were found: telling their cells, and their numbers as arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from atlash.clustering.rare_profile import Profile
from atlash.clustering.sketch import keep
from atlash.data.parallel import ordered_map
from atlash.progress import n_threads_or_all, track

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from atlash.config import ClusterConfig
    from atlash.data.normalize import BoundSource


@dataclass(frozen=True)
class RareType:
    """A rare type and where it was found.

    Attributes
    ----------
    parent
        Cluster that its cells are told from.
    profile
        What tells them.
    """

    parent: int
    profile: Profile


def rare_among(
    bound: BoundSource,
    types: Sequence[RareType],
    cluster: NDArray[np.integer],
    *,
    config: ClusterConfig,
) -> NDArray[np.int32]:
    """Tell rare cells, each by itself.

    Parameters
    ----------
    bound
        The cells.
    types
        Rare types.
    cluster
        Cluster of each cell ``(n_cells,)`` before they are told; -1 for none.
    config
        Options.

    Returns
    -------
    Number of the first type that calls a cell ``(n_cells,)``, -1 for none.
    """
    which = np.full(bound.n_cells, -1, dtype=np.int32)
    if not types:
        return which
    everything = over_all_genes(bound)
    parents = np.array(sorted({kind.parent for kind in types}))

    def work(item: tuple[slice, csr_array]) -> int:
        rows = item[0]
        part = everything.project(item[1], rows)
        chosen = np.isin(cluster[rows], parents)
        nothing = np.zeros(len(chosen), dtype=np.uint64)
        counts = keep(everything, part, key=nothing, chosen=chosen).counts.astype(np.float64)
        depth = np.asarray(counts.sum(axis=1), dtype=np.float64)
        of = cluster[rows][chosen]
        told = np.full(len(depth), -1, dtype=np.int32)
        for number, kind in enumerate(types):
            is_rare, _ = kind.profile.told(counts[:, kind.profile.genes], depth)
            told[is_rare & (of == kind.parent) & (told < 0)] = number
        which[np.arange(rows.start, rows.stop)[chosen]] = told
        return len(chosen)

    chunks = bound.source.chunks(config.chunk_size)
    with track("Telling rare cells", bound.n_cells, show=config.progress) as advance:
        for n in ordered_map(work, chunks, n_threads=n_threads_or_all(config.n_threads)):
            advance(n)
    return which


def over_all_genes(bound: BoundSource) -> BoundSource:
    """Return the same cells over all genes of the recipe."""
    features = np.arange(len(bound.recipe.genes), dtype=np.int32)
    return replace(bound, recipe=replace(bound.recipe, features=features))


def rare_arrays(types: Sequence[RareType]) -> dict[str, NDArray[np.generic]]:
    """Return rare types as arrays by name, none without types."""
    if not types:
        return {}
    profiles = [kind.profile for kind in types]
    return {
        "parent": np.array([kind.parent for kind in types], dtype=np.int32),
        "n_genes": np.array([len(profile.genes) for profile in profiles], dtype=np.int32),
        "genes": np.concatenate([profile.genes for profile in profiles]),
        "own": np.concatenate([profile.own for profile in profiles]),
        "other": np.concatenate([profile.other for profile in profiles]),
        "dispersion": np.array([profile.dispersion for profile in profiles]),
        "log_odds": np.array([profile.log_odds for profile in profiles]),
    }


def rare_from_arrays(arrays: Mapping[str, NDArray[Any]]) -> tuple[RareType, ...]:
    """Return the types that :func:`rare_arrays` has given away."""
    if not arrays:
        return ()
    ends = np.cumsum(arrays["n_genes"])[:-1]
    genes, own, other = (np.split(arrays[name], ends) for name in ("genes", "own", "other"))
    return tuple(
        RareType(
            int(arrays["parent"][number]),
            Profile(
                genes[number],
                own[number],
                other[number],
                float(arrays["dispersion"][number]),
                float(arrays["log_odds"][number]),
            ),
        )
        for number in range(len(genes))
    )
