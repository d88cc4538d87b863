"""Putting new files in the place of old ones, in one instant, and removing what is left over."""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from atlash.errors import ReferenceFileError
from atlash.reference.folder import locked, sync
from atlash.reference.manifest import MANIFEST, Commit, dump_manifest, read_manifest_bytes
from atlash.reference.versions import FOLDER, kept_manifests, place_of, read_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from atlash.reference.manifest import Manifest

GROWING = ".growing"
"""Folder that a commit works in; if the lock is free and it is there, a writer was killed."""

_OURS = re.compile(
    r"(encoder|genes|anchors|mined|cells)\.[0-9a-f]{8}\.(safetensors|parquet|lance)"
)


def move_in(stage: Path, target: Path, manifest: Manifest) -> None:
    """Let a staged reference take the place of the one in ``target``, and of all its versions."""
    with locked(target):
        try:
            number = read_manifest(target).commit.number + 1
            commit = replace(manifest.commit, number=number, oldest=number)
            put_manifest(stage, replace(manifest, commit=commit))
            _move_files(stage, target)
            (stage / MANIFEST).replace(target / MANIFEST)
            sync(target)
        finally:
            sweep(target)


@contextmanager
def growing(target: Path) -> Iterator[Path]:
    """Hold the lock of a saved reference while it is changed.

    Yields
    ------
    Path of an empty folder within it, for new files. If the change fails, what it has written
    is removed; if its process is killed, the next change does that.
    """
    with locked(target):
        stage = target / GROWING
        if stage.exists():
            sweep(target)
            shutil.rmtree(stage, ignore_errors=True)  # where a damaged version stops the sweep
        done = False
        try:
            stage.mkdir()
            yield stage
            done = True
        finally:
            if done:
                shutil.rmtree(stage, ignore_errors=True)
            else:
                sweep(target)


def next_commit(current: Commit, note: str) -> Commit:
    """Return number, date and note of the version after ``current``."""
    return replace(current, number=current.number + 1, date=now(), note=note)


def now() -> str:
    """Return the time, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def publish(stage: Path, target: Path, manifest: Manifest) -> None:
    """Make a staged manifest the newest version; the one before is kept.

    Parameters
    ----------
    stage
        Folder of :func:`growing`, with the new files that lie beside the manifest.
    target
        The saved reference.
    manifest
        Of the new version; all its files are on the disk.
    """
    older = place_of(manifest.commit.number - 1)
    (target / FOLDER).mkdir(exist_ok=True)
    kept = stage / "older"
    kept.write_bytes(read_manifest_bytes(target))
    sync(kept)
    kept.replace(target / older)
    sync(target / FOLDER)
    put_manifest(stage, manifest)
    _move_files(stage, target)
    (stage / MANIFEST).replace(target / MANIFEST)
    sync(target)


def sweep(target: Path) -> None:
    """Remove files of atlash that no version lists; leave the user's own alone.

    The lock must be held. What cannot be removed stays until the next time. The folder of a
    commit goes last: while it is there, the next writer knows that there is more to remove.
    """
    with suppress(OSError, ReferenceFileError):
        newest = read_manifest(target)
        kept = [*kept_manifests(target, newest), newest]
        listed = {entry.path for manifest in kept for entry in manifest.files.values()}
        listed |= {place_of(manifest.commit.number) for manifest in kept[:-1]}
        parts = {place.split("/")[0] for place in listed}
        for item in target.iterdir():
            if _OURS.fullmatch(item.name) and item.name not in parts:
                _remove(item)
        cells = {manifest.cells.path for manifest in kept}
        inside = [path for name in cells for path in (target / name).rglob("*")]
        for path in [*inside, *(target / FOLDER).glob("manifest.*.json")]:
            if path.is_file() and path.relative_to(target).as_posix() not in listed:
                path.unlink()
        if FOLDER not in parts:
            with suppress(OSError):  # it is not there, or holds what is not ours
                (target / FOLDER).rmdir()
        shutil.rmtree(target / GROWING, ignore_errors=True)


def put_manifest(stage: Path, manifest: Manifest) -> None:
    """Write ``manifest.json`` and wait until it is on the disk."""
    (stage / MANIFEST).write_bytes(dump_manifest(manifest))
    sync(stage / MANIFEST)


def _move_files(stage: Path, target: Path) -> None:
    for item in sorted(stage.iterdir()):
        if item.name != MANIFEST:
            item.replace(target / item.name)
    sync(target)


def _remove(item: Path) -> None:
    if item.is_dir():
        shutil.rmtree(item, ignore_errors=True)
    else:
        item.unlink()
