"""A reference as a folder: saved whole or not at all, and checked when it is loaded.

::

    pbmc.atlash/
      manifest.json                    what belongs to the reference, with sizes and sums
      encoder.<hash8>.safetensors      named arrays
      genes.<hash8>.parquet
      anchors.<hash8>.parquet
      mined.<hash8>.parquet            only if hard cells were mined
      cells.<hash8>.lance/             one row a cell

A save fills a private folder first. A new reference appears by renaming that folder. To
overwrite one, the new files move in beside the old ones (two of one name have one content), and
then the manifest is replaced: before that instant the old reference is read, after it the new
one. What is no longer listed is removed last; what a killed save leaves behind, the next one
removes. Of several savers at once, the last to finish wins.

Every save writes the cells as a Lance dataset of their own: a further version of the old one
would need the old one's metadata, and a damaged reference could never be overwritten. It drops
the versions of what it replaces, whose codes are those of another encoder.

A saved reference grows by :func:`atlash.reference.growth.commit`::

    pbmc.atlash/
      manifest.json                    the newest version, here 3
      versions/manifest.1.json         what it was before
      versions/manifest.2.json
      cells.<hash8>.lance/             cells of all versions: files come, none changes

A commit adds files: fragments of new cells, marks on those that leave, arrays and tables under
new names. Then it keeps the manifest under its number and replaces it, in that order, holding
the folder's lock. Cells are committed in Lance as *detached* versions, which are seen by none
but who knows their number, and the manifest alone names it: a killed commit leaves files that
nothing leads to, and the next one removes them. Nothing that is there is read, written or
summed again, so that a commit takes as long as what it adds; beyond 32 small fragments at the
end, these are made one. Readers hold no lock and keep the version that they opened.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atlash.data.write import check_folder
from atlash.errors import OutputError, ReferenceFileError
from atlash.reference.arrays import from_safetensors, to_safetensors
from atlash.reference.cells import CellTable
from atlash.reference.disk import reporting
from atlash.reference.folder import staging, sync
from atlash.reference.integrity import check_files
from atlash.reference.manifest import (
    MANIFEST,
    CellsEntry,
    Commit,
    Manifest,
    check_meta,
    parse_manifest,
    read_manifest_bytes,
)
from atlash.reference.parts import from_parquet, load_part, put, put_cells, to_parquet
from atlash.reference.swap import move_in, now, put_manifest
from atlash.reference.versions import read_manifest

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Stored:
    """Content of a saved reference.

    Parameters
    ----------
    meta
        Facts as JSON.
    arrays
        Weights and calibration, by name.
    genes, anchors
        Tables with one row a gene and one row an anchor.
    cells
        Handle on the cells, which are read when asked for.
    version
        Number of the version that was read.
    mined
        Table of hard and suspicious cells; ``None`` where none was saved.
    """

    meta: dict[str, Any]
    arrays: dict[str, NDArray[Any]]
    genes: pd.DataFrame
    anchors: pd.DataFrame
    cells: CellTable
    version: int = 1
    mined: pd.DataFrame | None = None


def write(
    path: str | os.PathLike[str],
    *,
    meta: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    genes: pd.DataFrame,
    anchors: pd.DataFrame,
    cells: pa.Table | pa.RecordBatchReader | CellTable,
    mined: pd.DataFrame | None = None,
    overwrite: bool = False,
) -> CellTable:
    """Save a reference; killed at any moment, it leaves the old one or the new one.

    Parameters
    ----------
    path
        Folder to make, such as ``"pbmc.atlash"``; the folder above it must exist.
    meta
        Facts that JSON gives back unchanged.
    arrays
        Boolean, integer and floating arrays, by name.
    genes, anchors
        Tables that parquet takes.
    cells
        One row a cell, in memory, as a stream, or of a reference on disk (which may be the
        one that is overwritten).
    mined
        Table of hard and suspicious cells, if there is one.
    overwrite
        Whether to replace a reference that is there.

    Returns
    -------
    Handle on the saved cells. After an overwrite, older handles do not work any more.

    Raises
    ------
    OutputError
        If there is something at ``path`` that may not be replaced, or the disk does not take
        the files, or the meta data or tables cannot be stored. What was there is unchanged.
    TypeError
        If an array has another dtype.
    """
    target = Path(path)
    check_meta(meta)
    with reporting(target):
        replacing = check_target(target, overwrite=overwrite)
        parent, prefix = (target, ".") if replacing else (target.parent, f".{target.name}.")
        with staging(parent, f"{prefix}saving.") as stage:
            files = {
                "encoder": put(stage, "encoder.{}.safetensors", to_safetensors(arrays)),
                "genes": put(stage, "genes.{}.parquet", to_parquet("genes", genes)),
                "anchors": put(stage, "anchors.{}.parquet", to_parquet("anchors", anchors)),
            }
            if mined is not None:
                files["mined"] = put(stage, "mined.{}.parquet", to_parquet("mined cells", mined))
            saved, parts = put_cells(stage, cells)
            entry = CellsEntry(path=saved.folder.name, version=saved.version, rows=saved.n_rows)
            commit = Commit(date=now())
            manifest = Manifest(dict(meta), files=files | parts, cells=entry, commit=commit)
            if replacing:
                move_in(stage, target, manifest)
            else:
                put_manifest(stage, manifest)
                sync(stage)
                stage.rename(target)
                sync(target.parent)
    return replace(saved, folder=target / saved.folder.name)


def read(
    path: str | os.PathLike[str], *, verify: bool = True, version: int | None = None
) -> Stored:
    """Load a reference; the cells stay on disk.

    Parameters
    ----------
    path
        The saved folder.
    verify
        Whether to compare the sum of every file, which reads all of them once, or presence
        and size alone.
    version
        Number of an older version, see :func:`atlash.reference.versions.versions`; ``None``
        stands for the newest.

    Raises
    ------
    ReferenceFileError
        If there is no reference, a newer atlash wrote it, or a file is missing, damaged or
        another's; the message names the file.
    KeyNotFoundError
        If there is no such version.
    """
    folder = Path(path)
    while True:
        raw = read_manifest_bytes(folder)
        try:
            return _load(folder, read_manifest(folder, version), verify=verify)
        except ReferenceFileError:
            if read_manifest_bytes(folder) == raw:
                raise  # otherwise it was overwritten while we read: read the new one


def _load(folder: Path, manifest: Manifest, *, verify: bool) -> Stored:
    check_files(folder, manifest, sums=verify)

    def part(name: str, decode: Callable[[bytes], Any]) -> Any:  # noqa: ANN401 (decode decides)
        return load_part(folder / manifest.files[name].path, decode)

    return Stored(
        meta=manifest.meta,
        arrays=part("encoder", from_safetensors),
        genes=part("genes", from_parquet),
        anchors=part("anchors", from_parquet),
        cells=CellTable(folder / manifest.cells.path, manifest.cells.version, manifest.cells.rows),
        version=manifest.commit.number,
        mined=part("mined", from_parquet) if "mined" in manifest.files else None,
    )


def check_target(target: Path, *, overwrite: bool) -> bool:
    """Tell whether a reference is there to replace.

    Raises
    ------
    OutputError
        If something is there that may not be replaced, or there is no folder to save in, or one
        that cannot be written.
    """
    if not target.exists() and not target.is_symlink():
        if target.parent.is_dir():
            check_folder(target)
            return False
        msg = f"'{target.parent}' is no folder; make it first, or save to another place."
        raise OutputError(msg)
    try:
        parse_manifest(read_manifest_bytes(target), target)
    except ReferenceFileError as error:
        msg = (
            f"'{target}' exists and is not a reference that this atlash can replace: {error} "
            "To save here, remove it yourself; otherwise choose another path."
        )
        raise OutputError(msg) from error
    if not overwrite:
        msg = f"'{target}' exists. Choose another path, or replace it with `overwrite=True`."
        raise OutputError(msg)
    check_folder(target / MANIFEST)
    return True
