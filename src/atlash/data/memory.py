"""The matrix of an AnnData object, whatever holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from atlash.data.matrix import CompressedRows, RowMatrix, SlicedRows, SubsetRows, check_dtype
from atlash.errors import InvalidValuesError

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray


def anndata_matrix(adata: AnnData, slot: str, name: str) -> RowMatrix:
    """Give the rows of one matrix of an AnnData.

    Parameters
    ----------
    adata
        In memory, backed, or a view of either.
    slot
        ``"X"``, ``"raw/X"`` or ``"layers/<name>"``; it exists.
    name
        What messages call the matrix.

    Raises
    ------
    InputError
        The values are not real numbers.
    InvalidValuesError
        A masked array has masked entries.
    """
    # Only X and raw of a backed AnnData are on disk; its layers are in memory.
    if adata.isbacked and not slot.startswith("layers/"):
        return _backed_matrix(adata, slot, name)
    return _memory_matrix(_element(adata, slot), name)


def has_x(adata: AnnData) -> bool:
    """Tell whether an AnnData has an ``X``; that of a backed one is looked for in its file."""
    return "X" in _opened(adata) if adata.isbacked else adata.X is not None


def _opened(adata: AnnData) -> Any:  # noqa: ANN401
    """Return the file of a backed AnnData, opened again if it was closed."""
    if not adata.file.is_open:
        adata.file.open()
    return adata.file


def _element(adata: AnnData, slot: str) -> Any:  # noqa: ANN401
    """Return the matrix that a slot of an AnnData holds."""
    if slot == "X":
        return adata.X
    return adata.raw.X if slot == "raw/X" else adata.layers[slot.removeprefix("layers/")]


def _backed_matrix(adata: AnnData, slot: str, name: str) -> RowMatrix:
    """Read from the file of a backed AnnData."""
    from atlash.data.storage import stored_matrix

    stored = stored_matrix(_opened(adata)[slot], name)
    if not adata.is_view:
        return stored
    # AnnData cannot index a backed view again, and gives no public way to its positions.
    rows = np.arange(stored.shape[0])[adata._oidx]
    columns = None if slot == "raw/X" else np.arange(stored.shape[1])[adata._vidx]
    return SubsetRows(stored, rows, columns)


def _memory_matrix(matrix: Any, name: str) -> RowMatrix:  # noqa: ANN401
    """Wrap any matrix that an AnnData may hold."""
    from atlash.data.storage import stored_matrix

    if hasattr(matrix, "group"):
        return stored_matrix(matrix.group, name)
    if np.ma.isMaskedArray(matrix):
        matrix = _unmasked(matrix, name)
    shape, dtype = (int(matrix.shape[0]), int(matrix.shape[1])), matrix.dtype
    check_dtype(dtype, name)
    if hasattr(matrix, "tocsr"):
        rows = matrix.tocsr()
        return CompressedRows(rows.data, rows.indices, rows.indptr, shape=shape, name=name)
    return SlicedRows(lambda rows: matrix[rows], shape=shape, dtype=dtype)


def _unmasked(matrix: np.ma.MaskedArray[Any, Any], name: str) -> NDArray[Any]:
    if np.ma.is_masked(matrix):
        row, column = (int(axis[0]) for axis in np.nonzero(np.ma.getmaskarray(matrix)))
        msg = (
            f"{name} has masked entries, the first in row {row}, column {column}. A value is "
            "needed everywhere: fill them, for example with `adata.X = adata.X.filled(0)`."
        )
        raise InvalidValuesError(msg)
    return np.asarray(matrix)
