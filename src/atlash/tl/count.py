"""Count the cells of a reference around given ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from atlash.checks import checked_config
from atlash.config import SearchConfig
from atlash.errors import InputError
from atlash.reference.columns import LABEL
from atlash.tl.checks import check_whole
from atlash.tl.names import wanted_columns
from atlash.tl.queries import check_reference, encode_queries
from atlash.tl.search import candidates, check_request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from atlash.data.source import Cells
    from atlash.reference import Reference
    from atlash.reference.cells import CellTable

MAX_GROUPS = 10_000
"""Most groups that are counted apart."""


def count_within(
    adata: Cells,
    reference: Reference,
    radius: int,
    *,
    by: str | Sequence[str] = LABEL,
    where: str | None = None,
    config: SearchConfig | None = None,
) -> pd.DataFrame:
    """Count the cells within a number of bits of each query cell, group by group.

    Parameters
    ----------
    adata
        Query cells: AnnData, or the path of a ``.h5ad`` file or zarr store.
    reference
        From :meth:`atlash.Reference.build` or :meth:`atlash.Reference.load`.
    radius
        Greatest number of bits in which codes differ.
    by
        Columns of the reference's cells; each combination of values is a group, missing values
        are one of their own.
    where
        Condition that cells must meet, in SQL over the reference's columns.
    config
        How the cells are read, and threads; ``None`` stands for ``SearchConfig()``.

    Returns
    -------
    One row a query, one column a group: counts, int64.

    Raises
    ------
    InputError
        If the cells cannot be used, the condition is none or holds for no cell, the radius is
        out of range, or there are more than 10,000 groups.
    KeyNotFoundError
        If a column is not there; the message has the nearest names.
    """
    config = checked_config(config, SearchConfig)
    check_whole("radius", radius, least=0)
    check_request(None, None, config)
    check_reference(reference)
    index = reference.index
    among = candidates(index.cells, where)
    groups, names = _groups(index.cells, wanted_columns(by, "by"))
    if among is not None:
        outside = np.ones(len(groups), dtype=bool)
        outside[among] = False
        groups[outside] = -1
    queries = encode_queries(adata, reference, config)
    counts = index.count_within(queries.asked, radius, groups, n_groups=len(names), config=config)
    return pd.DataFrame(counts, index=queries.obs.index, columns=names)


def _groups(
    cells: CellTable, columns: list[str]
) -> tuple[NDArray[np.int32], pd.Index[str] | pd.MultiIndex]:
    """Return the group of each cell, and the groups' names, sorted."""
    if not columns:
        msg = "`by` names no column; name one, such as 'label'."
        raise InputError(msg)
    table = cells.to_table(columns)
    parts = []
    for name in columns:
        column = table[name].combine_chunks()
        plain = column if not pa.types.is_dictionary(column.type) else column.dictionary_decode()
        parts.append(pc.dictionary_encode(plain, null_encoding="encode"))
    codes = [part.indices.to_numpy() for part in parts]
    combined, found = _factorised(codes)
    if len(found) > MAX_GROUPS:
        msg = (
            f"{', '.join(map(repr, columns))} have {len(found):,} combinations; at most "
            f"{MAX_GROUPS:,} can be counted apart. Name columns with fewer values."
        )
        raise InputError(msg)
    values = [
        part.dictionary.take(pa.array(found[:, place])).to_pylist()
        for place, part in enumerate(parts)
    ]
    named = pd.MultiIndex.from_arrays(values, names=columns)
    order = named.argsort(na_position="last")
    rank = np.empty(len(order), dtype=np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    names = named[order]
    return rank[combined], names if len(columns) > 1 else names.get_level_values(0)


def _factorised(codes: list[NDArray[np.int32]]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the combination of each cell, and the combinations ``(n, n_columns)``."""
    if len(codes) == 1:
        found = np.unique(codes[0])
        return np.searchsorted(found, codes[0]), found[:, None]
    found, combined = np.unique(np.stack(codes, axis=1), axis=0, return_inverse=True)
    return combined.ravel(), found
