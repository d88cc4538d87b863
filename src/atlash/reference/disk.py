"""What to do when the disk does not take a file."""

from __future__ import annotations

import errno
import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from atlash.errors import AtlashError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def reporting(target: Path) -> Iterator[None]:
    """Turn what the system says while ``target`` is saved into an :class:`OutputError`."""
    try:
        yield
    except AtlashError:
        raise
    except OSError as error:
        number = _number(error)
        reason = os.strerror(number) if number else str(error)
        if number in _FULL:
            remedy = "free some space, or save to another disk"
        elif number in _FORBIDDEN:
            remedy = "choose a folder that you may write to, or change its permissions"
        else:
            remedy = "choose another place if this one cannot be mended"
        msg = (
            f"The reference cannot be saved to '{target}': {reason}. What was there before is "
            f"unchanged; {remedy}, and save again."
        )
        raise OutputError(msg) from error


def _number(error: OSError) -> int | None:
    """Return the system's error number, which Lance gives as text alone."""
    if error.errno is not None:
        return error.errno
    named = re.search(r"\(os error (\d+)\)", str(error))
    return int(named[1]) if named else None
