"""Where the benchmarks read and write."""

from __future__ import annotations

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
CACHE = CHECKOUT / "benchmarks" / ".cache"
RESULTS = CHECKOUT / "benchmarks" / "results"


def data_root() -> Path:
    """Folder with the shared annotated data sets, from ``ATLASH_DATA`` or beside the checkout.

    Raises
    ------
    SystemExit
        The folder does not exist.
    """
    root = Path(os.environ.get("ATLASH_DATA", CHECKOUT.parent / "shared" / "data"))
    if not root.is_dir():
        msg = (
            f"The benchmarks need the shared data sets, and {root} is not a folder. Set "
            "ATLASH_DATA to the folder that holds pbmc_cross.h5ad and the others."
        )
        raise SystemExit(msg)
    return root


def cache_folder(name: str) -> Path:
    """Return a folder under the git-ignored cache, created where missing."""
    folder = CACHE / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
