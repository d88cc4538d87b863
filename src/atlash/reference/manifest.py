"""The manifest of a saved reference: what it holds, and how to tell that it is whole.

``manifest.json`` lists every file with its size and sha256 and is checked by a sum of its
own, so that a damaged byte anywhere is found and the file at fault can be named. Replacing
the manifest is the instant at which a save takes effect.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from atlash.errors import OutputError, ReferenceFileError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MANIFEST = "manifest.json"
FORMAT = "atlash reference"
FORMAT_VERSION = 1
MAX_BYTES = 16 * 2**20
"""Largest manifest that is read; a million cells take about 200 bytes of it."""


@dataclass(frozen=True)
class FileEntry:
    """One file of a reference.

    Parameters
    ----------
    path
        Place within the folder, parts joined by ``/``.
    sha256
        Sum of its content, 64 hex digits.
    bytes
        Its size.
    """

    path: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class CellsEntry:
    """The Lance dataset of the cells.

    Parameters
    ----------
    path
        Its folder within the reference.
    version
        The Lance version that was saved.
    rows
        Number of cells.
    """

    path: str
    version: int
    rows: int


@dataclass(frozen=True)
class Commit:
    """What a committed state of a reference is called.

    Parameters
    ----------
    number
        1 for the first save of a folder; one more with every commit, and never given twice.
    oldest
        The first number that can still be opened.
    date
        Time of the commit, ISO 8601; empty if it was not written down.
    note
        What was done.
    """

    number: int = 1
    oldest: int = 1
    date: str = ""
    note: str = "saved"


@dataclass(frozen=True)
class Manifest:
    """Content of ``manifest.json``.

    Parameters
    ----------
    meta
        The caller's own facts, as JSON.
    files
        Every file, by logical name: ``"encoder"``, ``"genes"``, ``"anchors"`` and
        ``"cells/<path within the dataset>"``.
    cells
        The Lance dataset that the ``"cells/…"`` files make up.
    commit
        Number and note of this state; references saved before there were numbers are 1.
    """

    meta: dict[str, Any]
    files: dict[str, FileEntry]
    cells: CellsEntry
    commit: Commit = Commit()


def check_meta(meta: Mapping[str, Any]) -> None:
    """Raise :class:`OutputError` unless JSON gives ``meta`` back unchanged."""
    try:
        same = json.loads(json.dumps(meta, allow_nan=False)) == meta
    except (TypeError, ValueError, RecursionError) as error:
        msg = f"The meta data of the reference is no JSON: {error}."
        raise OutputError(msg) from error
    if not same:
        msg = (
            "The meta data of the reference would not come back from JSON as it is; use "
            "lists instead of tuples, and strings as keys."
        )
        raise OutputError(msg)


def dump_manifest(manifest: Manifest) -> bytes:
    """Return the text of ``manifest.json``, its own sum included.

    Raises
    ------
    OutputError
        If it would be too large to be read again.
    """
    content = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(manifest)}
    content["checksum"] = _checksum(content)
    raw = (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()
    if len(raw) > MAX_BYTES:
        msg = (
            f"The meta data of the reference and the list of its files take {len(raw):,} bytes; "
            f"at most {MAX_BYTES:,} can be read again. Move what is large into a table."
        )
        raise OutputError(msg)
    return raw


def read_manifest_bytes(folder: Path, place: str = MANIFEST) -> bytes:
    """Return the content of a manifest.

    Parameters
    ----------
    folder
        The reference.
    place
        The manifest within it, that of the newest version if not given.

    Raises
    ------
    ReferenceFileError
        If there is no such folder, it holds no manifest, or the manifest cannot be read.
    """
    path = folder / place
    try:
        _check_place(folder)
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        msg = f"'{path}' cannot be read: {error.strerror}."
        raise ReferenceFileError(msg) from error
    if len(raw) > MAX_BYTES:
        msg = f"'{path}' is larger than {MAX_BYTES:,} bytes: it is no atlash manifest."
        raise ReferenceFileError(msg)
    return raw


def parse_manifest(raw: bytes, folder: Path, place: str = MANIFEST) -> Manifest:
    """Check and read the text of a manifest.

    Parameters
    ----------
    raw
        Content of ``manifest.json``.
    folder, place
        The reference and the manifest within it, named in errors.

    Raises
    ------
    ReferenceFileError
        If the text is damaged, not a manifest of atlash, of a newer format, or names a
        file outside the folder.
    """
    path = folder / place
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ReferenceFileError(_damaged(path, f"it is not JSON ({error})")) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        msg = f"'{path}' is damaged or belongs to something else than an atlash reference."
        raise ReferenceFileError(msg)
    # The sum covers every format version alike, so that damage is not mistaken for the future.
    if content.pop("checksum", None) != _checksum(content):
        raise ReferenceFileError(_damaged(path, "its content does not match its own checksum"))
    _check_version(content.get("format_version"), path)
    try:
        manifest = Manifest(
            meta=dict(content["meta"]),
            files={name: FileEntry(**entry) for name, entry in content["files"].items()},
            cells=CellsEntry(**content["cells"]),
            commit=Commit(**content.get("commit", {})),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ReferenceFileError(
            _damaged(path, f"an entry is missing or odd ({error})")
        ) from error
    _check_entries(manifest, path)
    return manifest


def _check_place(folder: Path) -> None:
    """Say what is wrong with a place that holds no reference."""
    if not folder.exists():
        msg = f"There is no reference at '{folder}': no such folder. Check the path."
        raise ReferenceFileError(msg)
    if not folder.is_dir():
        msg = (
            f"'{folder}' is a file; a saved reference is a folder such as 'pbmc.atlash'. "
            "Build one from an .h5ad with `atlash.Reference.build` and save it."
        )
        raise ReferenceFileError(msg)
    if not (folder / MANIFEST).is_file():
        msg = (
            f"'{folder}' has no {MANIFEST}: it is no atlash reference, or the save or copy "
            "that made it did not finish. Save or copy the reference again."
        )
        raise ReferenceFileError(msg)


def _check_version(version: object, path: Path) -> None:
    if not isinstance(version, int) or version < 1:
        raise ReferenceFileError(_damaged(path, f"its format is {version!r}"))
    if version > FORMAT_VERSION:
        msg = (
            f"'{path.parent}' was written by a newer atlash (format {version}; this one reads up "
            f"to {FORMAT_VERSION}). Update: pip install -U atlash"
        )
        raise ReferenceFileError(msg)


def _check_entries(manifest: Manifest, path: Path) -> None:
    """Refuse entries of the wrong types, missing parts and places outside the folder."""
    for part in ("encoder", "genes", "anchors"):
        if part not in manifest.files:
            raise ReferenceFileError(_damaged(path, f"it lists no {part} file"))
    for name, entry in manifest.files.items():
        if not isinstance(entry.sha256, str) or not isinstance(entry.bytes, int):
            raise ReferenceFileError(_damaged(path, f"the entry of {name!r} is odd"))
    if not isinstance(manifest.cells.version, int) or not isinstance(manifest.cells.rows, int):
        raise ReferenceFileError(_damaged(path, "the entry of the cells is odd"))
    commit = manifest.commit
    numbers, texts = (commit.oldest, commit.number), (commit.date, commit.note)
    if not all(isinstance(number, int) for number in numbers) or not 1 <= numbers[0] <= numbers[1]:
        raise ReferenceFileError(_damaged(path, "the number of its version is odd"))
    if not all(isinstance(text, str) for text in texts):
        raise ReferenceFileError(_damaged(path, "the note of its version is odd"))
    for place in (manifest.cells.path, *(entry.path for entry in manifest.files.values())):
        if not _is_inside(place):
            msg = (
                f"'{path}' names {place!r}, which is not a place inside the reference. Do not "
                "use this reference unless you trust where it comes from."
            )
            raise ReferenceFileError(msg)


def _is_inside(place: object) -> bool:
    """Tell whether a path stays below the folder on every platform."""
    if not isinstance(place, str) or any(sign in place for sign in "\\:\0"):
        return False
    return all(part not in {"", ".", ".."} for part in place.split("/"))


def _checksum(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _damaged(path: Path, finding: str) -> str:
    return f"'{path}' is damaged: {finding}. Copy or download the reference again."
