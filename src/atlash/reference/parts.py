"""The files of a reference, each with the entry that the manifest needs."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from atlash.errors import OutputError, ReferenceFileError
from atlash.reference.cell_writing import write_cells
from atlash.reference.folder import sync
from atlash.reference.integrity import settle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

    from atlash.reference.cells import CellTable
    from atlash.reference.manifest import FileEntry


def put(stage: Path, pattern: str, data: bytes) -> FileEntry:
    """Write a file whose name carries the beginning of its sum."""
    name = pattern.format(hashlib.sha256(data).hexdigest()[:8])
    (stage / name).write_bytes(data)
    return settle(stage, name)


def put_cells(
    stage: Path, cells: pa.Table | pa.RecordBatchReader | CellTable
) -> tuple[CellTable, dict[str, FileEntry]]:
    """Write the cells; return the handle on them, and an entry for each of their files."""
    written = write_cells(cells, stage / "cells")
    folder = written.folder
    inside = sorted(folder.rglob("*"))
    places = [path.relative_to(folder).as_posix() for path in inside if path.is_file()]
    entries = {place: settle(folder, place) for place in places}
    for inner in (folder, *(path for path in inside if path.is_dir())):
        sync(inner)
    digest = hashlib.sha256("".join(entry.sha256 for entry in entries.values()).encode())
    saved = folder.rename(stage / f"cells.{digest.hexdigest()[:8]}.lance")
    listed = {
        f"cells/{place}": replace(entry, path=f"{saved.name}/{place}")
        for place, entry in entries.items()
    }
    return replace(written, folder=saved), listed


def to_parquet(name: str, frame: pd.DataFrame) -> bytes:
    """Return a table as parquet.

    Parameters
    ----------
    name
        What the table is of, for the error.
    frame
        Table whose columns have one type each and names of their own.

    Raises
    ------
    OutputError
        If parquet does not take the table.
    """
    buffer = io.BytesIO()
    try:
        pq.write_table(pa.Table.from_pandas(frame), buffer)
    except (pa.ArrowException, TypeError, ValueError) as error:
        msg = f"The table of {name} cannot be stored: {error}. Give each column one type."
        raise OutputError(msg) from error
    return buffer.getvalue()


def from_parquet(data: bytes) -> pd.DataFrame:
    """Return the table that :func:`to_parquet` was given."""
    frame: pd.DataFrame = pq.read_table(io.BytesIO(data)).to_pandas()
    return frame


def load_part(path: Path, decode: Callable[[bytes], Any]) -> Any:  # noqa: ANN401 (decode decides)
    """Return the decoded content of a file.

    Raises
    ------
    ReferenceFileError
        If it cannot be read or decoded; the message names the file.
    """
    from safetensors import SafetensorError

    try:
        return decode(path.read_bytes())
    except (OSError, ValueError, KeyError, SafetensorError, pa.ArrowException) as error:
        msg = f"'{path}' cannot be read ({error}). Copy or download the reference again."
        raise ReferenceFileError(msg) from error
