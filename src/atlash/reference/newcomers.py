"""New cells in the columns of a reference."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from atlash.data.columns import one_column
from atlash.errors import InputError, KeyNotFoundError, did_you_mean
from atlash.reference.columns import cells_table, user_names
from atlash.reference.ids import unique_ids
from atlash.reference.labels import texts_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from atlash.data.source import CellSource


class UnknownTypesWarning(UserWarning):
    """Cells have labels that the reference has not learned."""


class ColumnsLeftOutWarning(UserWarning):
    """Cells have columns that the reference does not have."""


def newcomers(
    sources: Sequence[CellSource],
    codes: NDArray[np.uint8],
    labels_key: str | None,
    *,
    types: Sequence[str],
    schema: pa.Schema,
) -> pa.Table:
    """Return new cells as a table with the reference's columns.

    Parameters
    ----------
    sources
        The cells.
    codes
        Their packed codes ``(n, n_bytes)``, uint8.
    labels_key
        Column of ``obs`` with their types, blanks around a name left out; ``None`` leaves them
        without a label.
    types
        Types that the reference knows.
    schema
        Columns of the reference's cells. What the new cells lack is missing, what the reference
        does not have is left out.

    Raises
    ------
    KeyNotFoundError
        If there is no such column.
    InputError
        If values of a column are of another type than the reference's.

    Warns
    -----
    UnknownTypesWarning, ColumnsLeftOutWarning, DuplicateCellsWarning
    """
    obs = pd.concat([source.obs for source in sources])
    labels = _labels(obs, labels_key, types)
    table = cells_table(unique_ids(obs.index), codes, labels, obs=obs)
    return fitted(table, schema)


def fitted(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return cells with the columns of a schema that they have, in its types.

    Raises
    ------
    InputError
        If values cannot be turned into the schema's type without loss.

    Warns
    -----
    ColumnsLeftOutWarning
    """
    names = user_names(table.schema)
    extra = [name for name in table.schema.names if name not in schema.names]
    if extra:
        told = [
            repr(name) if names.get(name, name) == name else f"{name!r} (here {names[name]!r})"
            for name in extra
        ]
        msg = f"The reference has no column {', '.join(told)}; left out."
        warnings.warn(msg, ColumnsLeftOutWarning, stacklevel=4)
    columns = {
        field.name: _as_type(table[field.name], field)
        for field in schema
        if field.name in table.schema.names
    }
    return pa.table(columns)


def _labels(obs: pd.DataFrame, key: str | None, types: Sequence[str]) -> NDArray[np.object_]:
    if key is None:
        return np.full(len(obs), None, dtype=object)
    if key not in obs:
        hint = did_you_mean(key, obs.columns)
        msg = f"The cells have no column {key!r} with labels; they have {list(obs.columns)}.{hint}"
        raise KeyNotFoundError(msg)
    labels = texts_of(one_column(obs, key))
    warn_of_unknown(labels, types)
    return labels


def warn_of_unknown(labels: Iterable[str | None], types: Sequence[str]) -> None:
    """Warn of labels that are no types of the reference."""
    known = set(types)
    unknown = sorted({label for label in labels if label is not None and label not in known})
    if unknown:
        msg = (
            f"The reference has not learned {', '.join(map(repr, unknown))}: such cells can be "
            "found, but no cell will be labelled so. `register_type` teaches it a type."
        )
        warnings.warn(msg, UnknownTypesWarning, stacklevel=4)


def _as_type(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    plain = column
    if pa.types.is_dictionary(column.type):
        plain = column.cast(column.type.value_type)
    wanted = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if plain.type == wanted:
        return plain
    if plain.null_count == len(plain):  # text by default, which not every type is made from
        return pa.chunked_array([pa.nulls(len(plain), wanted)])
    try:
        cast = plain.cast(wanted)
        if not pa.types.is_floating(wanted) and not cast.cast(plain.type).equals(plain):
            raise pa.ArrowInvalid
    except pa.ArrowException as error:
        example = next((value for value in plain.to_pylist() if value is not None), None)
        msg = (
            f"The column {field.name!r} holds {plain.type} such as {example!r}, but the "
            f"reference's holds {wanted}. Give it that type, or leave it out."
        )
        raise InputError(msg) from error
    return cast
