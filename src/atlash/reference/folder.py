"""Writing into folders so that a killed process leaves no trace that matters."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, waiting for it if need be.

    The system frees it when the process ends, however it ends. On a file system without
    locks nothing is held: there, two savers at once are the user's to avoid.
    """
    import fcntl  # POSIX alone has it; importing atlash must work elsewhere too

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def staging(parent: Path, prefix: str) -> Iterator[Path]:
    """Make a private folder beside what it will become, and remove it afterwards.

    Parameters
    ----------
    parent
        Folder to make it in; the final place must be on the same file system.
    prefix
        What its name begins with; stages of the same prefix whose process has died are
        removed first.

    Yields
    ------
    Path of an empty, locked folder. Nothing is removed if it was renamed meanwhile.
    """
    with ExitStack() as stack:
        with locked(parent):  # nobody may take the new stage for a dead one
            for left in parent.iterdir():
                if left.name.startswith(prefix) and not _is_held(left):
                    shutil.rmtree(left, ignore_errors=True)
            stage = parent / (prefix + secrets.token_hex(4))
            stage.mkdir()
            stack.callback(shutil.rmtree, stage, ignore_errors=True)
            stack.enter_context(locked(stage))
        yield stage


def _is_held(folder: Path) -> bool:
    """Tell whether a live process holds the lock of a folder; yes when in doubt."""
    import fcntl

    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
