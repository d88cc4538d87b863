"""How far each cell is from a root along the graph of cells."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from atlash.checks import check_name
from atlash.errors import EmptyInputError, InputError, KeyNotFoundError, did_you_mean
from atlash.keys import PseudotimeKeys
from atlash.tl.checks import (
    check_anndata,
    check_key_added,
    check_whole,
    is_whole,
)
from atlash.tl.diffusion import density_normalised, diffusion_space, linked_nodes, lumped
from atlash.tl.stored import complete_groups_of, groups_of, stored_graph

if TYPE_CHECKING:
    import scipy.sparse as sp
    from anndata import AnnData
    from numpy.typing import NDArray

MAX_CELLS = 20_000
"""Cells up to which the walk runs on the cells themselves."""


def pseudotime(
    adata: AnnData,
    root: str | tuple[str, str],
    *,
    neighbors_key: str = "neighbors",
    bucket_key: str | None = None,
    n_components: int = 10,
    max_cells: int = MAX_CELLS,
    key_added: str = "atlash_pseudotime",
) -> None:
    """Order cells by their diffusion distance from a root (Haghverdi et al. 2016).

    Parameters
    ----------
    adata
        Cells with a graph of neighbours.
    root
        A cell's name, or a column of ``obs`` and a value: of the cells with this value, the one
        nearest to their median place in diffusion space is the root. (The most extreme of them
        would often be one that strayed, or has the wrong label.)
    neighbors_key
        Key of ``uns`` that names the graph; that of connectivities is used.
    bucket_key
        Column of ``obs`` with small groups of alike cells, such as buckets, without gaps. Where
        there are more than ``max_cells`` cells, the walk runs on the graph of buckets, and each
        cell gets the mean place of its neighbours' buckets. ``None`` always walks on cells.
    n_components
        Eigenvectors, the stationary one among them, as ``n_dcs`` of scanpy's ``dpt``; at
        least 2.
    max_cells
        Cells up to which buckets are not used.
    key_added
        Column of ``obs``, and key of ``uns``.

    Returns
    -------
    Nothing. Written are:

    ``obs["atlash_pseudotime"]`` : float64
        Distance from the root divided by the greatest, in [0, 1]; infinite for cells that no
        path links with the root.
    ``uns["atlash_pseudotime"]`` : dict
        ``root``, the root's name; ``eigenvalues``, descending, without that of the stationary
        vector; ``n_nodes`` of the walk; ``n_unreached`` cells; ``neighbors_key``.

    Raises
    ------
    KeyNotFoundError
        If the root, a column or the graph does not exist.
    InputError
        If there are no cells, ``root`` names nothing, ``n_components`` is below 2, or buckets
        have gaps.

    Warns
    -----
    UserWarning
        If some cells are not linked with the root.

    Notes
    -----
    The formula is that of :func:`atlash.tl.diffusion.diffusion_space`.
    """
    check_key_added(key_added)
    check_anndata(adata)
    check_name(bucket_key, "bucket_key", example="atlash_bucket")
    check_whole("max_cells", max_cells, least=0)
    if not (is_whole(n_components) and n_components >= 2):
        msg = f"`n_components` is {n_components!r}, but must be a whole number from 2."
        raise InputError(msg)
    candidates = _candidates(adata, root)
    weights = stored_graph(adata, neighbors_key, "connectivities")
    kernel = density_normalised(weights)
    nodes = np.arange(adata.n_obs, dtype=np.int32)
    lumps = bucket_key is not None and adata.n_obs > max_cells
    if bucket_key is not None and lumps:
        nodes, _ = complete_groups_of(adata.obs, bucket_key)
        kernel = lumped(kernel, nodes)
    linked = linked_nodes(kernel, nodes[candidates])
    part = np.flatnonzero(linked)
    sizes = np.bincount(nodes)[part]
    space, eigenvalues = diffusion_space(kernel[part][:, part], sizes, n_components)
    places = np.zeros((linked.size, space.shape[1]))
    places[part] = space
    reached = linked[nodes]
    of_cells = _mean_of_neighbours(weights, places[nodes]) if lumps else places
    origin = _middle(of_cells, candidates[reached[candidates]])
    adata.obs[PseudotimeKeys(key_added).time] = _distances(of_cells, origin, reached)
    adata.uns[PseudotimeKeys(key_added).settings] = {
        "root": str(adata.obs_names[origin]),
        "eigenvalues": eigenvalues,
        "n_nodes": int(linked.size),
        "n_unreached": int((~reached).sum()),
        "neighbors_key": neighbors_key,
    }
    if not reached.all():
        msg = (
            f"{(~reached).sum():,} of {adata.n_obs:,} cells are not linked with the root "
            f"{str(adata.obs_names[origin])!r} in the graph; their pseudotime is infinite."
        )
        warnings.warn(msg, stacklevel=2)


def _candidates(adata: AnnData, root: str | tuple[str, str]) -> NDArray[np.int64]:
    """Return the positions of the cells that may be the root.

    Raises `EmptyInputError` or `KeyNotFoundError` where there is none, `InputError` where none
    is named.
    """
    if not adata.n_obs:
        msg = "There are no cells to put in an order. Look whether a filter left nothing over."
        raise EmptyInputError(msg)
    if isinstance(root, str):
        found = np.flatnonzero(adata.obs_names == root)
        if found.size == 0:
            msg = (
                f"There is no cell {root!r}; cells have names like {str(adata.obs_names[0])!r}."
                f"{did_you_mean(root, adata.obs_names[:1000])} For a group of cells give "
                "`root=(column, value)`."
            )
            raise KeyNotFoundError(msg)
        return found[:1]
    given: object = root
    if not isinstance(given, tuple | list) or len(given) != 2:
        msg = (
            f"`root` is {root!r}, but must be the name of a cell, or a column of obs and a value, "
            "for example `root=('atlash_cluster', '0')`."
        )
        raise InputError(msg)
    column, value = root
    check_name(column, "root", example="atlash_cluster")
    groups, names = groups_of(adata.obs, column)
    if str(value) not in names:
        msg = (
            f"`obs[{column!r}]` has no value {value!r}; it has values like "
            f"{', '.join(map(repr, names[:5]))}.{did_you_mean(str(value), names)}"
        )
        raise KeyNotFoundError(msg)
    return np.flatnonzero(groups == names.index(str(value)))


def _mean_of_neighbours(weights: sp.csr_array, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weighted mean place of each cell's neighbours, its own where it has none."""
    total = weights.sum(axis=1)
    alone = total == 0
    mean = np.asarray(weights @ places) / np.where(alone, 1, total)[:, None]
    mean[alone] = places[alone]
    return mean


def _middle(places: NDArray[np.float64], candidates: NDArray[np.int64]) -> int:
    """Return the candidate nearest to the candidates' median place; the first of equals."""
    apart = places[candidates] - np.median(places[candidates], axis=0)
    return int(candidates[np.square(apart).sum(axis=1).argmin()])


def _distances(
    places: NDArray[np.float64], origin: int, reached: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return distances from a cell, the greatest 1, infinite for cells that are not reached."""
    time = np.sqrt(np.square(places - places[origin]).sum(axis=1))
    greatest = time[reached].max()
    if greatest > 0:
        time /= greatest
    time[~reached] = np.inf
    return np.asarray(time)
