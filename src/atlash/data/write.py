"""Annotated copies: everything of the input as it was, plus new columns, or no file at all."""

from __future__ import annotations

import os
import shutil
import uuid
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from atlash.data.storage import open_group
from atlash.errors import FileFormatError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary sibling to write; it becomes ``path`` on success, else it goes.

    Parameters
    ----------
    path
        File or folder to write; an existing one is replaced at the very end.

    Yields
    ------
    Path that does not exist yet, in the same folder.

    Raises
    ------
    OutputError
        The folder is missing or cannot be written, or the disk is full.
    """
    path = Path(path).expanduser()
    check_folder(path)
    # The suffix stays last: writers look at it.
    temporary = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        yield temporary
        _sync(temporary)
        if path.is_dir() and temporary.is_dir():
            _exchange(temporary, path)
        else:
            temporary.replace(path)
    except OutputError:
        raise
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        msg = (
            f"{str(path)!r} cannot be written: {reason}. Choose another place, or make room "
            "and check the permissions; nothing was left behind."
        )
        raise OutputError(msg) from error
    finally:
        _remove(temporary)


def _exchange(temporary: Path, path: Path) -> None:
    """Put a folder in the place of another, and remove that.

    Both are whole until the new one is in its place: removing takes its time, and a process that
    is killed meanwhile would leave half of the old one.
    """
    old = path.with_name(f"{temporary.name}.old")
    path.rename(old)
    try:
        temporary.replace(path)
    except OSError:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def check_copy(source_path: str | Path, out_path: str | Path) -> None:
    """Raise unless ``out_path`` can take a copy of ``source_path``: before the work, not after.

    Raises
    ------
    OutputError
        The output is the input, one lies in the other, the output is of another format, a file
        where a folder is needed or the reverse, or a folder that is no zarr store, or its folder
        is missing or cannot be written.
    FileFormatError
        The input is missing or no AnnData.
    """
    source, out = Path(source_path).expanduser(), Path(out_path).expanduser()
    open_group(source)
    if out.exists() and out.samefile(source):
        msg = f"The output {str(out)!r} is the input. Results go to a copy; choose another name."
        raise OutputError(msg)
    wanted = ".zarr" if source.is_dir() else ".h5ad"
    if out.suffix != wanted:
        msg = (
            f"The output {out.name!r} must end in {wanted!r}, as the input {source.name!r} is "
            "that format."
        )
        raise OutputError(msg)
    check_folder(out)
    inside, outside = out.resolve(), source.resolve()
    if outside in inside.parents or inside in outside.parents:
        msg = (
            f"The output {str(out)!r} and the input {str(source)!r} lie one in the other, and one "
            "would be lost. Write the copy to another folder."
        )
        raise OutputError(msg)
    if out.exists() and out.is_dir() != source.is_dir():
        kind, needed = ("folder", "file") if out.is_dir() else ("file", "folder")
        msg = (
            f"The output {str(out)!r} is a {kind} and would be a {needed}; it is left as it is. "
            f"Choose another name, or remove the {kind}."
        )
        raise OutputError(msg)
    if out.is_dir() and not _is_store(out):
        msg = (
            f"The output {str(out)!r} is a folder that is no zarr store, and is left as it is. "
            "Choose another name, or remove the folder."
        )
        raise OutputError(msg)


def _is_store(folder: Path) -> bool:
    """Tell whether a copy may replace a folder: it is a zarr store, or empty."""
    marks = ("zarr.json", ".zgroup", ".zmetadata")
    return any((folder / mark).is_file() for mark in marks) or not any(folder.iterdir())


def write_annotated_copy(
    source_path: str | Path,
    out_path: str | Path,
    *,
    obs: Mapping[str, Any],
    obsm: Mapping[str, NDArray[Any]],
    uns: Mapping[str, Any],
    obsp: Mapping[str, Any] | None = None,
) -> None:
    """Copy an AnnData file and write results into the copy.

    Parameters
    ----------
    source_path
        ``.h5ad`` file or zarr store; left as it is.
    out_path
        Copy to write, of the same format; an existing one is replaced.
    obs
        New or replaced columns, each one value a cell: Series (by position), array or
        Categorical. ``None`` removes a column, if it is there.
    obsm
        New or replaced matrices with one row a cell.
    uns
        New or replaced unstructured entries.
    obsp
        New or replaced sparse matrices of cells by cells; ``None`` for none.

    Raises
    ------
    OutputError
        The output is refused by :func:`check_copy` or cannot be written, or a column has the
        name of the index. Nothing is left behind then.
    FileFormatError
        The input is missing or no AnnData.

    Notes
    -----
    The matrix is copied as bytes and never loaded.
    """
    check_copy(source_path, out_path)
    source, out = Path(source_path).expanduser(), Path(out_path).expanduser()
    with atomic_path(out) as temporary:
        if source.is_dir():
            shutil.copytree(source, temporary)
        else:
            shutil.copyfile(source, temporary)
        _annotate(temporary, {"obsm": obsm, "uns": uns, "obsp": obsp or {}}, obs)


def _annotate(
    path: Path, entries: Mapping[str, Mapping[str, Any]], obs: Mapping[str, Any]
) -> None:
    """Write columns and entries into an AnnData file in place."""
    if path.is_dir():
        _annotate_zarr(path, entries, obs)
        return
    import h5py

    try:
        with h5py.File(path, "r+") as root:
            _write_entries(root, entries, obs)
    except RuntimeError as error:
        # h5py closes a file on a full disk with this, hiding the OSError of the write.
        raise OSError(str(error)) from error


def _annotate_zarr(
    path: Path, entries: Mapping[str, Mapping[str, Any]], obs: Mapping[str, Any]
) -> None:
    """Write into a zarr store, and renew its table of contents."""
    import zarr

    with warnings.catch_warnings():
        # Notices of anndata and zarr to their developers about defaults to come.
        warnings.filterwarnings("ignore", "zarr v3 autosharding")
        warnings.filterwarnings("ignore", "Consolidated metadata")
        root = zarr.open_group(path, mode="r+", use_consolidated=False)
        _write_entries(root, entries, obs)
        zarr.consolidate_metadata(path, zarr_format=root.metadata.zarr_format)


def _write_entries(
    root: Any,  # noqa: ANN401
    entries: Mapping[str, Mapping[str, Any]],
    obs: Mapping[str, Any],
) -> None:
    from anndata.io import write_elem

    _write_columns(root["obs"], obs)
    for section, items in entries.items():
        if items and section not in root:
            write_elem(root, section, {})
        for key, value in items.items():
            write_elem(root[section], key, value)


def _write_columns(table: Any, columns: Mapping[str, Any]) -> None:  # noqa: ANN401
    """Add or replace columns of a stored table; the others are not even read."""
    from anndata.io import read_elem, write_elem

    if "_index" not in table.attrs:
        msg = (
            "The input was written by an old anndata, whose `obs` cannot be extended. Read it "
            "with `anndata.read_h5ad` and save it again."
        )
        raise FileFormatError(msg)
    index = table.attrs["_index"]
    if index in columns:
        msg = (
            f"The result {index!r} would take the place of the names of the cells, as the index "
            "of `obs` is called so. Choose another name for the result, or rename the index: "
            "`adata.obs.index.name = None`."
        )
        raise OutputError(msg)
    n_cells = len(read_elem(table[index]))
    order = [str(column) for column in table.attrs["column-order"]]
    for column, values in columns.items():
        if values is None:
            if column in order:
                del table[column]
                order.remove(column)
            continue
        stored = values.array if hasattr(values, "array") else values
        if len(stored) != n_cells:
            msg = f"Column {column!r} has {len(stored):,} values for {n_cells:,} cells."
            raise ValueError(msg)
        write_elem(table, column, _plain(stored))
        order += [] if column in order else [column]
    table.attrs["column-order"] = order


def _plain(values: Any) -> Any:  # noqa: ANN401
    """Return strings as objects and pandas' wrappers of numpy arrays unwrapped."""
    import pandas as pd

    if isinstance(values, pd.arrays.StringArray):
        return np.asarray(values.fillna(""), dtype=object)
    return np.asarray(values) if isinstance(values, pd.arrays.NumpyExtensionArray) else values


def check_folder(path: Path) -> None:
    """Raise unless a file or folder can be made at ``path``.

    Raises
    ------
    OutputError
        If its folder is missing or cannot be written.
    """
    folder = path.parent
    if not folder.is_dir():
        msg = f"{str(path)!r} cannot be written: there is no folder {str(folder)!r}. Make it."
        raise OutputError(msg)
    if not os.access(folder, os.W_OK | os.X_OK):
        msg = (
            f"{str(path)!r} cannot be written: no permission to write in {str(folder)!r}. "
            "Choose a folder that you may write to."
        )
        raise OutputError(msg)


def _sync(path: Path) -> None:
    """Have the file's bytes on the disk before its name changes."""
    if path.is_file():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _remove(path: Path) -> None:
    """Remove a file or folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
