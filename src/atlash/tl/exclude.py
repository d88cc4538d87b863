"""Leaving out the cells of a reference that share a value with a query, such as its donor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from atlash.errors import InputError, KeyNotFoundError, did_you_mean

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
    if exclude not in obs:
        hint = did_you_mean(exclude, obs.columns)
        msg = f"`exclude` names the column {exclude!r}, which the query's obs does not have.{hint}"
        raise KeyNotFoundError(msg)
    numbers: dict[str, int] = {}
    theirs = _values_of_cells(cells, exclude, numbers)
    n_known = len(numbers)
    codes, values = pd.factorize(obs[exclude])
    own = _numbered(values, numbers)[codes]
    known = (own >= 0) & (own < n_known)
    if not known.all():
        yield np.flatnonzero(~known), among
    every = np.arange(cells.n_rows) if among is None else among
    for value in np.unique(own[known]):
        yield np.flatnonzero(own == value), every[theirs[every] != value]


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
    found = [-1 if pd.isna(v) else numbers.setdefault(_text(v), len(numbers)) for v in values]
    return np.array([*found, -1], dtype=np.int32)


def _text(value: object) -> str:
    """Return the text of a value, that of a whole number without a point."""
    if isinstance(value, float | np.floating):
        value = float(value)
        value = int(value) if value.is_integer() else value
    return str(value)
