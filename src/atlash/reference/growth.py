"""Changing a saved reference without writing it anew: every change is a version."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from atlash.errors import ConflictError, InputError
from atlash.reference.arrays import to_safetensors
from atlash.reference.cell_edits import (
    check_editable,
    files_of,
    joined,
    with_cells,
    without_cells,
)
from atlash.reference.cells import CellTable
from atlash.reference.disk import reporting
from atlash.reference.folder import sync
from atlash.reference.integrity import settle
from atlash.reference.manifest import MANIFEST, CellsEntry, check_meta
from atlash.reference.parts import put, to_parquet
from atlash.reference.store import Stored, read
from atlash.reference.swap import growing, next_commit, publish, put_manifest, sweep
from atlash.reference.versions import read_manifest

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from atlash.reference.manifest import FileEntry, Manifest


@dataclass(frozen=True)
class Change:
    """What a commit does; what is ``None`` stays as it is.

    Parameters
    ----------
    append
        Cells that come after those that are there. A column that they lack is filled with
        nulls; other columns than the reference has are refused.
    delete
        Cells that leave, before others come: a predicate in SQL, or positions ``(n,)`` in the
        version that the change is based on.
    meta
        All facts of the new version, as JSON.
    arrays, genes, anchors
        Parts that take the place of the old ones.
    note
        What was done; told from the cells that came and left if it is empty.
    """

    append: pa.Table | pa.RecordBatchReader | CellTable | None = None
    delete: str | NDArray[np.int64] | None = None
    meta: Mapping[str, Any] | None = None
    arrays: Mapping[str, NDArray[Any]] | None = None
    genes: pd.DataFrame | None = None
    anchors: pd.DataFrame | None = None
    note: str = ""


def commit(path: str | os.PathLike[str], change: Change, *, base: int) -> Stored:
    """Add a version to a saved reference; killed at any moment, it adds it whole or not at all.

    Waits while another process changes the reference. Takes time and room in proportion to
    the change.

    Parameters
    ----------
    path
        The saved folder.
    change
        What comes, leaves or is replaced, all in one.
    base
        Number of the version that the change was made for.

    Returns
    -------
    The new version; that of ``base`` if the change changes nothing.

    Raises
    ------
    ConflictError
        If ``base`` is not the newest version any more.
    InputError
        If the cells do not fit the reference, or ``delete`` is no predicate or no position.
    OutputError
        If the disk does not take the files. The reference is unchanged.
    ReferenceFileError
        If there is no reference, or it is damaged.
    """
    target = Path(path)
    if change.meta is not None:
        check_meta(change.meta)
    read_manifest(target)
    with reporting(target), growing(target) as stage:
        current = read_manifest(target)
        _check_base(target, current, base)
        parts = _put_parts(stage, change)
        cells, listed, note = _grown(target, current, change)
        if not parts and change.meta is None and cells.version == current.cells.version:
            return read(target, verify=False, version=base)
        files = _without_cells(current) | listed | parts
        meta = current.meta if change.meta is None else dict(change.meta)
        entry = CellsEntry(cells.folder.name, cells.version, cells.n_rows)
        done = next_commit(current.commit, change.note or note)
        publish(stage, target, replace(current, meta=meta, files=files, cells=entry, commit=done))
    return read(target, verify=False, version=done.number)


def forget(path: str | os.PathLike[str], *, before: int) -> None:
    """Give up the versions before a number, and the room of what only they need.

    Parameters
    ----------
    path
        The saved folder.
    before
        The first version that is kept.

    Raises
    ------
    InputError
        If ``before`` is no number.
    KeyNotFoundError
        If there is no such version.
    OutputError
        If the disk does not take the change.
    ReferenceFileError
        If there is no reference, or it is damaged.
    """
    target = Path(path)
    given: object = before
    if not isinstance(given, int | np.integer):  # without a number the newest would be meant
        msg = f"`before` is {before!r}, but must be the number of the first version to keep."
        raise InputError(msg)
    read_manifest(target, before)
    with reporting(target), growing(target) as stage:
        current = read_manifest(target)
        read_manifest(target, before)
        put_manifest(stage, replace(current, commit=replace(current.commit, oldest=int(before))))
        (stage / MANIFEST).replace(target / MANIFEST)
        sync(target)
        sweep(target)


def _check_base(target: Path, current: Manifest, base: int) -> None:
    found = current.commit
    if found.number == base:
        return
    if base > found.number:
        msg = f"'{target}' has no version {base}; its newest is {found.number}. Load it again."
        raise InputError(msg)
    msg = (
        f"'{target}' is at version {found.number} ({found.note}), but this change was made for "
        f"version {base}: another process was faster. Load the reference again and repeat it."
    )
    raise ConflictError(msg)


def _put_parts(stage: Path, change: Change) -> dict[str, FileEntry]:
    """Write the arrays and tables of a change; return their entries."""
    parts = {}
    if change.arrays is not None:
        data = to_safetensors(change.arrays)
        parts["encoder"] = put(stage, "encoder.{}.safetensors", data)
    for name, frame in (("genes", change.genes), ("anchors", change.anchors)):
        if frame is not None:
            parts[name] = put(stage, name + ".{}.parquet", to_parquet(name, frame))
    return parts


def _grown(
    target: Path, current: Manifest, change: Change
) -> tuple[CellTable, dict[str, FileEntry], str]:
    """Edit the cells; return them, the entries of their files, and what was done."""
    entry = current.cells
    folder = target / entry.path
    cells = before = CellTable(folder, entry.version, entry.rows)
    there = _files_in(folder)
    notes = []
    if change.delete is not None:
        check_editable(folder, entry.version)
        cells = without_cells(cells, change.delete)
        where = f" where {change.delete[:200]}" if isinstance(change.delete, str) else ""
        notes.append(f"removed {before.n_rows - cells.n_rows:,} cells{where}")
    if change.append is not None:
        check_editable(folder, entry.version)
        n_left = cells.n_rows
        cells = joined(with_cells(cells, change.append))
        notes.append(f"added {cells.n_rows - n_left:,} cells")
    if cells.version == before.version:
        return before, _cell_files(current), ", ".join(notes)
    needed = files_of(cells)
    for place in _files_in(folder) - there - needed:
        (folder / place).unlink()
    old = _cell_files(current)
    listed = {
        f"cells/{place}": old.get(f"cells/{place}") or settle(target, f"{entry.path}/{place}")
        for place in sorted(needed)
    }
    for inner in (folder, *(path for path in folder.iterdir() if path.is_dir())):
        sync(inner)
    return cells, listed, ", ".join(notes)


def _files_in(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def _cell_files(manifest: Manifest) -> dict[str, FileEntry]:
    return {name: entry for name, entry in manifest.files.items() if name.startswith("cells/")}


def _without_cells(manifest: Manifest) -> dict[str, FileEntry]:
    cells = _cell_files(manifest)
    return {name: entry for name, entry in manifest.files.items() if name not in cells}
