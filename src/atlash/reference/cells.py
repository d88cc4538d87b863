"""The cells of a saved reference: a Lance dataset, read when asked for."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from atlash.errors import AtlashError, KeyNotFoundError, ReferenceFileError, did_you_mean
from atlash.reference.dictionaries import stored_schema, to_stored, to_user, user_schema
from atlash.reference.rows import RowMap, checked_positions
from atlash.reference.scans import (
    brief,
    filtered_addresses,
    filtered_table,
    positions_of_values,
    taken_rows,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

_LANCE_ERRORS = (OSError, RuntimeError, ValueError, pa.ArrowException)

# Every Lance from 1.0 on reads this format; it takes a third less room than 2.0.
STORAGE_VERSION = "2.1"

_IN_MEMORY = "memory://cells"


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

    @property
    def in_memory(self) -> bool:
        """Whether the cells are held in memory alone."""
        return self.folder == Path(_IN_MEMORY)

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

    def where(self, predicate: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the cells for which a predicate holds, in order.

        Parameters
        ----------
        predicate
            Condition in SQL, such as ``"disease = 'flu' AND n_genes > 500"``; see
            :func:`atlash.reference.filters.filter_sql`. Where it is unknown, because a value is
            missing, it does not hold.
        columns
            Names of the columns wanted, in order; ``None`` stands for all.

        Raises
        ------
        KeyNotFoundError
            If it names a column that is not there.
        InputError
            If it is anything else than a predicate over the columns.
        ReferenceFileError
            If the files are damaged, or the reference was overwritten since it was loaded.
        """
        names = self._known(columns)
        with self._reading():
            return to_user(filtered_table(self.dataset, predicate, names))

    def row_positions(self, predicate: str) -> NDArray[np.int64]:
        """Return the ascending positions of the cells for which a predicate holds.

        Position i is row i of :meth:`to_table`. Arguments and errors are those of
        :meth:`where`.
        """
        with self._reading():
            addresses = filtered_addresses(self.dataset, predicate)
            return np.sort(self.rows.positions(addresses))

    def take(self, positions: ArrayLike, columns: Sequence[str] | None = None) -> pa.Table:
        """Return cells by position, in the order asked for.

        Parameters
        ----------
        positions
            Whole numbers ``(n,)`` from 0 to below :attr:`n_rows`; may repeat.
        columns
            Names of the columns wanted, in order; ``None`` stands for all.

        Raises
        ------
        InputError
            If there is no such position.
        KeyNotFoundError
            If there is no such column.
        ReferenceFileError
            If the files are damaged, or the reference was overwritten since it was loaded.
        """
        names = self._known(columns)
        addresses = self.addresses(positions)
        with self._reading():
            return to_user(taken_rows(self.dataset, addresses, names))

    def addresses(self, positions: ArrayLike) -> NDArray[np.uint64]:
        """Return where Lance keeps the cells at some positions, ``(n,)``.

        Raises
        ------
        InputError
            If there is no such position.
        """
        return self.rows.addresses(checked_positions(positions, self.n_rows))

    def find(self, ids: Sequence[str], column: str = "cell_id") -> NDArray[np.int64]:
        """Return the position of each id ``(n,)``, -1 for those that are not there.

        Parameters
        ----------
        ids
            Names of cells.
        column
            Column to look in.

        Raises
        ------
        KeyNotFoundError
            If there is no such column.
        ReferenceFileError
            If the files are damaged, or the reference was overwritten since it was loaded.
        """
        self._known([column])
        with self._reading():
            return positions_of_values(self.dataset, column, ids)

    @cached_property
    def rows(self) -> RowMap:
        """Positions and addresses of the cells."""
        with self._reading():
            return RowMap.of(self.dataset)

    def check_columns(self, columns: Sequence[str]) -> None:
        """Raise :class:`KeyNotFoundError`, with the nearest names, if a column is not there."""
        self._known(columns)

    def _known(self, columns: Sequence[str] | None) -> list[str] | None:
        if columns is None:
            return None
        for name in columns:
            if name not in self.schema.names:
                hint = did_you_mean(name, self.schema.names)
                msg = f"The cells have no column {name!r}.{hint} They have {self.schema.names}."
                raise KeyNotFoundError(msg)
        return list(columns)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except _LANCE_ERRORS as error:
            if isinstance(error, AtlashError):
                raise
            msg = (
                f"The cells in '{self.folder}' cannot be read ({brief(error)}). If the "
                "reference was saved anew since you loaded it, load it again; if not, the "
                "files are damaged: copy or download it again."
            )
            raise ReferenceFileError(msg) from error


def searchable(cells: pa.Table | CellTable) -> CellTable:
    """Return a handle on cells, those in memory too, so that all are looked up in one way."""
    if isinstance(cells, CellTable):
        return cells
    import lance

    batches = cells.to_reader()
    stream = pa.RecordBatchReader.from_batches(stored_schema(batches.schema), to_stored(batches))
    dataset = lance.write_dataset(stream, _IN_MEMORY, data_storage_version=STORAGE_VERSION)
    held = CellTable(Path(_IN_MEMORY), dataset.version, cells.num_rows)
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
    except _LANCE_ERRORS as error:
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
