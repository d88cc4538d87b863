"""Whether the files of a saved reference are those that were saved."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from atlash.errors import ReferenceFileError
from atlash.reference.folder import sync
from atlash.reference.manifest import FileEntry

if TYPE_CHECKING:
    from pathlib import Path

    from atlash.reference.manifest import Manifest


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's content, read piece by piece: 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def settle(folder: Path, place: str) -> FileEntry:
    """Bring a written file to the disk and return what the manifest says of it."""
    path = folder / place
    sync(path)
    return FileEntry(path=place, sha256=sha256_of(path), bytes=path.stat().st_size)


def check_files(folder: Path, manifest: Manifest, *, sums: bool) -> None:
    """Compare every listed file with the manifest; files that it does not list are ignored.

    Parameters
    ----------
    folder
        The reference.
    manifest
        Its manifest.
    sums
        Whether to read all content and compare sums, or presence and sizes alone.

    Raises
    ------
    ReferenceFileError
        If a file is missing, cannot be read, or is not the one that was saved; the message
        names it.
    """
    for entry in manifest.files.values():
        path = folder / entry.path
        try:
            finding = _compare(path, entry, sums=sums)
        except OSError as error:
            finding = f"cannot be read ({error.strerror})"
        if finding:
            msg = (
                f"'{path}' {finding}. The reference is incomplete, damaged or mixed up with "
                "another: copy or download the whole folder again."
            )
            raise ReferenceFileError(msg)


def _compare(path: Path, entry: FileEntry, *, sums: bool) -> str:
    """Return what is wrong with a file, or nothing."""
    if not path.is_file():
        return "is missing"
    size = path.stat().st_size
    if size != entry.bytes:
        return f"has {size:,} bytes, but {entry.bytes:,} were saved"
    if sums and (found := sha256_of(path)) != entry.sha256:
        return f"has other content than was saved (sha256 {found[:8]}…, not {entry.sha256[:8]}…)"
    return ""
