"""Dictionary columns, which are stored as plain values and come back as dictionaries.

Lance joins the dictionaries of a stream's batches without looking, so that a value occurs in
them several times, and pandas refuses such categories. Plain values compress as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARK = b"atlash.dictionary"


def stored_schema(schema: pa.Schema) -> pa.Schema:
    """Return a schema with plain values in place of dictionaries, each marked."""
    fields = [
        field.with_type(field.type.value_type).with_metadata((field.metadata or {}) | {_MARK: "1"})
        if pa.types.is_dictionary(field.type)
        else field
        for field in schema
    ]
    return pa.schema(fields, schema.metadata)


def user_schema(stored: pa.Schema) -> pa.Schema:
    """Return the schema that cells have when they come back: marked columns as dictionaries."""
    return pa.schema([_restored(field) for field in stored], stored.metadata)


def to_stored(batches: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Yield batches with plain values in place of dictionaries."""
    schema = stored_schema(batches.schema)
    for batch in batches:
        columns = [
            column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
            for column in batch.columns
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def to_user(cells: pa.Table | pa.RecordBatch) -> pa.Table | pa.RecordBatch:
    """Return stored cells with dictionaries where they were; values in order of appearance."""
    columns = [
        column.dictionary_encode() if _is_marked(field) else column
        for field, column in zip(cells.schema, cells.columns, strict=True)
    ]
    return type(cells).from_arrays(columns, schema=user_schema(cells.schema))


def _is_marked(field: pa.Field) -> bool:
    return _MARK in (field.metadata or {})


def _restored(field: pa.Field) -> pa.Field:
    if not _is_marked(field):
        return field
    metadata = {key: value for key, value in field.metadata.items() if key != _MARK}
    return field.with_type(pa.dictionary(pa.int32(), field.type)).with_metadata(metadata)
