"""Put cells into clusters that were found before."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.metadata import version
from os import PathLike
from typing import TYPE_CHECKING, Any

from atlash.clustering.wanted import checked_inputs
from atlash.errors import InputError
from atlash.keys import DEFAULT_PREFIX, ClusterKeys
from atlash.tl.checks import check_anndata, check_key_added
from atlash.tl.cluster_columns import cluster_arrays, cluster_columns, cluster_rows, storable
from atlash.tl.written import put, target_of

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData

    from atlash.clustering import Clusters, HashClusterer
    from atlash.config import InputConfig
    from atlash.data.source import Cells


@dataclass(frozen=True)
class Assigned:
    """What assigning gives: new columns and entries of an AnnData.

    Attributes
    ----------
    obs
        One row a cell, in the order of the input.
    obsm, uns
        Embedding, codes and story.
    found
        What the clusterer says.
    """

    obs: pd.DataFrame
    obsm: dict[str, Any]
    uns: dict[str, Any]
    found: Clusters


def assign(
    adata: AnnData,
    clusterer: HashClusterer | str | Path,
    *,
    batch_key: str | None = None,
    key_added: str = DEFAULT_PREFIX,
    inputs: InputConfig | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Put cells into the clusters that were found in others; each by itself.

    Parameters
    ----------
    adata
        The cells: counts, or normalised values on a linear or logarithmic scale. Genes are matched
        by name.
    clusterer
        A fitted :class:`atlash.HashClusterer`, or the folder of a saved one.
    batch_key
        Column of ``obs`` with batches, for a clusterer that was fitted with batches: cells of
        these are moved as the cells learned from were, cells of others are not.
    key_added
        Prefix of the keys that are written.
    inputs
        How the cells are read; ``None`` reads them as those learned from: the same layer, column
        of genes and scale.
    copy
        Return a copy, in memory, instead of writing to ``adata``.

    Returns
    -------
    ``None``, or the copy. Written are, with ``atlash`` as the prefix:

    ``obs["atlash_cluster"]`` : categorical
        The cluster, under the number that it was found by; ``"unassigned"`` are cells without
        counts. Categories are all clusters, also those that no cell falls into.
    ``obs["atlash_membership"]`` : float32 in [0, 1]
        How much of what lies around the cell belongs to its cluster.
    ``obs["atlash_stability"]`` : float32 in [0, 1]
        Share of the runs of Leiden that put the cell's bucket into its cluster.
    ``obs["atlash_bucket"]`` : int32
        The cell's bucket; -1 for cells without counts.
    ``obsm["X_atlash"]`` : float32 ``(n_obs, n_axes)``
        Places on the axes; 0 for cells without counts.
    ``obsm["atlash_words"]`` : uint16 ``(n_obs, n_heads)``
        Hash codes; 65,535 for cells without counts.
    ``uns["atlash_clustering"]`` : dict
        The story of the clusterer, and under ``"assigned"`` version, batch column and how the
        cells were read.

    Raises
    ------
    GeneMismatchError
        If too few of the clusterer's genes are measured.
    FileFormatError
        If the clusterer's folder is damaged.
    InputError
        If nothing is fitted, the cells cannot be used, or an option is out of range. Nothing is
        written then.

    Warns
    -----
    UnknownBatchesWarning
        If the clusterer was fitted with batches, and those of some cells are not told or not
        among them.
    """
    check_anndata(adata, copy=copy)
    fitted = fitted_clusterer(clusterer)
    result = assign_cells(
        adata, fitted, batch_key=batch_key, keys=ClusterKeys(key_added), inputs=inputs
    )
    target = target_of(adata, copy=copy)
    put(target, result.obs, {"obsm": result.obsm, "uns": result.uns})
    return target if copy else None


def fitted_clusterer(given: object) -> HashClusterer:
    """Return a clusterer as it was given, or loaded from its folder.

    Raises
    ------
    FileFormatError
        If the folder is damaged.
    InputError
        If it is neither.
    """
    from atlash.clustering import HashClusterer

    if isinstance(given, HashClusterer):
        return given
    if isinstance(given, str | PathLike):
        return HashClusterer.load(given)
    msg = (
        "The clusterer must be an atlash.HashClusterer or the folder of one, got "
        f"{type(given).__name__}. Load one with `atlash.HashClusterer.load(folder)`, or find "
        "clusters with `atlash.tl.cluster`."
    )
    raise InputError(msg)


def assign_cells(
    cells: Cells,
    clusterer: HashClusterer,
    *,
    batch_key: str | None,
    keys: ClusterKeys,
    inputs: InputConfig | None,
) -> Assigned:
    """Put cells into clusters, and return what is to be written."""
    check_key_added(keys.prefix)
    found = clusterer.predict(cells, batch_key=batch_key, inputs=inputs)
    how = asdict(checked_inputs(inputs, clusterer.config)) | {"batch_key": batch_key}
    told = {name: value for name, value in how.items() if value is not None}
    story = storable(clusterer.facts_)
    return Assigned(
        obs=cluster_columns(found, clusterer.model_.n_clusters, keys),
        obsm=cluster_arrays(found, keys),
        uns={keys.story: story | {"assigned": told | {"atlash_version": version("atlash")}}},
        found=found,
    )


def summarise(found: Clusters, stability: list[float]) -> dict[str, Any]:
    """Return how many cells fell into each cluster, as plain JSON."""
    return {
        "cells": len(found.labels),
        "n_clusters": len(stability),
        "clusters": cluster_rows(found, stability),
        "unassigned": int((found.labels < 0).sum()),
    }
