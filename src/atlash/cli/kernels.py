"""A folder for compiled kernels where the usual ones cannot be written, as in containers."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

VARIABLE = "NUMBA_CACHE_DIR"


def provide_cache() -> None:
    """Have numba keep compiled kernels in a folder that goes with this process, if it must.

    numba keeps them beside the sources or in the user's cache, and stops with an error where it
    can write to neither: where atlash was installed by someone else and there is no home.
    """
    if os.environ.get(VARIABLE) or any(map(is_writable, usual_folders())):
        return
    folder = tempfile.mkdtemp(prefix="atlash-kernels-")  # ours alone: what is in it is run
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ[VARIABLE] = folder
    told = (
        "Compiled kernels cannot be kept, so each run compiles them anew, which takes a while. "
        f"Set {VARIABLE} to a folder of your own that can be written."
    )
    Console(stderr=True).print(Text("Note: ", style="bold yellow") + Text(told))


def usual_folders() -> tuple[Path, ...]:
    """Return where numba keeps kernels: beside the sources, and in the user's cache if any."""
    beside = Path(__file__).parent / "__pycache__"
    named = os.environ.get("XDG_CACHE_HOME")
    if named:
        return beside, Path(named)
    try:
        return beside, Path.home() / ".cache"
    except RuntimeError:  # a user without a name, as in containers
        return (beside,)


def is_writable(folder: Path) -> bool:
    """Tell whether a folder can be written, or made."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    effective = os.access in os.supports_effective_ids
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK, effective_ids=effective)
