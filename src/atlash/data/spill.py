"""Rows of a CSC matrix on disk, through a temporary file sorted into buckets of rows."""

from __future__ import annotations

import os
import tempfile
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from atlash.data.matrix import CompressedArrays, as_float, check_within, take_spans
from atlash.errors import OutputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK = 1 << 20
"""Entries read at a time, and entries in a bucket; handling them takes about 60 bytes each."""


class SpilledRows(CompressedArrays):
    """CSC on disk, read by rows within bounded memory.

    The rows of a CSC matrix lie all over the file. On the first read its entries are copied
    once, in storage order, to a temporary file in which entries of neighbouring rows (a
    bucket) lie together; a bucket is then loaded and sorted when its rows are wanted. The
    temporary file is as large as the matrix uncompressed. It goes when this object does.
    """

    _buckets: _Buckets | None = None

    def block(self, start: int, stop: int) -> sp.csr_array:
        """Return rows ``start:stop``."""
        if self._buckets is None:
            self._buckets = self._spill()
        return self._buckets.rows(start, stop)

    def take(self, rows: NDArray[np.int64]) -> sp.csr_array:
        """Return the given ascending rows."""
        return take_spans(self, rows)

    def _spill(self) -> _Buckets:
        """Copy all entries into buckets: one pass to size them, one to fill them."""
        bounds = self._indptr.astype(np.int64)
        n_entries = int(bounds[-1])
        starts = range(0, n_entries, _BLOCK)
        per_row = np.zeros(self.shape[0], dtype=np.int64)
        for start in starts:
            rows = np.asarray(self._indices[start : start + _BLOCK])
            check_within(rows, self.shape[0], self._name)
            per_row += np.bincount(rows, minlength=self.shape[0])
        value = as_float(np.empty(0, dtype=self.dtype)).dtype
        buckets = _Buckets(per_row, n_columns=self.shape[1], value=value)
        for start in starts:
            stop = min(start + _BLOCK, n_entries)
            entries = np.empty(stop - start, dtype=buckets.entry)
            entries["row"] = self._indices[start:stop]
            n_in_column = np.diff(bounds.clip(start, stop))
            entries["column"] = np.repeat(np.arange(self.shape[1]), n_in_column)
            entries["value"] = as_float(np.asarray(self._data[start:stop]))
            buckets.append(entries)
        buckets.flush()
        return buckets


class _Buckets:
    """A temporary file of matrix entries, those of neighbouring rows side by side."""

    def __init__(
        self, per_row: NDArray[np.int64], *, n_columns: int, value: np.dtype[Any]
    ) -> None:
        self.entry = np.dtype([("row", np.uint32), ("column", np.int32), ("value", value)])
        ends = np.concatenate(([0], np.cumsum(per_row)))
        # A row opens a bucket when the last one is full; a bucket has at least one row.
        opens = np.diff(ends[:-1] // _BLOCK, prepend=-1) > 0
        self._first_row = np.flatnonzero(opens)
        # The smallest integers, as those of 16 bits sort in linear time.
        smallest = np.min_scalar_type(self._first_row.size)
        self._bucket_of_row = (np.cumsum(opens) - 1).astype(smallest)
        self._bounds = np.append(self._first_row, per_row.size)
        self._offset = ends[self._bounds]
        self._cursor = self._offset[:-1].copy()
        self._n_columns = n_columns
        self._held: tuple[int, sp.csr_array] | None = None
        try:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when self goes
        except OSError as error:
            raise self._refusal(error) from error
        weakref.finalize(self, self._file.close)

    def append(self, entries: NDArray[np.void]) -> None:
        """Add entries to the buckets of their rows, in the order given."""
        bucket = self._bucket_of_row[entries["row"]]
        entries = entries[np.argsort(bucket, kind="stable")]
        stops = np.cumsum(np.bincount(bucket, minlength=self._cursor.size))
        for b, part in enumerate(np.split(entries, stops[:-1])):
            self._write(part, at=int(self._cursor[b]))
            self._cursor[b] += part.size

    def _write(self, entries: NDArray[np.void], *, at: int) -> None:
        try:
            self._file.seek(at * self.entry.itemsize)
            self._file.write(entries.tobytes())
        except OSError as error:
            raise self._refusal(error) from error

    def flush(self) -> None:
        """Have all entries in the file, so that a full disk is told here."""
        try:
            self._file.flush()
        except OSError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: OSError) -> OutputError:
        needed = int(self._offset[-1]) * self.entry.itemsize / 1e9
        where = tempfile.tempdir or os.environ.get("TMPDIR", "the system's temporary folder")
        return OutputError(
            f"Reading a CSC matrix by rows needs {needed:.1f} GB of temporary disk space in "
            f"{where!r}, and writing there failed ({error.strerror}). Set TMPDIR to a folder with "
            "more room, or store the matrix as CSR once: `adata.X = adata.X.tocsr()`."
        )

    def rows(self, start: int, stop: int) -> sp.csr_array:
        """Return rows ``start:stop`` with their columns in order."""
        parts = [sp.csr_array((0, self._n_columns), dtype=self.entry["value"])]
        row = start
        while row < stop:
            bucket = int(self._bucket_of_row[row])
            first, end = int(self._bounds[bucket]), min(int(self._bounds[bucket + 1]), stop)
            parts.append(self._bucket(bucket)[row - first : end - first])
            row = end
        return sp.csr_array(sp.vstack(parts, format="csr"))

    def _bucket(self, bucket: int) -> sp.csr_array:
        """Load one bucket; the last one loaded is kept, as chunks come in order."""
        if self._held is None or self._held[0] != bucket:
            self._held = None
            first, last = (int(self._bounds[bucket + k]) for k in (0, 1))
            begin, end = (int(self._offset[bucket + k]) for k in (0, 1))
            self._file.seek(begin * self.entry.itemsize, os.SEEK_SET)
            raw = self._file.read((end - begin) * self.entry.itemsize)
            entries = np.frombuffer(raw, dtype=self.entry)
            where = (entries["row"] - first, entries["column"])
            shape = (last - first, self._n_columns)
            self._held = bucket, sp.coo_array((entries["value"], where), shape=shape).tocsr()
        return self._held[1]
