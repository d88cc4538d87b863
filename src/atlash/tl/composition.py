"""Whether cells that were found have some property more often than cells at large."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.stats import false_discovery_control, hypergeom

from atlash.tl.names import beside

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.reference.cells import CellTable

TAKEN = (
    "of", "hits", "background", "share", "background_share", "enrichment", "p_value", "q_value",
)  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """Cells that were found together.

    Attributes
    ----------
    name
        What they were found for; ``None`` if there is one sample only.
    rows
        Their positions, each once, ascending ``(n,)``.
    """

    name: Any
    rows: NDArray[np.int64]


def composition(
    cells: CellTable,
    columns: list[str],
    samples: list[Sample],
    *,
    background: NDArray[np.int64] | None,
) -> pd.DataFrame:
    """Compare samples with the cells that they were drawn from.

    Parameters
    ----------
    cells
        The reference's cells.
    columns
        What to compare: combinations of these columns.
    samples
        The cells found.
    background
        Positions of the cells that could be found, ascending; ``None`` for all.

    Returns
    -------
    See :meth:`atlash.tl.Hits.composition`.
    """
    known = _counts(cells, columns, background)
    n_known = int(known.sum())
    tables = []
    for sample in samples:
        table = cells.take(sample.rows, columns)
        found = _count(table, columns).reindex(known.index, fill_value=0)
        frame = pd.DataFrame({"hits": found, "background": known})
        n_found = len(sample.rows)
        frame["share"] = found / max(n_found, 1)
        frame["background_share"] = known / max(n_known, 1)
        frame["enrichment"] = frame["share"] / frame["background_share"]
        frame["p_value"] = hypergeom.sf(found - 1, n_known, known, n_found)
        frame = frame.reset_index(names=beside(columns, TAKEN))
        if sample.name is not None:
            frame.insert(0, "of", sample.name)
        tables.append(frame)
    whole = pd.concat(tables, ignore_index=True)
    whole["q_value"] = false_discovery_control(whole["p_value"]) if len(whole) else []
    return whole.sort_values("enrichment", ascending=False, kind="stable", ignore_index=True)


def _counts(
    cells: CellTable, columns: list[str], background: NDArray[np.int64] | None
) -> pd.Series[int]:
    """Count the combinations among all cells, or those at given positions, chunk by chunk."""
    total: pd.Series[int] | None = None
    start = 0
    for batch in cells.batches(columns):
        table = pa.Table.from_batches([batch])
        if background is not None:
            first, last = np.searchsorted(background, [start, start + batch.num_rows])
            table = table.take(pa.array(background[first:last] - start))
        start += batch.num_rows
        part = _count(table, columns)
        total = part if total is None else total.add(part, fill_value=0).astype(np.int64)
    if total is None:
        return _count(cells.take(np.empty(0, dtype=np.int64), columns), columns)
    return total


def _count(table: pa.Table, columns: list[str]) -> pd.Series[int]:
    """Return the number of rows of each combination; missing values are one of their own."""
    keys = [str(place) for place in range(len(columns))]  # a column may be called `count_all`
    plain = {key: _plain(table[name]) for key, name in zip(keys, columns, strict=True)}
    counted = pa.table(plain).group_by(keys).aggregate([([], "count_all")]).to_pandas()
    counts: pd.Series[int] = counted.set_index(keys)["count_all"].sort_index()
    return counts


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return values that pandas takes for an index: no dictionaries, and no halves."""
    if pa.types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    return column.cast(pa.float32()) if pa.types.is_float16(column.type) else column
