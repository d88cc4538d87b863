"""Cells that come to a saved Lance dataset, and cells that leave it.

An edit is committed *detached*: it gets a version of its own, which nothing but its number
leads to, and changes no file that is there. So nothing is seen of an edit until a manifest of
atlash names its number, and nothing has to be undone if its process is killed before.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from atlash.errors import AtlashError, InputError, OutputError
from atlash.reference.cell_writing import STORAGE_VERSION, watched
from atlash.reference.cells import CellTable
from atlash.reference.dictionaries import to_stored
from atlash.reference.scans import LANCE_ERRORS, address_filter, brief, evaluating, planned_filter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

SMALL_ROWS = 100_000
MAX_SMALL = 32
"""When more than so many fragments of fewer than ``SMALL_ROWS`` rows end a dataset, an edit
joins them, so that neither their number nor the work of one edit grows with the dataset."""


def check_editable(folder: Path, version: int) -> None:
    """Raise :class:`OutputError` if Lance cannot change a dataset of this make."""
    if (folder / f"_versions/{version}.manifest").exists():
        msg = (
            f"The cells in '{folder}' were written in a way that cannot grow. Load the reference "
            "and save it with `overwrite=True`; the new files can."
        )
        raise OutputError(msg)


def without_cells(cells: CellTable, which: str | NDArray[np.int64]) -> CellTable:
    """Return a dataset without some of its cells; the files that hold them stay.

    Parameters
    ----------
    cells
        The dataset as it is.
    which
        Predicate in SQL, or positions ``(n,)``. The former is the quicker for very many.

    Returns
    -------
    The dataset as it was given if no cell is concerned.

    Raises
    ------
    InputError
        If it is no predicate, or there is no such position.
    OSError
        If the disk does not take the change.
    """
    import lance

    dataset = cells.dataset
    sql_of = _deletions(cells, which)
    changed, emptied = [], []
    with _writing(), evaluating(dataset, str(which)):
        for fragment in dataset.get_fragments():
            if fragment.fragment_id not in sql_of:
                continue
            left = fragment.delete(sql_of[fragment.fragment_id])
            if left is None:
                emptied.append(fragment.fragment_id)
            elif left.num_deletions != fragment.num_deletions:
                changed.append(left)
    if not changed and not emptied:
        return cells
    return _committed(cells, lance.LanceOperation.Delete(changed, emptied, "atlash"))


def with_cells(cells: CellTable, added: pa.Table | pa.RecordBatchReader | CellTable) -> CellTable:
    """Return a dataset with further cells after those that it has.

    Parameters
    ----------
    cells
        The dataset as it is.
    added
        Cells with no other columns than it has; columns that they lack are filled with nulls.

    Raises
    ------
    InputError
        If there are other columns, or values of another type.
    OSError
        If the disk does not take them.
    """
    import lance

    stream = added.reader() if isinstance(added, CellTable) else added
    stream = stream.to_reader() if isinstance(stream, pa.Table) else stream
    schema = cells.dataset.schema
    _check_columns(stream.schema, schema)
    raised: list[Exception] = []
    batches = watched(_fitted(stream, schema), raised)
    with _writing(raised):
        fragments = _written(cells, pa.RecordBatchReader.from_batches(schema, batches))
    if not fragments:
        return cells
    return _committed(cells, lance.LanceOperation.Append(fragments))


def joined(cells: CellTable) -> CellTable:
    """Return the same cells in the same order, the small fragments at the end made one."""
    import lance

    tail: list[Any] = []
    for fragment in reversed(cells.dataset.get_fragments()):
        if fragment.physical_rows >= SMALL_ROWS:
            break
        tail.insert(0, fragment)
    if len(tail) <= MAX_SMALL:
        return cells
    with _writing():
        stream = cells.dataset.scanner(fragments=tail).to_reader()
        group = lance.LanceOperation.RewriteGroup(
            [fragment.metadata for fragment in tail], _written(cells, stream)
        )
    return _committed(cells, lance.LanceOperation.Rewrite([group], []))


def files_of(cells: CellTable) -> set[str]:
    """Return the places within the dataset of all files that an edited version needs."""
    places = {f"_versions/d{cells.version}.manifest"}
    for fragment in cells.dataset.get_fragments():
        places |= {f"data/{file.path}" for file in fragment.metadata.files}
        if fragment.num_deletions:
            places.add(fragment.deletion_file())
    return places


def _deletions(cells: CellTable, which: str | NDArray[np.int64]) -> dict[int, str]:
    """Return by fragment the predicate, in the SQL of Lance, of the rows that go."""
    if isinstance(which, str):
        sql = planned_filter(cells.dataset, which)
        return {fragment.fragment_id: sql for fragment in cells.dataset.get_fragments()}
    addresses = cells.addresses(which)
    fragments = addresses >> 32
    return {
        int(fragment): address_filter(addresses[fragments == fragment])
        for fragment in set(fragments.tolist())
    }


def _check_columns(added: pa.Schema, schema: pa.Schema) -> None:
    unknown = [name for name in added.names if name not in schema.names]
    if unknown:
        msg = (
            f"The new cells have columns that the reference lacks: {', '.join(map(repr, unknown))}"
            f". Leave them out; the reference has {', '.join(map(repr, schema.names))}."
        )
        raise InputError(msg)


def _fitted(stream: pa.RecordBatchReader, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in to_stored(stream):
        columns = [
            _cast(batch.column(field.name), field)
            if field.name in batch.schema.names
            else pa.nulls(batch.num_rows, field.type)
            for field in schema
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _cast(values: pa.Array, field: pa.Field) -> pa.Array:
    try:
        return values.cast(field.type)
    except pa.ArrowException as error:
        msg = (
            f"Column {field.name!r} of the new cells holds {values.type}, which does not fit the "
            f"{field.type} of the reference ({error}). Convert it, or leave it out."
        )
        raise InputError(msg) from error


def _written(cells: CellTable, stream: pa.RecordBatchReader) -> list[Any]:
    """Write rows into the folder of a dataset, which does not have them before a commit."""
    from lance.fragment import write_fragments

    return list(
        write_fragments(stream, cells.dataset, mode="append", data_storage_version=STORAGE_VERSION)
    )


def _committed(cells: CellTable, operation: Any) -> CellTable:  # noqa: ANN401 (lance is untyped)
    import lance

    with _writing():
        edited = lance.LanceDataset.commit(
            cells.dataset, operation, read_version=cells.version, detached=True
        )
        return CellTable(cells.folder, edited.version, edited.count_rows())


@contextmanager
def _writing(raised: list[Exception] | None = None) -> Iterator[None]:
    """Let errors of Lance be errors of the disk, but those of the caller's stream themselves."""
    try:
        yield
    except LANCE_ERRORS as error:
        if raised:
            raise raised[0] from None
        if isinstance(error, AtlashError):
            raise
        raise OSError(brief(error)) from error
