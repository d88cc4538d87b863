"""What earlier steps left in an AnnData: groups of cells and graphs, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
import scipy.sparse as sp

from atlash.checks import check_name
from atlash.data.columns import one_column
from atlash.errors import InputError, InvalidValuesError, KeyNotFoundError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

GraphKind = Literal["connectivities", "distances"]
"""Which graph of neighbours: weights, or the directed graph of each cell's nearest."""


def groups_of(
    obs: pd.DataFrame, key: str, *, without: str | None = None
) -> tuple[NDArray[np.int32], list[str]]:
    """Return the group of each cell, and the groups' names.

    Parameters
    ----------
    obs
        Cells' metadata.
    key
        Column with the groups. Categories keep their order; those without cells are dropped.
    without
        A name whose cells belong to no group.

    Returns
    -------
    Groups ``(n_cells,)`` from 0, -1 where the value is missing or blank; names as strings, each
    once: 1 and ``"1"`` are one group.

    Raises
    ------
    KeyNotFoundError
        There is no such column.
    """
    if key not in obs:
        msg = (
            f"`obs` has no column {key!r}; it has {', '.join(map(repr, obs.columns)) or 'none'}."
            f"{did_you_mean(key, obs.columns)}"
        )
        raise KeyNotFoundError(msg)
    column = one_column(obs, key).astype("category").cat.remove_unused_categories()
    told = [str(name) for name in column.cat.categories]
    names = [name for name in dict.fromkeys(told) if name.strip() and name != without]
    place = {name: number for number, name in enumerate(names)}
    numbers = np.array([*(place.get(name, -1) for name in told), -1], dtype=np.int32)
    return numbers[column.cat.codes.to_numpy()], names  # the last is what -1 takes


def complete_groups_of(obs: pd.DataFrame, key: str) -> tuple[NDArray[np.int32], list[str]]:
    """Return what `groups_of` does for a column without gaps.

    Raises
    ------
    KeyNotFoundError
        There is no such column.
    InputError
        The column has missing values.
    """
    groups, names = groups_of(obs, key)
    gaps = np.flatnonzero(groups < 0)
    if gaps.size:
        msg = (
            f"`obs[{key!r}]` has no value for {gaps.size:,} of {groups.size:,} cells, the first "
            f"{str(obs.index[gaps[0]])!r}; every cell needs one. Fill the gaps, or leave out "
            "these cells and compute the graph again."
        )
        raise InputError(msg)
    return groups, names


def stored_graph(adata: AnnData, neighbors_key: str, kind: GraphKind) -> sp.csr_array:
    """Return a graph of neighbours ``(n_obs, n_obs)`` in scanpy's layout, as float64.

    Parameters
    ----------
    adata
        The cells.
    neighbors_key
        Key of ``uns`` that names the graphs in ``obsp``.
    kind
        Which graph.

    Raises
    ------
    KeyNotFoundError
        There is no such key or graph.
    InputError
        What is there names no graph.
    InvalidValuesError
        Entries are NaN, infinite or negative.
    """
    check_name(neighbors_key, "neighbors_key", example="neighbors")
    if neighbors_key not in adata.uns:
        msg = (
            f"`uns` has no {neighbors_key!r}, which would name a graph of neighbours."
            f"{did_you_mean(neighbors_key, adata.uns)} Make one, for example with "
            "`atlash.tl.neighbors` or `scanpy.pp.neighbors`, or name it as `neighbors_key`."
        )
        raise KeyNotFoundError(msg)
    told = adata.uns[neighbors_key]
    if not isinstance(told, Mapping):
        msg = (
            f"`uns[{neighbors_key!r}]` is a {type(told).__name__} and names no graph of "
            "neighbours. Compute them again, or name another key as `neighbors_key`."
        )
        raise InputError(msg)
    name = str(told.get(f"{kind}_key", kind))
    if name not in adata.obsp:
        msg = (
            f"`uns[{neighbors_key!r}]` names {name!r} as the graph of {kind}, but `obsp` has "
            f"{', '.join(map(repr, adata.obsp)) or 'nothing'}. Compute the neighbours again."
        )
        raise KeyNotFoundError(msg)
    graph = sp.csr_array(adata.obsp[name]).astype(np.float64)
    bad = ~(np.isfinite(graph.data) & (graph.data >= 0))
    if bad.any():
        msg = (
            f"`obsp[{name!r}]` holds {graph.data[bad][0]:g}; {kind} of neighbours must be finite "
            "and at least 0. Compute the neighbours again."
        )
        raise InvalidValuesError(msg)
    return graph
