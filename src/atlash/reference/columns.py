"""The columns of a reference's cells: id, code, label and all that ``obs`` says.

Lance takes neither every pandas dtype nor every name. What it does not take is stored under a
near name or as text, and the schema remembers both, so that nothing changes unseen.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

CELL_ID = "cell_id"
CODE = "code"
LABEL = "label"

_NAME = b"atlash.name"
_AS_TEXT = b"atlash.as_text"
_UNFIT = re.compile(r"[.`\x00-\x1f\x7f\ud800-\udfff]")
_TAKEN = re.compile(rf"({CELL_ID}|{CODE}|{LABEL}|_row.*|_distance|_score)")


def cells_table(
    ids: Sequence[str] | pd.Index[Any],
    codes: NDArray[np.uint8],
    labels: ArrayLike | pd.Series[Any],
    *,
    obs: pd.DataFrame,
) -> pa.Table:
    """Return cells as a table to store.

    Parameters
    ----------
    ids
        Name of each cell, ``(n,)``.
    codes
        Packed codes ``(n, n_bytes)``, uint8.
    labels
        Label of each cell, ``(n,)``; None, NaN and NA stand for no label.
    obs
        What else is known of each cell, ``n`` rows; its index is not stored.

    Returns
    -------
    Table with the columns ``cell_id`` (string), ``code`` (binary of ``n_bytes``), ``label``
    (dictionary of strings) and one for each column of ``obs``, in order.

    Categories of text become dictionaries (whether they are ordered is lost), other categories
    plain values. Columns that are neither numbers, booleans, text, bytes nor times become text:
    see :func:`text_columns`. Names that Lance does not take, that are taken or that occur twice
    are changed, ``percent.mt`` to ``percent_mt``, ``label`` to ``obs_label``, a second ``age``
    to ``age_2``: see :func:`user_names`.

    Raises
    ------
    ValueError
        If the lengths differ, the codes are not packed, or an id is missing.
    """
    lengths = [len(ids), len(codes), len(pd.Series(labels)), len(obs)]
    if len(set(lengths)) > 1:
        msg = f"Ids, codes, labels and obs differ in length: {lengths}; one of each per cell."
        raise ValueError(msg)
    names = pd.Series(ids, dtype=object)
    if names.isna().any():
        msg = f"Cell {int(names.isna().argmax()):,} has no id; give every cell one."
        raise ValueError(msg)
    columns = [_text(names), _code_column(codes), _text(labels).dictionary_encode()]
    fields = [
        pa.field(name, column.type)
        for name, column in zip((CELL_ID, CODE, LABEL), columns, strict=True)
    ]
    for position, (given, stored) in enumerate(
        zip(obs.columns, _storable(obs.columns), strict=True)
    ):
        column, as_text = _to_arrow(obs.iloc[:, position])
        notes = {_NAME: _encodable(given)} if stored != given else {}
        notes |= {_AS_TEXT: "yes"} if as_text else {}
        columns.append(column)
        fields.append(pa.field(stored, column.type, metadata=notes))
    return pa.table(columns, schema=pa.schema(fields))


def codes_of(cells: pa.Table | pa.RecordBatch) -> NDArray[np.uint8]:
    """Return the codes of stored cells: ``(n, n_bytes)``, uint8."""
    column = cells[CODE]
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    width = column.type.byte_width
    parts = [np.empty((0, width), dtype=np.uint8)]
    for chunk in chunks:
        content = np.frombuffer(chunk.buffers()[1] or b"", dtype=np.uint8)
        parts.append(content.reshape(-1, width)[chunk.offset : chunk.offset + len(chunk)])
    return np.concatenate(parts)


def user_names(schema: pa.Schema) -> dict[str, str]:
    """Return the user's name of each stored ``obs`` column, by the name it is stored under."""
    return {
        field.name: (field.metadata or {}).get(_NAME, field.name.encode()).decode()
        for field in schema
        if field.name not in {CELL_ID, CODE, LABEL}
    }


def stored_name(name: str, schema: pa.Schema) -> str | None:
    """Return the name under which a column is stored, given that or the user's; or ``None``."""
    if name in schema.names:
        return name
    return own_column(name, schema)


def own_column(name: object, schema: pa.Schema) -> str | None:
    """Return the stored name of a column of obs, given the user's or else that; or ``None``."""
    users = user_names(schema)
    own = next((stored for stored, user in users.items() if user == name), None)
    return own or next((stored for stored in users if stored == name), None)


def text_columns(schema: pa.Schema) -> list[str]:
    """Return the stored columns whose entries were turned into text, which cannot be undone."""
    return [field.name for field in schema if _AS_TEXT in (field.metadata or {})]


def _storable(names: Iterable[object]) -> list[str]:
    """Return a name for each column that Lance takes and no other column has."""
    stored: list[str] = []
    for name in names:
        stem = _UNFIT.sub("_", str(name)) or "column"
        stem = f"obs_{stem.lstrip('_')}" if _TAKEN.fullmatch(stem) else stem
        candidate, count = stem, 1
        while candidate in stored:
            count += 1
            candidate = f"{stem}_{count}"
        stored.append(candidate)
    return stored


def _code_column(codes: NDArray[np.uint8]) -> pa.Array:
    if codes.ndim != 2 or codes.dtype != np.uint8 or codes.shape[1] == 0:
        msg = (
            f"Codes of shape {codes.shape} and dtype {codes.dtype} cannot be stored; packed "
            "codes (n, n_bytes) of dtype uint8 are needed."
        )
        raise ValueError(msg)
    content = pa.py_buffer(np.ascontiguousarray(codes))
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(codes.shape[1]), len(codes), [None, content]
    )


def _to_arrow(values: pd.Series[Any]) -> tuple[pa.Array | pa.ChunkedArray, bool]:
    """Return a column in Arrow's terms, and whether it had to be turned into text."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        categories, as_text = _to_arrow(pd.Series(values.cat.categories))
        if isinstance(categories, pa.ChunkedArray):
            categories = categories.combine_chunks()
        codes = values.cat.codes.to_numpy()
        places = pa.array(codes.astype(np.int32), mask=codes < 0)
        column = pa.DictionaryArray.from_arrays(places, categories)
        # What repeats is text; numbers and times are plainer, and no larger, as they are.
        if as_text or not _is_text(categories.type):
            column = column.dictionary_decode()
        return column, as_text
    if isinstance(values.dtype, pd.SparseDtype):
        values = pd.Series(np.asarray(values))
    if isinstance(values.dtype, np.dtype):
        native = values.dtype.newbyteorder("=")
        values = pd.Series(values.to_numpy().astype(native, copy=False))
    try:
        column = pa.array(values, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return _text(values), True
    if pa.types.is_null(column.type):
        return column.cast(pa.string()), False
    if not _is_plain(column.type):
        return _text(values), True
    return column, False


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_plain(kind: pa.DataType) -> bool:
    """Tell whether a type can be stored, filtered and shown as it is."""
    checks = (
        pa.types.is_boolean,
        pa.types.is_integer,
        pa.types.is_floating,
        _is_text,
        pa.types.is_binary,
        pa.types.is_timestamp,
        pa.types.is_duration,
        pa.types.is_date,
    )
    return any(check(kind) for check in checks)


def _text(values: ArrayLike | pd.Series[Any]) -> pa.Array | pa.ChunkedArray:
    """Return entries as strings, missing ones as null."""
    return pa.array(
        [None if _is_missing(value) else _encodable(value) for value in pd.Series(values)],
        type=pa.string(),
    )


def _is_missing(value: object) -> bool:
    if value is None or value is pd.NA or value is pd.NaT:
        return True
    return isinstance(value, (float, np.floating)) and bool(np.isnan(value))


def _encodable(value: object) -> str:
    """Return the text of a value, with what UTF-8 cannot say written out."""
    return str(value).encode("utf-8", "backslashreplace").decode()
