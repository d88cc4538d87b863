"""The machine and the versions behind a figure, and the JSON file that keeps both beside it."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.places import RESULTS, cache_folder

PACKAGES = (
    "atlash",
    "numpy",
    "scipy",
    "scikit-learn",
    "torch",
    "scanpy",
    "anndata",
    "numba",
    "igraph",
    "pynndescent",
)


def machine() -> dict[str, Any]:
    """Processor and cores, without names of hosts or people."""
    return {"processor": _processor(), "cores": os.cpu_count(), "system": platform.system()}


def provenance() -> dict[str, Any]:
    """Machine, threads in use, versions of packages and the time of the run in UTC."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "python": platform.python_version(),
        "versions": {name: version_of(name) for name in PACKAGES},
    }


def write_result(name: str, result: dict[str, Any], *, half: str | None = None) -> Path:
    """Write ``benchmarks/results/<name>.json`` atomically, with its provenance on top.

    A run of only one half (``"ours"`` or ``"peers"``) is no comparison: it goes to the cache.
    """
    RESULTS.mkdir(parents=True, exist_ok=True)
    folder = RESULTS if half is None else cache_folder("halves")
    path = folder / (f"{name}.json" if half is None else f"{name}_{half}.json")
    scratch = path.with_suffix(".part")
    text = json.dumps({"provenance": provenance(), **result}, indent=1, allow_nan=False)
    scratch.write_text(text + "\n")
    scratch.replace(path)
    return path


def merge_rows(
    name: str, rows: list[dict[str, Any]], *, keys: tuple[str, ...], sources: set[str]
) -> list[dict[str, Any]]:
    """Return the rows of ``benchmarks/results/<name>.json`` with new ones in their places.

    Parameters
    ----------
    name
        Of the result.
    rows
        New rows; earlier ones that agree with one of them in all keys give way.
    keys
        What tells rows apart.
    sources
        Digests of what is measured; earlier rows whose ``source`` is none of them are left out.
    """
    path = RESULTS / f"{name}.json"
    before = json.loads(path.read_text())["runs"] if path.exists() else []
    new = {tuple(row[key] for key in keys) for row in rows}
    kept = [row for row in before if row["source"] in sources]
    return [row for row in kept if tuple(row[key] for key in keys) not in new] + rows


def version_of(name: str) -> str | None:
    """Version of an installed package, ``None`` where there is none."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
