"""Cells as a new Lance dataset, on disk or in memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from atlash.reference.cells import IN_MEMORY, CellTable
from atlash.reference.dictionaries import stored_schema, to_stored
from atlash.reference.scans import LANCE_ERRORS, brief

if TYPE_CHECKING:
    from collections.abc import Iterator

# Every Lance from 1.0 on reads this format; it takes a third less room than 2.0.
STORAGE_VERSION = "2.1"


def searchable(cells: pa.Table | CellTable) -> CellTable:
    """Return a handle on cells, those in memory too, so that all are looked up in one way."""
    if isinstance(cells, CellTable):
        return cells
    import lance

    batches = cells.to_reader()
    stream = pa.RecordBatchReader.from_batches(stored_schema(batches.schema), to_stored(batches))
    dataset = lance.write_dataset(stream, IN_MEMORY, data_storage_version=STORAGE_VERSION)
    held = CellTable(Path(IN_MEMORY), dataset.version, cells.num_rows)
    held.__dict__["dataset"] = dataset  # nothing could open it again by its name
    return held


def write_cells(cells: pa.Table | pa.RecordBatchReader | CellTable, folder: Path) -> CellTable:
    """Write cells as a new Lance dataset.

    Parameters
    ----------
    cells
        Cells in memory, as a stream of batches, or of another reference.
    folder
        Where the dataset goes; must not exist.

    Raises
    ------
    OSError
        If the disk does not take them, or Lance does not take a column.
    """
    import lance

    if isinstance(cells, CellTable):
        cells = cells.reader()
    batches = cells.to_reader() if isinstance(cells, pa.Table) else cells
    raised: list[Exception] = []
    schema = stored_schema(batches.schema)
    stream = pa.RecordBatchReader.from_batches(schema, watched(to_stored(batches), raised))
    try:
        dataset = lance.write_dataset(
            stream,
            str(folder),
            mode="create",
            data_storage_version=STORAGE_VERSION,
            enable_v2_manifest_paths=True,  # growing needs it; the default of Lance 1 is other
        )
    except LANCE_ERRORS as error:
        if raised:
            raise raised[0] from None
        raise OSError(brief(error)) from error
    return CellTable(folder, dataset.version, dataset.count_rows())


def watched(
    batches: Iterator[pa.RecordBatch], raised: list[Exception]
) -> Iterator[pa.RecordBatch]:
    """Yield batches; write down what goes wrong, which Lance turns into a line of text."""
    try:
        yield from batches
    except Exception as error:
        raised.append(error)
        raise
