"""A folder of files that change together: the manifest names them, and is replaced last.

Files carry the sum of their content in their names, so that new ones lie beside the old until
the manifest is replaced. A process killed at any moment leaves the old state or the new one.
There is no pickle in it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from atlash.data.write import atomic_path, check_folder
from atlash.errors import FileFormatError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MANIFEST = "manifest.json"
FORMAT = "atlash pretrained encoder"
FORMAT_VERSION = 1
SUFFIXES = {"weights": "safetensors", "moments": "safetensors", "vocabulary": "parquet"}
"""Parts of a model, and how their files end; ``moments`` are there while it is learned."""

_OURS = re.compile(
    r"(weights|moments|vocabulary)\.[0-9a-f]{8}\.(safetensors|parquet)"
    r"|\.(weights|moments|vocabulary|manifest)[.\-].*"
)


def commit(folder: Path, parts: Mapping[str, bytes], facts: Mapping[str, Any]) -> None:
    """Write a state of a model in the place of the one before, whole or not at all.

    Parameters
    ----------
    folder
        The model; made if it is not there.
    parts
        Content of each part.
    facts
        What else there is to know, as JSON.

    Raises
    ------
    OutputError
        If it cannot be written. The state before stays.
    """
    with suppress(OSError):  # if it was not for being there, the first file will say why
        folder.mkdir()
    files = {}
    for name, content in parts.items():
        total = hashlib.sha256(content).hexdigest()
        path = f"{name}.{total[:8]}.{SUFFIXES[name]}"
        with atomic_path(folder / path) as temporary:
            temporary.write_bytes(content)
        files[name] = {"path": path, "sha256": total, "bytes": len(content)}
    _sync_names(folder)
    manifest = {"format": FORMAT, "format_version": FORMAT_VERSION, "files": files, **facts}
    manifest["checksum"] = _checksum(manifest)
    with atomic_path(folder / MANIFEST) as temporary:
        temporary.write_text(json.dumps(manifest, indent=1, allow_nan=False), encoding="utf-8")
    _sync_names(folder)
    kept = {entry["path"] for entry in files.values()}
    for item in folder.iterdir():
        if _OURS.fullmatch(item.name) and item.name not in kept:
            with suppress(OSError):
                item.unlink()


def read_facts(folder: Path) -> dict[str, Any]:
    """Return what a manifest says, checked against its own sum.

    Raises
    ------
    FileFormatError
        If there is no model, its manifest is damaged, or of a newer format.
    """
    path = folder / MANIFEST
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        checksum = facts.pop("checksum", None)
        kind, version, files = facts["format"], facts["format_version"], facts["files"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        msg = (
            f"{str(folder)!r} holds no pre-trained encoder: {MANIFEST!r} cannot be read "
            f"({type(error).__name__}). Give the folder that `atlash pretrain --out` wrote."
        )
        raise FileFormatError(msg) from error
    if kind != FORMAT:
        msg = (
            f"{str(folder)!r} holds no pre-trained encoder: the format in {MANIFEST!r} is "
            f"{kind!r}. Give the folder that `atlash pretrain --out` wrote."
        )
        raise FileFormatError(msg)
    # The sum covers every format alike, so that damage is not mistaken for the future.
    if checksum != _checksum(facts):
        msg = f"{str(path)!r} is not what was saved. Take the folder from a copy."
        raise FileFormatError(msg)
    if version != FORMAT_VERSION or not {"weights", "vocabulary"} <= set(files) <= set(SUFFIXES):
        msg = (
            f"{str(folder)!r} is of format {version!r}; this atlash reads format "
            f"{FORMAT_VERSION}. A newer atlash may read it: pip install -U atlash"
        )
        raise FileFormatError(msg)
    return dict(facts)


def read_part(folder: Path, facts: Mapping[str, Any], name: str) -> bytes:
    """Return the content of a part.

    Raises
    ------
    FileFormatError
        If its file is missing or is not what was saved; the message names it.
    """
    entry = facts["files"][name]
    path = folder / str(entry["path"])
    try:
        content = path.read_bytes()
    except OSError as error:
        msg = f"{str(path)!r} cannot be read: {error.strerror}. Take the folder from a copy."
        raise FileFormatError(msg) from error
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        msg = f"{str(path)!r} is not what was saved. Take the folder from a copy."
        raise FileFormatError(msg)
    return content


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other processes from learning into a folder, which is made if it is not there.

    The system frees it when the process ends, however it ends. On a system without locks nothing
    is held.

    Raises
    ------
    OutputError
        If another process holds it.
    """
    with suppress(OSError):  # if it was not for being there, the first file will say why
        folder.mkdir()
    descriptor = _locked(folder)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _locked(folder: Path) -> int | None:
    """Return what holds the lock of a folder until it is closed, if the system has locks."""
    try:
        import fcntl  # POSIX alone has it

        descriptor = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if not isinstance(error, BlockingIOError):
            return descriptor  # a file system without locks
        os.close(descriptor)
        msg = (
            f"Another process is pre-training into {str(folder)!r}, and is left to do so. Wait "
            "for it, stop it, or choose another name."
        )
        raise OutputError(msg) from error
    return descriptor


def check_new(folder: Path) -> None:
    """Raise unless a new model can be written here: before the work, not after.

    Raises
    ------
    OutputError
        If something is there already, or the folder above cannot be written to.
    """
    check_folder(folder)
    if not folder.exists():
        return
    if folder.is_dir() and not any(folder.iterdir()):
        return
    msg = (
        f"{str(folder)!r} holds something else already, and is left as it is. Choose another name."
    )
    with suppress(OSError, ValueError, KeyError, TypeError):
        if json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["format"] == FORMAT:
            msg = (
                f"{str(folder)!r} holds a pre-trained encoder already, and is left as it is. "
                "Choose another name, or go on with an unfinished encoder by `resume=True` "
                "(`--resume`)."
            )
    raise OutputError(msg)


def _checksum(facts: Mapping[str, Any]) -> str:
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _sync_names(folder: Path) -> None:
    """Have the folder's list of names on the disk, where the system offers that."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
