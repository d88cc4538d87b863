"""AnnData files (.h5ad and zarr stores), opened without loading their matrix."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from atlash.data.chunks import check_chunks, warn_of_lost_names
from atlash.data.matrix import (
    CompressedRows,
    RowMatrix,
    SlicedRows,
    ascending_bounds,
    damaged,
)
from atlash.data.sniff import HDF5_MAGIC, describe_bytes, describe_group
from atlash.data.spill import SpilledRows
from atlash.errors import FileFormatError

if TYPE_CHECKING:
    import pandas as pd

_CHUNK_CACHE = 64 * 2**20
"""Bytes of HDF5 chunk cache: large chunks are then decompressed once, not once a slice."""


def open_group(path: Path) -> Any:  # noqa: ANN401
    """Open an AnnData file or store for reading.

    Parameters
    ----------
    path
        A ``.h5ad`` file or a zarr folder.

    Returns
    -------
    Its root, an ``h5py.File`` or a ``zarr.Group``.

    Raises
    ------
    FileFormatError
        The path is missing, cannot be read, or holds something else; the message says what
        it looks like and what to do.
    """
    if not os.path.exists(path):  # noqa: PTH110 - that of pathlib raises on names too long
        msg = (
            f"There is no file {str(path)!r}. Check the path; the working folder is {Path.cwd()}."
        )
        raise FileFormatError(msg)
    group = _open_zarr(path) if path.is_dir() else _open_hdf5(path)
    if not {"obs", "var"} <= set(group):
        what, remedy = describe_group(group)
        msg = (
            f"{path.name!r} looks like {what}; an AnnData file with `obs` and `var` is "
            f"needed. To use it, {remedy}."
        )
        raise FileFormatError(msg)
    return group


def _open_hdf5(path: Path) -> Any:  # noqa: ANN401
    import h5py

    try:
        return h5py.File(path, "r", rdcc_nbytes=_CHUNK_CACHE)
    except PermissionError as error:
        msg = f"{str(path)!r} cannot be read: permission denied."
        raise FileFormatError(msg) from error
    except OSError as error:
        what, remedy = describe_bytes(path)
        msg = (
            f"{path.name!r} is not a readable .h5ad file: it looks like {what}. An AnnData "
            f"file (HDF5) or zarr store is needed. To use it, {remedy}."
        )
        if _is_locked(path, error):
            msg = f"{path.name!r} is open for writing elsewhere. Close it there and try again."
        raise FileFormatError(msg) from error


def _is_locked(path: Path, error: OSError) -> bool:
    with path.open("rb") as file:
        return file.read(8) == HDF5_MAGIC and "unable to lock" in str(error)


def _open_zarr(path: Path) -> Any:  # noqa: ANN401
    import zarr

    try:
        return zarr.open_group(path, mode="r")
    except (zarr.errors.GroupNotFoundError, zarr.errors.NodeTypeValidationError) as error:
        names = sorted(child.name for child in path.iterdir())
        inside = ", ".join(map(repr, names[:4])) or "nothing"
        msg = (
            f"The folder {str(path)!r} is not a zarr store: it holds {inside}. An AnnData "
            "zarr store, as `adata.write_zarr(path)` writes it, or a .h5ad file is needed."
        )
        if "manifest.json" in names:
            msg += " It may be a saved reference; the cells and the reference may be swapped."
        raise FileFormatError(msg) from error


def read_frame(group: Any, key: str, name: str) -> pd.DataFrame:  # noqa: ANN401
    """Read ``obs`` or ``var`` of an open file into memory.

    Raises
    ------
    FileFormatError
        The table is damaged or of an anndata format older than 0.7.

    Warns
    -----
    MissingChunksWarning
        A zarr store lacks names of the index.
    """
    import pandas as pd
    from anndata.io import read_elem

    try:
        frame = read_elem(group[key])
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        msg = f"`{key}` of {name} cannot be read ({error}). Copy or download the file again."
        raise FileFormatError(msg) from error
    if not isinstance(frame, pd.DataFrame):
        msg = (
            f"`{key}` of {name} is stored as {type(frame).__name__}, not as a table: an old "
            "anndata wrote it. Read it with `anndata.read_h5ad` and save it again."
        )
        raise FileFormatError(msg)
    warn_of_lost_names(group[key][group[key].attrs["_index"]], key, name)
    return frame


def stored_matrix(element: Any, name: str) -> RowMatrix:  # noqa: ANN401
    """Return the rows of a matrix stored in HDF5 or zarr.

    Parameters
    ----------
    element
        A dense array, or a group with ``data``, ``indices`` and ``indptr``.
    name
        What messages call it.

    Raises
    ------
    FileFormatError
        The element is neither, its parts do not fit together, or some are not there.

    Warns
    -----
    MissingChunksWarning
        A zarr store lacks values, which may be zeros.
    """
    if hasattr(element, "dtype"):
        return _stored_dense(element, name)
    attributes = dict(element.attrs)
    encoding = str(attributes.get("encoding-type", attributes.get("h5sparse_format", "")))
    kind = encoding.removesuffix("_matrix")
    shape = attributes.get("shape", attributes.get("h5sparse_shape"))
    if kind not in ("csr", "csc") or shape is None:
        found = encoding or ", ".join(sorted(element))
        msg = f"{name} is stored as {found!r}; a dense, CSR or CSC matrix is needed."
        raise FileFormatError(msg)
    size = (int(shape[0]), int(shape[1]))
    parts = [_StoredArray(element[part], name) for part in ("data", "indices", "indptr")]
    n_lines = size[0] if kind == "csr" else size[1]
    n_entries = int(parts[2][-1]) if parts[2].shape[0] == n_lines + 1 else -1
    if not n_entries == parts[0].shape[0] == parts[1].shape[0]:
        msg = (
            f"its {kind.upper()} arrays have lengths "
            f"{', '.join(str(part.shape[0]) for part in parts)} (data, indices, indptr), which "
            f"do not fit a matrix of {size[0]:,} x {size[1]:,}"
        )
        raise FileFormatError(damaged(name, msg))
    bounds = ascending_bounds(parts[2], name)
    across = size[1] if kind == "csr" else size[0]
    check_chunks(element, bounds=bounds, across=across, name=name)
    matrix = CompressedRows if kind == "csr" else SpilledRows
    return matrix(parts[0], parts[1], bounds, shape=size, name=name)


def _stored_dense(element: Any, name: str) -> RowMatrix:  # noqa: ANN401
    if len(element.shape) != 2:
        msg = f"{name} has shape {element.shape}; a matrix of cells x genes is needed."
        raise FileFormatError(msg)
    stored = _StoredArray(element, name)
    return SlicedRows(
        lambda rows: stored[rows],
        shape=(int(element.shape[0]), int(element.shape[1])),
        dtype=np.dtype(element.dtype),
    )


class _StoredArray:
    """An array of HDF5 or zarr that says in our words what cannot be read."""

    def __init__(self, array: Any, name: str) -> None:  # noqa: ANN401
        self._array = array
        self._name = name
        self.shape: tuple[int, ...] = array.shape
        self.dtype: np.dtype[Any] = array.dtype

    def __getitem__(self, place: int | slice) -> Any:  # noqa: ANN401
        try:
            return self._array[place]
        except (OSError, EOFError, RuntimeError, ValueError, zlib.error) as error:
            msg = damaged(self._name, f"some of its values cannot be read ({error})")
            raise FileFormatError(msg) from error
