"""A picture of many cells: UMAP of their buckets, and each cell among its nearest buckets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial import KDTree

from atlash.checks import check_name
from atlash.errors import (
    InputError,
    InvalidValuesError,
    KeyNotFoundError,
    MissingPackageError,
    did_you_mean,
)
from atlash.keys import UmapKeys
from atlash.tl.checks import (
    check_anndata,
    check_key_added,
    check_whole,
    is_share,
    is_whole,
)
from atlash.tl.stored import complete_groups_of

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

_N_NEAR = 5
"""Buckets among which a cell lies."""
_REACH = 4.0
"""Buckets further apart in the picture, in units of their typical distance, share no cells."""
_SPREAD = 0.5
"""Greatest distance of a cell from its mean place, in the same unit."""
_CHUNK = 8192
_MOST_SEED = 2**32 - 1


def umap(
    adata: AnnData,
    *,
    bucket_key: str = "atlash_bucket",
    use_rep: str = "X_atlash",
    n_neighbors: int = 15,
    min_dist: float = 0.5,
    random_state: int = 0,
    key_added: str = "umap",
) -> None:
    """Lay out buckets of cells by UMAP (McInnes et al. 2018), and the cells among them.

    Time grows with the number of buckets; each cell adds a few distances. A cell lies at the
    mean of the nearest buckets, weighted by the inverse fourth power of its distance to their
    means, and a little off, in a direction that depends on its own coordinates alone.

    Parameters
    ----------
    adata
        Cells with coordinates.
    bucket_key
        Column of ``obs`` with small groups of alike cells, without gaps; more than
        ``n_neighbors`` groups.
    use_rep
        Key of ``obsm`` with the coordinates.
    n_neighbors
        Neighbours of each bucket, at least 2; more show coarser structure.
    min_dist
        Least distance of buckets in the picture, at least 0 and below 1.
    random_state
        Seed of the layout.
    key_added
        Key of ``uns``; that of ``obsm`` is this after ``X_``.

    Returns
    -------
    Nothing. Written are:

    ``obsm["X_umap"]`` : float32 ``(n_obs, 2)``
        Places of the cells.
    ``uns["umap"]`` : dict
        ``params``: the settings.

    Raises
    ------
    KeyNotFoundError
        If the column or the coordinates do not exist.
    InvalidValuesError
        If coordinates are NaN or infinite.
    InputError
        If an option is out of range, or there are too few buckets for ``n_neighbors``.
    MissingPackageError
        If umap-learn is missing.
    """
    check_key_added(key_added)
    check_anndata(adata)
    check_name(bucket_key, "bucket_key", example="atlash_bucket")
    check_name(use_rep, "use_rep", example="X_atlash")
    check_whole("random_state", random_state, least=0)
    if random_state > _MOST_SEED:
        msg = f"`random_state` is {random_state}, but umap-learn takes none above {_MOST_SEED}."
        raise InputError(msg)
    buckets, names = complete_groups_of(adata.obs, bucket_key)
    X = _coordinates(adata, use_rep)
    fits = is_whole(n_neighbors) and 2 <= n_neighbors < len(names)
    if not (fits and is_share(min_dist) and min_dist < 1):
        msg = (
            f"`n_neighbors` is {n_neighbors!r} and `min_dist` {min_dist!r} for {len(names):,} "
            f"buckets; need at least 2 neighbours and more buckets than that, and a distance "
            "from 0 to below 1. Lower `n_neighbors`, or name a finer column as `bucket_key`."
        )
        raise InputError(msg)
    means = bucket_means(X, buckets, n_buckets=len(names))
    layout = _layout(means, n_neighbors, min_dist, seed=random_state)
    keys = UmapKeys(key_added)
    adata.obsm[keys.places] = place_cells(X, buckets, means, layout=layout)
    adata.uns[keys.settings] = {
        "params": {
            "bucket_key": bucket_key,
            "use_rep": use_rep,
            "n_neighbors": n_neighbors,
            "min_dist": min_dist,
            "random_state": random_state,
        }
    }


def bucket_means(
    X: NDArray[np.floating], buckets: NDArray[np.int32], *, n_buckets: int
) -> NDArray[np.float64]:
    """Return the mean of each bucket's cells, ``(n_buckets, n_dims)``."""
    sizes = np.bincount(buckets, minlength=n_buckets)
    sums = [np.bincount(buckets, weights=axis, minlength=n_buckets) for axis in X.T]
    return np.stack(sums, axis=1) / sizes[:, None]


def place_cells(
    X: NDArray[np.floating],
    buckets: NDArray[np.int32],
    means: NDArray[np.float64],
    *,
    layout: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Place cells among the buckets nearest to them.

    Parameters
    ----------
    X
        Coordinates of the cells ``(n, n_dims)``.
    buckets
        Bucket of each cell ``(n,)``.
    means
        Mean of each bucket ``(n_buckets, n_dims)``; at least two buckets.
    layout
        Its place in the picture ``(n_buckets, 2)``.

    Returns
    -------
    Places ``(n, 2)``, float32; each depends on nothing but the cell and the buckets. A cell at
    the mean of its bucket, alone there, has the bucket's place.
    """
    near = np.asarray(KDTree(means).query(means, min(_N_NEAR, len(means)))[1])
    unit = float(np.median(np.asarray(KDTree(layout).query(layout, 2)[0])[:, 1]))
    # a bucket elsewhere in the picture would draw cells into the void between
    apart = np.linalg.norm(layout[near] - layout[:, None], axis=2)
    kept = apart <= _REACH * unit
    kept[:, 0] |= ~kept.any(axis=1)
    direction = np.random.default_rng(0).standard_normal((X.shape[1], 2))
    spread = max(float(np.median(np.linalg.norm(X - means[buckets], axis=1))), 1e-12)
    places = np.empty((len(X), 2), dtype=np.float32)
    for start in range(0, len(X), _CHUNK):
        cells = slice(start, start + _CHUNK)
        own = buckets[cells]
        squares = np.square(X[cells, None] - means[near[own]]).sum(axis=2)
        least = squares.min(axis=1, keepdims=True)
        weight = np.square((least + 1e-12) / (squares + 1e-12)) * kept[own]
        weight /= weight.sum(axis=1, keepdims=True)
        aside = np.einsum("nd,dk->nk", X[cells] - means[own], direction)
        off = np.tanh(aside / (2 * spread)) * _SPREAD * unit
        places[cells] = (weight[:, :, None] * layout[near[own]]).sum(axis=1) + off
    return places


def _coordinates(adata: AnnData, use_rep: str) -> NDArray[np.float64]:
    """Return the coordinates of the cells.

    Raises `KeyNotFoundError`, `InputError` or `InvalidValuesError` where they are missing, no
    numbers or not finite.
    """
    if use_rep not in adata.obsm:
        msg = (
            f"`obsm` has no {use_rep!r}; it has {', '.join(map(repr, adata.obsm)) or 'nothing'}."
            f"{did_you_mean(use_rep, adata.obsm)} Name the coordinates as `use_rep`."
        )
        raise KeyNotFoundError(msg)
    stored: Any = adata.obsm[use_rep]
    dense = stored.toarray() if hasattr(stored, "toarray") else stored
    try:
        X = np.asarray(dense, dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = (
            f"`obsm[{use_rep!r}]` holds values that are no numbers ({error}). Name the "
            "coordinates as `use_rep`, for example 'X_atlash'."
        )
        raise InputError(msg) from error
    bad = np.flatnonzero(~np.isfinite(X).all(axis=1))
    if bad.size:
        msg = (
            f"`obsm[{use_rep!r}]` has NaN or infinite values for {bad.size:,} cells, the first "
            f"{str(adata.obs_names[bad[0]])!r}; all must be finite. Leave these cells out."
        )
        raise InvalidValuesError(msg)
    return X


def _layout(
    means: NDArray[np.float64], n_neighbors: int, min_dist: float, *, seed: int
) -> NDArray[np.float64]:
    """Return UMAP's layout of the buckets, ``(n_buckets, 2)``."""
    try:
        from umap import UMAP
    except ImportError as error:
        msg = "`umap` needs umap-learn: `pip install 'atlash[umap]'`, or scanpy, which brings it."
        raise MissingPackageError(msg) from error
    # one thread, as the seed alone would enforce with a warning
    model = UMAP(n_neighbors=n_neighbors, min_dist=min_dist, random_state=seed, n_jobs=1)
    return np.asarray(model.fit_transform(means.astype(np.float32)), dtype=np.float64)
