"""The versions of a saved reference: its manifest, and the manifests that it had before.

``manifest.json`` is the newest version. A commit puts the one that it replaces under
``versions/``; the numbers in the newest say which of these can be opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from atlash.errors import KeyNotFoundError, ReferenceFileError
from atlash.reference.manifest import parse_manifest, read_manifest_bytes

if TYPE_CHECKING:
    import os

    from atlash.reference.manifest import Manifest

FOLDER = "versions"


@dataclass(frozen=True)
class Version:
    """One version of a saved reference.

    Parameters
    ----------
    number
        What :func:`atlash.reference.store.read` opens it by.
    date
        Time of the commit, ISO 8601 in UTC; empty if it was not written down.
    note
        What was done.
    n_cells
        Number of cells.
    """

    number: int
    date: str
    note: str
    n_cells: int


def versions(path: str | os.PathLike[str]) -> list[Version]:
    """Return all versions of a saved reference that can be opened, the oldest first.

    Parameters
    ----------
    path
        The saved folder.

    Raises
    ------
    ReferenceFileError
        If there is no reference, or the manifest of a version is missing or damaged.
    """
    folder = Path(path)
    while True:
        raw = read_manifest_bytes(folder)
        newest = parse_manifest(raw, folder)
        try:
            found = [*kept_manifests(folder, newest), newest]
        except ReferenceFileError:
            if read_manifest_bytes(folder) == raw:
                raise  # otherwise it was overwritten while we read
        else:
            return [_described(manifest) for manifest in found]


def newest_version(path: str | os.PathLike[str]) -> int:
    """Return the number of the newest version of a saved reference.

    Raises
    ------
    ReferenceFileError
        If there is no reference, or its manifest is damaged.
    """
    return read_manifest(Path(path)).commit.number


def read_manifest(folder: Path, number: int | None = None) -> Manifest:
    """Return the manifest of a version, the newest if ``number`` is ``None``.

    Raises
    ------
    KeyNotFoundError
        If there is no such version.
    ReferenceFileError
        If there is no reference, or the manifest is damaged.
    """
    newest = parse_manifest(read_manifest_bytes(folder), folder)
    commit = newest.commit
    if number is None:
        return newest
    given: object = number
    whole = isinstance(given, int | np.integer) and not isinstance(given, bool)
    if not whole or not commit.oldest <= number <= commit.number:
        kept = f"versions {commit.oldest} to {commit.number}"
        if commit.oldest == commit.number:
            kept = f"version {commit.number} alone"
        msg = f"'{folder}' has no version {number!r}; it has {kept}."
        raise KeyNotFoundError(msg)
    return newest if number == commit.number else _older(folder, number)


def kept_manifests(folder: Path, newest: Manifest) -> list[Manifest]:
    """Return the manifests of the versions before the newest, the oldest first.

    Raises
    ------
    ReferenceFileError
        If one of them is missing or damaged.
    """
    return [_older(folder, n) for n in range(newest.commit.oldest, newest.commit.number)]


def place_of(number: int) -> str:
    """Return where the manifest of an older version lies within the folder."""
    return f"{FOLDER}/manifest.{number}.json"


def _older(folder: Path, number: int) -> Manifest:
    place = place_of(number)
    manifest = parse_manifest(read_manifest_bytes(folder, place), folder, place)
    if manifest.commit.number != number:
        msg = (
            f"'{folder / place}' is the manifest of version {manifest.commit.number}: files were "
            "mixed up. Copy or download the reference again."
        )
        raise ReferenceFileError(msg)
    return manifest


def _described(manifest: Manifest) -> Version:
    commit = manifest.commit
    return Version(commit.number, commit.date, commit.note, manifest.cells.rows)
