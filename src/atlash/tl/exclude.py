"""Leaving out the cells of a reference that share a value with a query, such as its donor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from atlash.data.columns import one_column, text_of
from atlash.errors import InputError, KeyNotFoundError, did_you_mean
from atlash.reference.columns import own_column, user_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from atlash.reference.cells import CellTable


def check_column_name(exclude: object) -> None:
    """Raise :class:`InputError` unless it is the name of a column, or ``None``."""
    if exclude is not None and not isinstance(exclude, str):
        msg = (
            f"`exclude` is {exclude!r}, but must be the name of one column of both query and "
            "reference, for example 'donor', or None."
        )
        raise InputError(msg)


def shares(
    obs: pd.DataFrame,
    cells: CellTable,
    exclude: str | None,
    *,
    among: NDArray[np.int64] | None,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64] | None]]:
    """Yield queries that may find the same cells, and the positions of these.

    Parameters
    ----------
    obs
        What is known of the queries.
    cells
        The reference's cells.
    exclude
        Column of both: cells with a query's own value are left out; ``None`` leaves out none.
    among
        Ascending positions of the cells that may be found otherwise; ``None`` for all.

    Raises
    ------
    KeyNotFoundError
        If there is no such column.
    """
    if exclude is None:
        yield np.arange(len(obs)), among
        return
    ours, stored = _columns(obs, cells, exclude)
    numbers: dict[str, int] = {}
    theirs = _values_of_cells(cells, stored, numbers)
    n_known = len(numbers)
    codes, values = pd.factorize(one_column(obs, ours))
    own = _numbered(values, numbers)[codes]
    known = (own >= 0) & (own < n_known)
    if not known.all():
        yield np.flatnonzero(~known), among
    every = np.arange(cells.n_rows) if among is None else among
    for value in np.unique(own[known]):
        yield np.flatnonzero(own == value), every[theirs[every] != value]


def _columns(obs: pd.DataFrame, cells: CellTable, name: str) -> tuple[str, str]:
    """Return what a column is called in ``obs``, and what it is stored as among the cells.

    A column of the cells' own obs comes before one that every reference has, such as ``label``.
    """
    stored = own_column(name, cells.schema) or name
    ours = name if name in obs else user_names(cells.schema).get(stored, name)
    if ours not in obs:
        hint = did_you_mean(name, obs.columns)
        msg = f"`exclude` names the column {name!r}, which the query's obs does not have.{hint}"
        raise KeyNotFoundError(msg)
    cells.check_columns([stored])
    return ours, stored


def _values_of_cells(cells: CellTable, name: str, numbers: dict[str, int]) -> NDArray[np.int32]:
    """Return the number of each cell's value ``(n_cells,)``, -1 where it is missing."""
    parts = [np.empty(0, dtype=np.int32)]
    for batch in cells.batches([name]):
        column = batch.column(0)
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        places = column.indices.fill_null(-1).to_numpy()
        parts.append(_numbered(column.dictionary.to_pylist(), numbers)[places])
    return np.concatenate(parts)


def _numbered(values: Iterable[Any], numbers: dict[str, int]) -> NDArray[np.int32]:
    """Return the number of each value's text, new texts getting new ones, and -1 at the end."""
    found = [-1 if pd.isna(v) else numbers.setdefault(text_of(v), len(numbers)) for v in values]
    return np.array([*found, -1], dtype=np.int32)
