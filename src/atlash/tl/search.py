"""Find the cells of a reference that are most similar to given ones."""

from __future__ import annotations

import difflib
import time
import warnings
from typing import TYPE_CHECKING, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from atlash.config import Ranking, SearchConfig, SearchMethod
from atlash.errors import InputError, KeyNotFoundError
from atlash.reference.search import Asked, Found
from atlash.tl.hits import Hits
from atlash.tl.queries import encode_queries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from atlash.data.source import Cells
    from atlash.reference import Reference
    from atlash.reference.cells import CellTable
    from atlash.reference.search import SearchIndex

DEFAULT_K = 50


class FewerCellsWarning(UserWarning):
    """Fewer cells may be found than were asked for."""


def search(
    adata: Cells,
    reference: Reference,
    k: int | None = None,
    *,
    where: str | None = None,
    radius: int | None = None,
    exclude: str | None = None,
    config: SearchConfig | None = None,
) -> Hits:
    """Find the cells of a reference whose codes are nearest to those of query cells.

    The search is exact among the cells that may be found, unless
    ``config.method="anchor-walk"`` asks for another. Nothing is written to ``adata``.

    Parameters
    ----------
    adata
        Query cells: AnnData, or the path of a ``.h5ad`` file or zarr store. Counts, or
        normalised values on a linear or logarithmic scale.
    reference
        From :meth:`atlash.Reference.build` or :meth:`atlash.Reference.load`.
    k
        Cells wanted for each query; ``None`` stands for 50, or, where a radius is given, for
        all within it.
    where
        Condition that cells must meet, in SQL over the reference's columns, such as ``"tissue =
        'lung' AND n_genes > 500"``. It is applied before ranking, so that nothing near is lost.
        Where a value is missing it does not hold.
    radius
        Greatest distance in bits.
    exclude
        Column that query and reference both have, such as ``"donor"``: cells that have a
        query's own value there are not found for it. Cells without a value may be.
    config
        Ranking, method, how the cells are read, and further options; ``None`` stands for
        ``SearchConfig()``.

    Returns
    -------
    What was found; see :class:`atlash.tl.Hits`.

    Raises
    ------
    InputError
        If the cells cannot be used, the condition is none or holds for no cell, or ``k`` or
        ``radius`` is out of range.
    KeyNotFoundError
        If a column is not there; the message has the nearest names.

    Warns
    -----
    FewerCellsWarning
        Fewer than ``k`` cells may be found.
    """
    config = config or SearchConfig()
    check_request(k, radius, config)
    started = time.perf_counter()
    queries = encode_queries(adata, reference, config)
    encoded = time.perf_counter()
    index = reference.index
    among = candidates(index.cells, where)
    wanted = DEFAULT_K if k is None and radius is None else k
    n_candidates = index.cells.n_rows if among is None else len(among)
    if wanted is not None and wanted > n_candidates:
        msg = f"{wanted:,} cells are asked for, but only {n_candidates:,} may be found."
        warnings.warn(msg, FewerCellsWarning, stacklevel=2)
    parts = [
        (rows, _look_up(index, _some(queries.asked, rows), (wanted, radius), (allowed, config)))
        for rows, allowed in _shares(queries.obs, index.cells, exclude, among)
    ]
    found = _joined(parts, len(queries.obs))
    done = time.perf_counter()
    return Hits(
        queries=queries.obs.index,
        bounds=found.bounds,
        rows=found.rows,
        distances=found.distances,
        scores=found.scores,
        labels=queries.labels,
        cells=index.cells,
        background=among,
        info={
            "ranking": config.ranking,
            "method": found.method,
            "exact": found.method != "anchor-walk",
            "scanned": found.scanned,
            "n_candidates": n_candidates,
            "where": where,
            "exclude": exclude,
            "k": wanted,
            "radius": radius,
            "reference_fingerprint": reference.fingerprint,
            "seconds": {"encode": encoded - started, "search": done - encoded},
        },
    )


def check_request(k: int | None, radius: int | None, config: SearchConfig) -> None:
    """Raise :class:`InputError` if what is asked for is out of its range."""
    if k is not None and (isinstance(k, bool) or k < 1 or k != int(k)):
        msg = f"`k` is {k!r}, but must be a whole number, at least 1."
        raise InputError(msg)
    if radius is not None and (isinstance(radius, bool) or radius < 0 or radius != int(radius)):
        msg = f"`radius` is {radius!r}, but must be a whole number of bits, at least 0."
        raise InputError(msg)
    for name, known in (("ranking", get_args(Ranking)), ("method", get_args(SearchMethod))):
        if getattr(config, name) not in known:
            listed = ", ".join(map(repr, known))
            msg = f"`{name}` is {getattr(config, name)!r}, but must be one of {listed}."
            raise InputError(msg)


def candidates(cells: CellTable, where: str | None) -> NDArray[np.int64] | None:
    """Return the ascending positions of cells that meet a condition; ``None`` for all.

    Raises
    ------
    InputError
        If it is no condition, or no cell meets it.
    KeyNotFoundError
        If it names a column that is not there.
    """
    if where is None:
        return None
    found = cells.row_positions(where)
    if len(found) == 0:
        msg = (
            f"No cell of the reference meets {where!r}, so that none can be found. "
            "`reference.info()` lists the columns; texts are compared with case."
        )
        raise InputError(msg)
    return found


def _shares(
    obs: pd.DataFrame,
    cells: CellTable,
    exclude: str | None,
    among: NDArray[np.int64] | None,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64] | None]]:
    """Yield queries that may find the same cells, and the positions of these."""
    if exclude is None:
        yield np.arange(len(obs)), among
        return
    own = _column(obs, exclude)
    theirs = cells.to_table([exclude])[exclude]
    if pa.types.is_dictionary(theirs.type):
        theirs = theirs.cast(theirs.type.value_type)
    names = theirs.cast(pa.string())
    every = np.arange(cells.n_rows) if among is None else among
    for value in own.drop_duplicates():
        rows = np.flatnonzero((own == value).to_numpy())
        same = pc.fill_null(pc.equal(names, value), fill_value=False).to_numpy()
        yield rows, every[~same[every]]


def _column(obs: pd.DataFrame, name: str) -> pd.Series[str]:
    """Return a column of the query as text; a missing value is a text that occurs nowhere."""
    if name not in obs:
        near = difflib.get_close_matches(name, [str(c) for c in obs.columns], n=1, cutoff=0.3)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        msg = f"`exclude` names the column {name!r}, which the query's obs does not have.{hint}"
        raise KeyNotFoundError(msg)
    column = obs[name].astype(object)
    return column.where(column.notna(), "\0").astype(str)


def _some(asked: Asked, rows: NDArray[np.int64]) -> Asked:
    return Asked(asked.codes[rows], asked.expected[rows])


def _look_up(
    index: SearchIndex,
    asked: Asked,
    wanted: tuple[int | None, int | None],
    how: tuple[NDArray[np.int64] | None, SearchConfig],
) -> Found:
    """Find the k nearest, those within a radius, or the k nearest of these."""
    (k, radius), (among, config) = wanted, how
    if k is None:
        return index.within(asked, int(radius or 0), among=among, config=config)
    found = index.nearest(asked, int(k), among=among, config=config)
    return found if radius is None else found.only(found.distances <= radius)


def _joined(parts: Sequence[tuple[NDArray[np.int64], Found]], n_queries: int) -> Found:
    """Bring the answers of all shares into the order of the queries."""
    if len(parts) == 1:
        return parts[0][1]
    of_hit = np.concatenate([np.repeat(rows, np.diff(found.bounds)) for rows, found in parts])
    order = np.argsort(of_hit, kind="stable")
    sizes = np.bincount(of_hit, minlength=n_queries)
    every = [found for _, found in parts]
    return Found(
        bounds=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        rows=np.concatenate([found.rows for found in every])[order],
        distances=np.concatenate([found.distances for found in every])[order],
        scores=np.concatenate([found.scores for found in every])[order],
        method=every[0].method,
        scanned=float(np.mean([found.scanned for found in every])),
    )
