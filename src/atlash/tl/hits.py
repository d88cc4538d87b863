"""What a search found: cells of a reference, cell by cell of the query."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from atlash.errors import InputError
from atlash.reference.columns import CELL_ID, CODE, LABEL, codes_of
from atlash.tl.composition import Sample, composition
from atlash.tl.names import beside, wanted_columns
from atlash.tl.tables import in_pandas, savable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from atlash.reference.cells import CellTable


@dataclass(frozen=True, eq=False, repr=False)
class Hits:
    """Cells of a reference that are near to query cells; from :func:`atlash.tl.search`.

    Attributes
    ----------
    queries
        Names of the query cells ``(n_queries,)``.
    bounds
        Where each query's hits begin and end ``(n_queries + 1,)``, int64.
    rows
        Position of each hit among the reference's cells ``(n_hits,)``, int64, the nearest first.
    distances
        Bits in which the codes differ ``(n_hits,)``, int32.
    scores
        What hits are ranked by ``(n_hits,)``, float32, ascending for each query: see
        ``ranking`` of :class:`atlash.SearchConfig`.
    labels
        Type of the nearest anchor of each query ``(n_queries,)``, whatever its neighbours say,
        or the registered type that takes it; ``None`` for a cell without counts.
    cells
        The reference's cells, from which columns are fetched when asked for.
    background
        Positions of the cells that could be found ``(n,)``, int64; ``None`` for all.
    info
        How the search was done: ranking, method, what share of the cells was compared, seconds.
    """

    queries: pd.Index[Any]
    bounds: NDArray[np.int64]
    rows: NDArray[np.int64]
    distances: NDArray[np.int32]
    scores: NDArray[np.float32]
    labels: NDArray[np.object_]
    cells: CellTable
    background: NDArray[np.int64] | None
    info: dict[str, Any]

    def __repr__(self) -> str:
        """Return one line: queries, hits, how they were found."""
        how = f"{self.info['method']}, ranked by {self.info['ranking']}"
        return f"Hits({len(self):,} queries, {len(self.rows):,} hits; {how})"

    def __len__(self) -> int:
        """Return the number of query cells."""
        return len(self.queries)

    @property
    def query_of_hit(self) -> NDArray[np.int64]:
        """Number of the query cell of each hit ``(n_hits,)``."""
        return np.repeat(np.arange(len(self)), np.diff(self.bounds))

    def to_arrow(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return one row a hit.

        Parameters
        ----------
        columns
            Columns of the reference's cells wanted; ``None`` stands for ``cell_id`` and
            ``label``.

        Returns
        -------
        Table with the columns ``query``, ``rank`` (from 1), ``distance``, ``score``, ``row``,
        then those asked for; one of these names becomes ``obs_rank`` and so on, or
        ``obs_obs_rank`` beside a column that is called ``obs_rank``.

        Raises
        ------
        KeyNotFoundError
            If there is no such column; the message has the nearest names.
        """
        wanted = [CELL_ID, LABEL] if columns is None else wanted_columns(columns, "columns")
        about = self._about(wanted)
        rank = np.arange(len(self.rows)) - np.repeat(self.bounds[:-1], np.diff(self.bounds)) + 1
        found = pa.table(
            {
                "query": pa.array(self.queries.astype(str)).take(pa.array(self.query_of_hit)),
                "rank": rank.astype(np.int32),
                "distance": self.distances,
                "score": self.scores,
                "row": self.rows,
            }
        )
        for name, column in zip(beside(wanted, found.column_names), about.columns, strict=True):
            found = found.append_column(name, column)
        return found

    def to_pandas(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return one row a hit.

        Parameters
        ----------
        columns
            As for :meth:`to_arrow`.

        Returns
        -------
        The same table, as pandas has it; whole numbers and booleans with gaps have the
        nullable dtypes.

        Raises
        ------
        KeyNotFoundError
            If there is no such column; the message has the nearest names.
        """
        return in_pandas(self.to_arrow(columns))

    def composition(
        self, by: str | Sequence[str] = LABEL, *, of: Sequence[Any] | pd.Series[Any] | None = None
    ) -> pd.DataFrame:
        """Compare what was found with what could be found.

        Every cell of the reference counts once, however many queries found it.

        Parameters
        ----------
        by
            Columns of the reference's cells; their combinations are compared.
        of
            Group of each query ``(n_queries,)``, such as its cluster: each group is compared on
            its own, and queries without one are left out. ``None`` takes all queries together.

        Returns
        -------
        One row a group of queries and combination, most enriched first: ``hits`` and
        ``background`` (cells), ``share`` and ``background_share``, ``enrichment`` (their
        ratio), ``p_value`` (at least so many by chance, hypergeometric: Fisher's exact test,
        one-sided) and ``q_value`` (false discovery rate of Benjamini and Hochberg over all
        rows). A column of one of these names becomes ``obs_share`` and so on.

        Raises
        ------
        KeyNotFoundError
            If there is no such column.
        InputError
            If ``of`` does not have one group a query or names no group, or ``by`` names no
            column.
        """
        columns = wanted_columns(by, "by")
        if not columns:
            msg = "`by` names no column; name one, such as 'label'."
            raise InputError(msg)
        given: Any = of
        if given is not None and not isinstance(given, Sized):
            msg = f"`of` is {of!r}, but must have the group of each query, such as its cluster."
            raise InputError(msg)
        if of is not None and len(of) != len(self):
            msg = f"`of` has {len(of):,} entries for {len(self):,} queries; give one of each."
            raise InputError(msg)
        groups = None if of is None else _groups(of)
        if groups is not None and groups.isna().all():
            msg = "`of` has no group for any query; give the name of a group for some."
            raise InputError(msg)
        return composition(self.cells, columns, self._samples(groups), background=self.background)

    def votes(self, by: str = LABEL) -> pd.DataFrame:
        """Let the neighbours vote, and compare their verdict with the nearest anchor's.

        Parameters
        ----------
        by
            Column of the reference's cells to vote on.

        Returns
        -------
        One row a query: ``anchor`` (type of the nearest anchor), ``vote`` (most frequent value
        among the hits; the nearest hit's on a tie), ``share`` of the hits that have it,
        ``n_hits``, and, where ``by`` is ``"label"``, ``agrees`` (nullable boolean). A query
        none of whose hits has a value has no vote, and neither agrees nor disagrees.

        Raises
        ------
        KeyNotFoundError
            If there is no such column.
        """
        found = self._about([by])[by].to_pandas().astype(object)
        votes = pd.DataFrame({"query": self.query_of_hit, "value": found})
        counts = votes.groupby(["query", "value"], sort=False).size().rename("n").reset_index()
        # the first of the most frequent: groups are in order of their nearest hit
        best = counts.loc[counts.groupby("query")["n"].idxmax()].set_index("query")
        every = pd.RangeIndex(len(self))
        n_hits = pd.Series(np.diff(self.bounds), index=every)
        table = pd.DataFrame(
            {
                "anchor": self.labels,
                "vote": best["value"].reindex(every),
                "share": best["n"].reindex(every) / n_hits.where(n_hits > 0),
                "n_hits": n_hits,
            }
        )
        if by == LABEL:
            agrees = (table["anchor"] == table["vote"]).astype("boolean")
            table["agrees"] = agrees.where(table["anchor"].notna() & table["vote"].notna())
        table.index = self.queries
        return table

    def to_adata(self) -> AnnData:
        """Return the cells that were found, each once, in the reference's order.

        Returns
        -------
        AnnData without variables, as a reference keeps no expression. ``obs`` has every column
        of the reference's cells, ``n_hits`` (queries that found the cell) and ``distance``
        (the least), for which columns of these names become ``obs_n_hits`` and
        ``obs_distance``; times are text, as files of anndata do not take them.
        ``obsm["atlash_codes"]`` has the packed codes.
        """
        from anndata import AnnData

        rows, place, n_hits = np.unique(self.rows, return_inverse=True, return_counts=True)
        about = self.cells.take(rows, None)
        obs = savable(about.drop_columns([CODE])).set_index(CELL_ID)
        obs.columns = beside(list(obs.columns), ("n_hits", "distance"))
        nearest = np.full(len(rows), np.iinfo(np.int32).max, dtype=np.int32)
        np.minimum.at(nearest, place, self.distances)
        obs["n_hits"], obs["distance"] = n_hits, nearest
        return AnnData(obs=obs, obsm={"atlash_codes": codes_of(about)})

    def _about(self, columns: list[str]) -> pa.Table:
        """Return columns of the reference's cells, one row a hit; each cell is read once."""
        distinct, place = np.unique(self.rows, return_inverse=True)
        return self.cells.take(distinct, columns).take(pa.array(place))

    def _samples(self, groups: pd.Series[Any] | None) -> list[Sample]:
        if groups is None:
            return [Sample(None, np.unique(self.rows))]
        of_hit = groups.to_numpy()[self.query_of_hit]
        return [
            Sample(name, np.unique(self.rows[of_hit == name]))
            for name in groups.dropna().drop_duplicates()
        ]


def _groups(of: Sequence[Any] | pd.Series[Any]) -> pd.Series[Any]:
    """Return the group of each query, one-dimensional.

    Raises
    ------
    InputError
        If entries are no groups, such as rows of a table.
    """
    listed = None if isinstance(of, Mapping | pd.DataFrame | str) else list(of)
    if listed is None or not all(pd.api.types.is_scalar(group) for group in listed):
        msg = (
            f"`of` is {reprlib.repr(of)} ({type(of).__name__}), but must have one group a query, "
            "such as a column of its obs."
        )
        raise InputError(msg)
    return pd.Series(listed, dtype=object)
