"""Memory: annotate a simulated file of a million cells through the command line.

Two peaks are taken: of the resident memory of the whole tree of processes, sampled, and of the
command's own process, as the kernel kept it. Linux only: both are read from ``/proc``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryFile
from time import perf_counter, sleep
from typing import Any

from benchmarks.machine import write_result
from benchmarks.places import cache_folder
from benchmarks.product import annotate_command, build, save
from benchmarks.simulated import simulated_query
from benchmarks.tasks import BATCH, load

N_CELLS = 1_000_000
SAMPLE_SECONDS = 0.05


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks memory", description=__doc__)
    parser.add_argument("--cells", type=int, default=N_CELLS)
    parser.add_argument("--keep", action="store_true", help="keep the annotated copy")
    options = parser.parse_args(arguments)
    query = simulated_query(options.cells)
    folder = cache_folder("memory")
    reference, output = folder / "pbmc_cross.atlash", folder / "annotated.h5ad"
    save(build(load("pbmc_cross"), BATCH), reference)
    output.unlink(missing_ok=True)
    figures = peak_memory(annotate_command(query, reference, output))
    result = {"n_cells": options.cells, "file_bytes": query.stat().st_size, **figures}
    if not options.keep:
        output.unlink()
    print(result)
    print(write_result("memory", result))


def peak_memory(command: list[str]) -> dict[str, Any]:
    """Run a command to its end and report its seconds and its peaks of resident memory, in bytes.

    Raises
    ------
    SystemExit
        The command failed; the message ends with what it printed.
    """
    start, tree, process = perf_counter(), 0, 0
    with TemporaryFile() as printed:
        child = subprocess.Popen(command, stdout=printed, stderr=subprocess.STDOUT)
        while child.poll() is None:
            tree = max(tree, _tree_bytes(child.pid))
            process = max(process, _peak_bytes(child.pid))
            sleep(SAMPLE_SECONDS)
        if child.returncode != 0:
            printed.seek(0)
            tail = printed.read().decode(errors="replace")[-4000:]
            msg = f"The command ended with status {child.returncode}:\n{tail}"
            raise SystemExit(msg)
    return {
        "seconds": perf_counter() - start,
        "peak_bytes_of_tree": tree,
        "peak_bytes_of_process": process,
    }


def _peak_bytes(pid: int) -> int:
    """Peak resident bytes of a process since it began; 0 once it has gone.

    ``getrusage`` will not do: it counts this process's memory at the fork as the child's.
    """
    try:
        status = (Path("/proc") / str(pid) / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    lines = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) * 1024 if lines else 0


def _tree_bytes(pid: int) -> int:
    """Resident bytes of a process and all its descendants; 0 once it has gone."""
    folder = Path("/proc") / str(pid)
    try:
        pages = int((folder / "statm").read_text().split()[1])
        children = (folder / "task" / str(pid) / "children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(_tree_bytes(int(child)) for child in children)
