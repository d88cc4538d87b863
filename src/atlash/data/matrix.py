"""Matrices that give their rows a block at a time, in memory or on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import scipy.sparse as sp

from atlash.errors import FileFormatError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

_GAP = 16
"""Rows closer than this are read in one go: skipping them costs more than reading them."""
_SPAN = 256
"""Most wanted rows in one read, so that a read spans at most ``_GAP * _SPAN`` rows."""


class RowMatrix(Protocol):
    """Cells x features, read by rows as CSR of float32 or float64.

    Column indices need not be sorted. Blocks may share memory with the user's matrix, so
    their values must not be changed in place.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values as they are stored."""
        ...

    def block(self, start: int, stop: int) -> sp.csr_array:
        """Return the rows from ``start`` up to ``stop``."""
        ...

    def take(self, rows: NDArray[np.int64]) -> sp.csr_array:
        """Return the given rows; ``rows`` ascend."""
        ...


class CompressedArrays:
    """CSR or CSC whose three arrays lie in memory, HDF5 or zarr; only ``indptr`` is held.

    Parameters
    ----------
    data, indices, indptr
        The arrays.
    shape
        Rows and columns.
    name
        What messages call the matrix.

    Raises
    ------
    FileFormatError
        The arrays contradict each other: here, or when the entries that do are read.
    """

    def __init__(
        self,
        data: Any,  # noqa: ANN401
        indices: Any,  # noqa: ANN401
        indptr: Any,  # noqa: ANN401
        *,
        shape: tuple[int, int],
        name: str = "The matrix",
    ) -> None:
        """See the class; raises :class:`~atlash.errors.FileFormatError` on damaged arrays."""
        self._data = data
        self._indices = indices
        self._indptr = ascending_bounds(indptr, name)
        self._name = name
        self.shape = shape
        self.dtype = np.dtype(data.dtype)


class CompressedRows(CompressedArrays):
    """CSR, of which only the rows asked for are read."""

    def block(self, start: int, stop: int) -> sp.csr_array:
        """Return rows ``start:stop`` by one contiguous read of each array.

        Raises
        ------
        FileFormatError
            Entries are missing, or of columns that there are not.
        """
        first, last = int(self._indptr[start]), int(self._indptr[stop])
        values = as_float(np.asarray(self._data[first:last]))
        columns = np.asarray(self._indices[first:last])
        if not len(values) == len(columns) == last - first:
            what = f"rows {start:,} to {stop:,} have {last - first:,} entries; not all are there"
            raise FileFormatError(damaged(self._name, what))
        check_within(columns, self.shape[1], self._name)
        # Set one by one: scipy's constructor copies what is a part of larger arrays.
        rows = sp.csr_array((stop - start, self.shape[1]), dtype=values.dtype)
        rows.data, rows.indices = values, columns
        rows.indptr = self._indptr[start : stop + 1] - first
        return rows

    def take(self, rows: NDArray[np.int64]) -> sp.csr_array:
        """Return the given ascending rows."""
        if not isinstance(self._data, np.ndarray):
            return take_spans(self, rows)
        starts, stops = self._indptr[rows], self._indptr[rows + 1]
        bounds = np.concatenate(([0], np.cumsum(stops - starts)))
        spans = [slice(*span) for span in zip(starts, stops, strict=True)]
        values, columns = (
            np.concatenate([array[:0], *(array[span] for span in spans)])
            for array in (self._data, self._indices)
        )
        check_within(columns, self.shape[1], self._name)
        parts = as_float(values), columns, bounds
        return sp.csr_array(parts, shape=(rows.size, self.shape[1]))


class SlicedRows:
    """Anything whose rows can be sliced: ndarray, HDF5 or zarr array, dask array.

    Parameters
    ----------
    read
        Gives the rows of a slice, dense or sparse; a lazy result is computed.
    shape
        Rows and columns.
    dtype
        Type of the values as they are stored.
    """

    def __init__(
        self, read: Callable[[slice], Any], *, shape: tuple[int, int], dtype: np.dtype[Any]
    ) -> None:
        self._read = read
        self.shape = shape
        self.dtype = np.dtype(dtype)

    def block(self, start: int, stop: int) -> sp.csr_array:
        """Return rows ``start:stop``."""
        rows = self._read(slice(start, stop))
        if hasattr(rows, "compute"):
            rows = rows.compute()
        if not hasattr(rows, "tocsr"):
            return sp.csr_array(as_float(np.asarray(rows)))
        found = sp.csr_array(rows.tocsr())
        found.data = as_float(found.data)
        return found

    def take(self, rows: NDArray[np.int64]) -> sp.csr_array:
        """Return the given ascending rows."""
        return take_spans(self, rows)


class SubsetRows:
    """Some rows and columns of another matrix, in any order: a view of a backed AnnData."""

    def __init__(
        self,
        matrix: RowMatrix,
        rows: NDArray[np.intp],
        columns: NDArray[np.intp] | None,
    ) -> None:
        self._matrix = matrix
        self._rows = rows
        self._columns = columns
        self.shape = (rows.size, matrix.shape[1] if columns is None else columns.size)
        self.dtype = matrix.dtype

    def block(self, start: int, stop: int) -> sp.csr_array:
        """Return rows ``start:stop`` of the subset."""
        return self.take(np.arange(start, stop))

    def take(self, rows: NDArray[np.int64]) -> sp.csr_array:
        """Return the given rows of the subset."""
        wanted = self._rows[rows]
        order = np.argsort(wanted, kind="stable")
        found = self._matrix.take(wanted[order])[np.argsort(order, kind="stable")]
        return found if self._columns is None else found[:, self._columns]


def take_spans(matrix: RowMatrix, rows: NDArray[np.int64]) -> sp.csr_array:
    """Gather ascending ``rows`` through blocks, reading neighbours in one go."""
    if rows.size == 0:
        return matrix.block(0, 0)
    parts = [matrix.block(int(s[0]), int(s[-1]) + 1)[s - s[0]] for s in _spans(rows)]
    return sp.csr_array(sp.vstack(parts, format="csr"))


def _spans(rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Cut ascending rows into runs without large gaps."""
    for run in np.split(rows, np.flatnonzero(np.diff(rows) > _GAP) + 1):
        for start in range(0, run.size, _SPAN):
            yield run[start : start + _SPAN]


def ascending_bounds(indptr: Any, name: str) -> NDArray[Any]:  # noqa: ANN401
    """Read where the lines of a compressed matrix begin and end, ``(n_lines + 1,)``.

    Raises
    ------
    FileFormatError
        They do not begin at 0 and ascend: entries would be another line's.
    """
    bounds = np.asarray(indptr[:])
    if bounds[0] != 0 or (bounds[1:] < bounds[:-1]).any():
        what = "its `indptr` does not begin at 0 and ascend"
        raise FileFormatError(damaged(name, what))
    return bounds


def check_within(indices: NDArray[np.integer[Any]], length: int, name: str) -> None:
    """Raise `FileFormatError` unless indices are in ``[0, length)``, on which kernels rely."""
    # Without a sign the negative ones are the largest, so one pass checks both ends.
    unsigned = indices.view(indices.dtype.str.replace("i", "u"))
    if unsigned.size and unsigned.max() >= length:
        bad = indices[(indices < 0) | (indices >= length)][0]
        what = f"its `indices` hold {bad:,}, but must be at least 0 and below {length:,}"
        raise FileFormatError(damaged(name, what))


def damaged(name: str, what: str) -> str:
    """Word what is wrong with a matrix, and the remedy."""
    return f"{name} is damaged: {what}. Copy or download the file again, or make the matrix anew."


def as_float(values: NDArray[Any]) -> NDArray[np.floating[Any]]:
    """Return values as float32 where that is exact for the type, else as float64."""
    if values.dtype in (np.float32, np.float64):
        return values
    small = values.dtype.kind == "b" or values.dtype.itemsize <= 2
    return values.astype(np.float32 if small else np.float64)


def check_dtype(dtype: np.dtype[Any], source_name: str) -> None:
    """Raise `InputError` unless values of ``dtype`` are real numbers."""
    if dtype.kind not in "biuf":
        msg = (
            f"{source_name} holds values of type {dtype}, but expression values must be real "
            "numbers (bool, integer or float). Convert it first, for example with "
            "`adata.X = adata.X.astype('float32')`."
        )
        raise InputError(msg)
