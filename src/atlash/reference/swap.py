"""Putting a staged reference in the place of another, in one instant."""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from atlash.errors import ReferenceFileError
from atlash.reference.folder import locked, sync
from atlash.reference.manifest import MANIFEST, parse_manifest, read_manifest_bytes

if TYPE_CHECKING:
    from pathlib import Path

_OURS = re.compile(r"(encoder|genes|anchors|cells)\.[0-9a-f]{8}\.(safetensors|parquet|lance)")


def move_in(stage: Path, target: Path) -> None:
    """Let a staged reference take the place of the one in ``target``."""
    with locked(target):
        try:
            for item in sorted(stage.iterdir()):
                if item.name != MANIFEST:
                    item.replace(target / item.name)
            sync(target)
            (stage / MANIFEST).replace(target / MANIFEST)
            sync(target)
        finally:
            _remove_unlisted(target)


def _remove_unlisted(target: Path) -> None:
    """Remove files of atlash that the manifest does not list; leave the user's own alone.

    What cannot be removed stays until the next save.
    """
    with suppress(OSError, ReferenceFileError):
        manifest = parse_manifest(read_manifest_bytes(target), target)
        listed = {entry.path.split("/")[0] for entry in manifest.files.values()}
        for item in target.iterdir():
            if not _OURS.fullmatch(item.name) or item.name in listed:
                continue
            if item.is_dir():
                shutil.rmtree(item, ignore_errors=True)
            else:
                item.unlink()
