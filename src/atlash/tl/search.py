"""Find the cells of a reference that are most similar to given ones."""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, NamedTuple, get_args

import numpy as np

from atlash.checks import checked_config
from atlash.config import Ranking, SearchConfig, SearchMethod
from atlash.errors import InputError
from atlash.reference.filters import shortened
from atlash.reference.found import Asked, Found
from atlash.tl.checks import check_reading, check_share, check_whole
from atlash.tl.exclude import check_column_name, shares
from atlash.tl.hits import Hits
from atlash.tl.queries import encode_queries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from atlash.data.source import Cells
    from atlash.reference import Reference
    from atlash.reference.cells import CellTable
    from atlash.reference.search import SearchIndex
    from atlash.tl.queries import Queries

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
        query's own value there are not found for it. Cells without a value may be. Values are
        compared as text, whole numbers without a point: 7, 7.0 and ``"7"`` are the same.
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
    EmptyCellsWarning
        Some cells have no counts; what is near to them says nothing.
    FewerCellsWarning
        Fewer than ``k`` cells may be found for some query.
    """
    config = checked_config(config, SearchConfig)
    check_request(k, radius, config)
    check_column_name(exclude)
    started = time.perf_counter()
    queries = encode_queries(adata, reference, config)
    encoded = time.perf_counter()
    index = reference.index
    among = candidates(index.cells, where)
    wanted = DEFAULT_K if k is None and radius is None else k
    asked_for = _AskedFor(wanted, radius, exclude, config)
    found, background, n_candidates = _searched(index, queries, among, asked_for=asked_for)
    done = time.perf_counter()
    if wanted is not None and wanted > n_candidates:
        beside = "" if exclude is None else f" beside those of a query's own {exclude!r}"
        msg = f"{wanted:,} cells are asked for, but only {n_candidates:,} may be found{beside}."
        warnings.warn(msg, FewerCellsWarning, stacklevel=2)
    return Hits(
        queries=queries.obs.index,
        bounds=found.bounds,
        rows=found.rows,
        distances=found.distances,
        scores=found.scores,
        labels=queries.labels,
        cells=index.cells,
        background=background,
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
    for name, value, least in (("k", k, 1), ("radius", radius, 0)):
        if value is not None:
            check_whole(name, value, least=least)
    check_share("min_shared", config.min_shared)
    check_reading(config.chunk_size, config.n_threads)
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
            f"No cell of the reference meets {shortened(where)}, so that none can be found. "
            f"The columns are {', '.join(map(repr, cells.schema.names))}; texts are compared "
            "with case."
        )
        raise InputError(msg)
    return found


class _AskedFor(NamedTuple):
    """What is wanted for each query; see :func:`search`."""

    k: int | None
    radius: int | None
    exclude: str | None
    config: SearchConfig


def _searched(
    index: SearchIndex,
    queries: Queries,
    among: NDArray[np.int64] | None,
    *,
    asked_for: _AskedFor,
) -> tuple[Found, NDArray[np.int64] | None, int]:
    """Search share by share.

    Returns
    -------
    What was found, the positions of the cells that some query could find (``None`` for all), and
    the least number of cells that could be found for a query.
    """
    parts, n_candidates = [], index.cells.n_rows
    allowed = among
    for rows, allowed in shares(queries.obs, index.cells, asked_for.exclude, among=among):
        parts.append((rows, _look_up(index, _some(queries.asked, rows), allowed, asked_for)))
        n_candidates = min(n_candidates, index.cells.n_rows if allowed is None else len(allowed))
    # what one query must not find another may, unless all leave out the same
    background = allowed if len(parts) == 1 else among
    return _joined(parts, len(queries.obs)), background, n_candidates


def _some(asked: Asked, rows: NDArray[np.int64]) -> Asked:
    return Asked(asked.codes[rows], asked.expected[rows])


def _look_up(
    index: SearchIndex, asked: Asked, among: NDArray[np.int64] | None, asked_for: _AskedFor
) -> Found:
    """Find the k nearest, those within a radius, or the k nearest of these."""
    k, radius, _, config = asked_for
    if k is None:
        return index.within(asked, radius or 0, among=among, config=config)
    return index.nearest(asked, k, among=among, config=config, radius=radius)


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
        scanned=float(np.average([f.scanned for f in every], weights=[len(r) for r, _ in parts])),
    )
