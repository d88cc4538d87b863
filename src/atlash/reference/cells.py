"""The cells of a saved reference: a Lance dataset, read when asked for."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from atlash.errors import KeyNotFoundError, ReferenceFileError
from atlash.reference.dictionaries import stored_schema, to_stored, to_user, user_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_LANCE_ERRORS = (OSError, RuntimeError, ValueError, pa.ArrowException)

# Every Lance from 1.0 on reads this format; it takes a third less room than 2.0.
_STORAGE_VERSION = "2.1"


@dataclass(frozen=True)
class CellTable:
    """The cells of a reference on disk; nothing is read before it is needed.

    Parameters
    ----------
    folder
        The Lance dataset.
    version
        The Lance version that the reference saved.
    n_rows
        Number of cells.
    """

    folder: Path
    version: int
    n_rows: int

    @cached_property
    def dataset(self) -> Any:  # noqa: ANN401 (lance is imported late, and untyped)
        """The open ``lance.LanceDataset``, for filters and the like.

        It holds the values of dictionary columns plainly.
        """
        import lance

        with self._reading():
            return lance.dataset(str(self.folder), version=self.version)

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns."""
        return user_schema(self.dataset.schema)

    def to_table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return all cells.

        Parameters
        ----------
        columns
            Names of the columns wanted, in order; ``None`` stands for all.

        Raises
        ------
        KeyNotFoundError
            If there is no such column.
        ReferenceFileError
            If the files are damaged, or the reference was overwritten since it was loaded.
        """
        names = self._known(columns)
        with self._reading():
            return to_user(self.dataset.to_table(columns=names))

    def batches(
        self, columns: Sequence[str] | None = None, *, size: int = 65_536
    ) -> Iterator[pa.RecordBatch]:
        """Yield the cells in order, at most ``size`` at a time.

        Parameters
        ----------
        columns
            Names of the columns wanted, in order; ``None`` stands for all.
        size
            Most rows of a batch, at least 1.

        Raises
        ------
        KeyNotFoundError
            If there is no such column.
        ReferenceFileError
            If the files are damaged, or the reference was overwritten since it was loaded.
        """
        names = self._known(columns)
        with self._reading():
            for batch in self.dataset.to_batches(columns=names, batch_size=size):
                yield to_user(batch)

    def reader(self) -> pa.RecordBatchReader:
        """Return all cells as a stream, for example to save them elsewhere."""
        return pa.RecordBatchReader.from_batches(self.schema, self.batches())

    def _known(self, columns: Sequence[str] | None) -> list[str] | None:
        if columns is None:
            return None
        for name in columns:
            if name not in self.schema.names:
                msg = f"The cells have no column {name!r}; they have {self.schema.names}."
                raise KeyNotFoundError(msg)
        return list(columns)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except _LANCE_ERRORS as error:
            if isinstance(error, ReferenceFileError):
                raise
            msg = (
                f"The cells in '{self.folder}' cannot be read ({_brief(error)}). If the "
                "reference was saved anew since you loaded it, load it again; if not, the "
                "files are damaged: copy or download it again."
            )
            raise ReferenceFileError(msg) from error


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
    stream = pa.RecordBatchReader.from_batches(schema, _watched(to_stored(batches), raised))
    try:
        dataset = lance.write_dataset(
            stream, str(folder), mode="create", data_storage_version=_STORAGE_VERSION
        )
    except _LANCE_ERRORS as error:
        if raised:  # Lance has turned the caller's own error into a line of text
            raise raised[0] from None
        raise OSError(_brief(error)) from error
    return CellTable(folder, dataset.version, dataset.count_rows())


def _watched(
    batches: Iterator[pa.RecordBatch], raised: list[Exception]
) -> Iterator[pa.RecordBatch]:
    try:
        yield from batches
    except Exception as error:
        raised.append(error)
        raise


def _brief(error: Exception) -> str:
    """Return what Lance says, without the place in its source code."""
    return str(error).split(", /")[0].strip()
