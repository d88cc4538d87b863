"""The cells of a saved reference: a Lance dataset, read when asked for."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa

from atlash.errors import AtlashError, KeyNotFoundError, ReferenceFileError, did_you_mean
from atlash.reference.columns import CELL_ID, stored_name
from atlash.reference.dictionaries import to_user, user_schema
from atlash.reference.id_index import fragments_with
from atlash.reference.rows import RowMap, checked_positions
from atlash.reference.scans import (
    LANCE_ERRORS,
    brief,
    filtered_addresses,
    filtered_table,
    positions_of_values,
    taken_rows,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

Part = TypeVar("Part", pa.Table, pa.RecordBatch)

IN_MEMORY = "memory://cells"
"""Place of cells that no disk holds."""


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
        return self.folder == Path(IN_MEMORY)

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
            return _as_asked(to_user(self.dataset.to_table(columns=names)), columns)

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
                yield _as_asked(to_user(batch), columns)

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
            return _as_asked(to_user(filtered_table(self.dataset, predicate, names)), columns)

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
            return _as_asked(to_user(taken_rows(self.dataset, addresses, names)), columns)

    def addresses(self, positions: ArrayLike) -> NDArray[np.uint64]:
        """Return where Lance keeps the cells at some positions, ``(n,)``.

        Raises
        ------
        InputError
            If there is no such position.
        """
        return self.rows.addresses(checked_positions(positions, self.n_rows))

    def find(self, ids: Sequence[str], column: str = CELL_ID) -> NDArray[np.int64]:
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
        (stored,) = self._known([column]) or [column]
        with self._reading():
            wanted = pa.array(ids, self.dataset.schema.field(stored).type)
            indexed = stored == CELL_ID and not self.in_memory
            among = fragments_with(self, wanted) if indexed else None
            return positions_of_values(self.dataset, stored, wanted, among=among)

    @cached_property
    def rows(self) -> RowMap:
        """Positions and addresses of the cells."""
        with self._reading():
            return RowMap.of(self.dataset)

    def check_columns(self, columns: Sequence[str]) -> None:
        """Raise :class:`KeyNotFoundError`, with the nearest names, if a column is not there."""
        self._known(columns)

    def _known(self, columns: Sequence[str] | None) -> list[str] | None:
        """Return the names under which columns are stored, by these or by the user's."""
        if columns is None:
            return None
        schema = self.schema
        found = []
        for name in columns:
            stored = stored_name(name, schema)
            if stored is None:
                hint = did_you_mean(name, schema.names)
                msg = f"The cells have no column {name!r}.{hint} They have {schema.names}."
                raise KeyNotFoundError(msg)
            found.append(stored)
        return found

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except LANCE_ERRORS as error:
            if isinstance(error, AtlashError):
                raise
            msg = (
                f"The cells in '{self.folder}' cannot be read ({brief(error)}). If the "
                "reference was saved anew since you loaded it, load it again; if not, the "
                "files are damaged: copy or download it again."
            )
            raise ReferenceFileError(msg) from error


def _as_asked(cells: Part, columns: Sequence[str] | None) -> Part:
    """Return columns under the names that were asked for: the user's, or those stored."""
    if columns is None or cells.schema.names == list(columns):
        return cells
    return cells.rename_columns(list(columns))
