"""Annotated copies: everything of the input as it was, plus new columns, or no file at all."""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atlash.data.storage import open_group, read_frame
from atlash.errors import OutputError

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
    if not path.parent.is_dir():
        msg = f"{str(path)!r} cannot be written: there is no folder {str(path.parent)!r}. Make it."
        raise OutputError(msg)
    # The suffix stays last: writers look at it.
    temporary = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        yield temporary
        _sync(temporary)
        if path.is_dir() and temporary.is_dir():
            shutil.rmtree(path)
        temporary.replace(path)
    except OutputError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        msg = (
            f"{str(path)!r} cannot be written: {reason}. Choose another place, or make room "
            "and check the permissions; nothing was left behind."
        )
        raise OutputError(msg) from error
    finally:
        _remove(temporary)


def write_annotated_copy(
    source_path: str | Path,
    out_path: str | Path,
    *,
    obs: Mapping[str, Any],
    obsm: Mapping[str, NDArray[Any]],
    uns: Mapping[str, Any],
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
        Categorical.
    obsm
        New or replaced matrices with one row a cell.
    uns
        New or replaced unstructured entries.

    Raises
    ------
    OutputError
        The output is the input, is of another format, or cannot be written. Nothing is left
        behind then.
    FileFormatError
        The input is missing or no AnnData.

    Notes
    -----
    The matrix is copied as bytes and never loaded.
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
    with atomic_path(out) as temporary:
        if source.is_dir():
            shutil.copytree(source, temporary)
        else:
            shutil.copyfile(source, temporary)
        _annotate(temporary, {"obsm": obsm, "uns": uns}, obs)


def _annotate(
    path: Path, entries: Mapping[str, Mapping[str, Any]], obs: Mapping[str, Any]
) -> None:
    """Write columns and entries into an AnnData file in place."""
    from anndata.io import write_elem

    root = _open_for_writing(path)
    try:
        if obs:
            frame = read_frame(root, "obs", path.name)
            for column, values in obs.items():
                frame[column] = values.array if hasattr(values, "array") else values
            write_elem(root, "obs", frame)
        for section, items in entries.items():
            if items and section not in root:
                write_elem(root, section, {})
            for key, value in items.items():
                write_elem(root[section], key, value)
    finally:
        if hasattr(root, "close"):
            root.close()


def _open_for_writing(path: Path) -> Any:  # noqa: ANN401
    if path.is_dir():
        import zarr

        return zarr.open_group(path, mode="r+", use_consolidated=False)
    import h5py

    return h5py.File(path, "r+")


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
