"""Neighbours of cells among themselves, in scanpy's layout."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from atlash.checks import checked_config
from atlash.config import SearchConfig
from atlash.errors import InputError, MissingPackageError
from atlash.keys import NeighborKeys
from atlash.reference.cell_writing import searchable
from atlash.reference.columns import cells_table
from atlash.reference.search import SearchIndex
from atlash.tl.checks import check_anndata, check_key_added
from atlash.tl.queries import encode_queries
from atlash.tl.search import check_request
from atlash.tl.written import target_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData
    from numpy.typing import NDArray

    from atlash.reference import Reference
    from atlash.reference.cells import CellTable
    from atlash.reference.search import Found
    from atlash.tl.queries import Queries


def neighbors(
    adata: AnnData,
    reference: Reference,
    n_neighbors: int = 15,
    *,
    key_added: str | None = None,
    config: SearchConfig | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Find each cell's nearest cells in the same data, by the codes of a reference.

    What is written is what ``scanpy.pp.neighbors`` writes, so that ``scanpy.tl.umap`` and
    ``scanpy.tl.leiden`` run on it. It needs umap-learn, which scanpy brings.

    Parameters
    ----------
    adata
        The cells: counts, or normalised values on a linear or logarithmic scale.
    reference
        Whose encoder to use; its own cells are not searched.
    n_neighbors
        Neighbours of each cell, itself among them, at least 2.
    key_added
        Key of ``uns``, and prefix of those of ``obsp`` and ``obsm``; ``None`` stands for scanpy's
        own, and ``atlash`` in ``obsm``.
    config
        Ranking, method, how the cells are read, and further options; ``None`` stands for
        ``SearchConfig()``.
    copy
        Return a copy, in memory, instead of writing to ``adata``.

    Returns
    -------
    ``None``, or the copy. Written are:

    ``obsp["distances"]`` : CSR float32 ``(n_obs, n_obs)``
        Score of each neighbour but the cell itself, ``n_neighbors - 1`` a row; see ``ranking``
        of :class:`atlash.SearchConfig`.
    ``obsp["connectivities"]`` : CSR float32 ``(n_obs, n_obs)``
        Weights of UMAP's fuzzy graph (McInnes et al., 2018), symmetric, in [0, 1].
    ``obsm["X_atlash_bits"]`` : float32 ``(n_obs, n_bits)``
        Expected bits, in [-1, 1].
    ``uns["neighbors"]`` : dict
        The names of these, and the settings.

    Raises
    ------
    InputError
        If the cells cannot be used, or are fewer than the neighbours asked for.
    MissingPackageError
        If umap-learn is missing.
    """
    if key_added is not None:
        check_key_added(key_added)
    config = checked_config(config, SearchConfig)
    check_request(None, None, config)
    fuzzy_union = _fuzzy_union()
    check_anndata(adata, copy=copy)
    if not (_is_whole(n_neighbors) and 2 <= n_neighbors <= adata.n_obs):
        msg = (
            f"`n_neighbors` is {n_neighbors!r}, but must be a whole number from 2 to the "
            f"{adata.n_obs:,} cells."
        )
        raise InputError(msg)
    n_neighbors = int(n_neighbors)
    queries = encode_queries(adata, reference, config)
    index = SearchIndex(_codes_alone(queries), reference.annotator.anchors)
    found = index.nearest(queries.asked, n_neighbors, among=None, config=config)
    graph = _graph(found, n_neighbors)
    connectivities, _, _ = fuzzy_union(
        sp.coo_array((adata.n_obs, 1)),
        n_neighbors,
        None,
        None,
        knn_indices=graph.rows,
        knn_dists=graph.scores,
    )
    target = target_of(adata, copy=copy)
    keys = NeighborKeys(key_added)
    target.obsp[keys.distances] = graph.distances
    target.obsp[keys.connectivities] = sp.csr_matrix(connectivities, dtype=np.float32)
    target.obsm[keys.representation] = queries.asked.expected
    target.uns[keys.parameters] = {
        "connectivities_key": keys.connectivities,
        "distances_key": keys.distances,
        "params": {
            "n_neighbors": n_neighbors,
            "method": "umap",
            "metric": "euclidean",  # how scanpy is to lay out parts that hang together
            "use_rep": keys.representation,
            "random_state": 0,
            "ranking": config.ranking,
            "reference_fingerprint": reference.fingerprint,
        },
    }
    return target if copy else None


@dataclass(frozen=True)
class _Graph:
    """Each cell and its nearest others, ``(n, n_neighbors)``: rows, and scores, its own 0."""

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]

    @property
    def distances(self) -> sp.csr_matrix:
        """The scores of the others as a sparse matrix."""
        n, width = self.rows.shape
        bounds = np.arange(n + 1) * (width - 1)
        parts = self.scores[:, 1:].ravel(), self.rows[:, 1:].ravel(), bounds
        return sp.csr_matrix(parts, shape=(n, n))


def _graph(found: Found, n_neighbors: int) -> _Graph:
    """Put each cell first among its neighbours; of many equal codes it may not have been found."""
    rows = found.rows.reshape(-1, n_neighbors)
    scores = found.scores.reshape(rows.shape)
    own = np.arange(len(rows))[:, None]
    others = rows != own
    others[others.all(axis=1), -1] = False  # the cell itself was not found: the last one yields
    kept = (len(rows), n_neighbors - 1)
    return _Graph(
        np.hstack([own, rows[others].reshape(kept)]),
        np.hstack([np.zeros_like(scores[:, :1]), scores[others].reshape(kept)]),
    )


def _codes_alone(queries: Queries) -> CellTable:
    """Return the cells as a search takes them, without what else is known of them."""
    n = len(queries.obs)
    nothing = pd.DataFrame(index=pd.RangeIndex(n))
    names = [str(row) for row in range(n)]
    return searchable(cells_table(names, queries.asked.codes, queries.labels, obs=nothing))


def _is_whole(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and float(value).is_integer()


def _fuzzy_union() -> Callable[..., Any]:
    """Return UMAP's function that turns neighbours into a weighted graph."""
    try:
        from umap.umap_ import fuzzy_simplicial_set
    except ImportError as error:
        msg = "`neighbors` needs umap-learn: `pip install umap-learn`, or scanpy, which brings it."
        raise MissingPackageError(msg) from error
    return fuzzy_simplicial_set  # type: ignore[no-any-return]
