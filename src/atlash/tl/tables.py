"""Tables of Arrow as pandas has them, without a number or a gap lost."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa


def in_pandas(table: pa.Table) -> pd.DataFrame:
    """Return a table as pandas has it; whole numbers and booleans with gaps become nullable.

    pandas by itself makes them floats, which hold no more than 53 bits, and objects.
    """
    frame: pd.DataFrame = table.to_pandas()
    for name, column in zip(table.column_names, table.columns, strict=True):
        if column.null_count and pa.types.is_integer(column.type):
            frame[name] = _nullable(column)
        elif column.null_count and pa.types.is_boolean(column.type):
            frame[name] = frame[name].astype("boolean")
    return frame


def savable(table: pa.Table) -> pd.DataFrame:
    """Return a table as pandas has it, in dtypes that files of anndata take: times are text."""
    frame = in_pandas(table)
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type
        if pa.types.is_temporal(kind):
            frame[name] = frame[name].astype("string").astype(object).where(frame[name].notna())
        elif pa.types.is_string(kind) and 0 < column.null_count == len(column):
            frame[name] = frame[name].astype("category")
    return frame


def _nullable(column: pa.ChunkedArray) -> pd.arrays.IntegerArray:
    """Return whole numbers with gaps in pandas' nullable dtype of the same width."""
    missing = column.is_null().to_numpy()
    values = column.fill_null(0).to_numpy()
    return pd.arrays.IntegerArray(values, missing)
