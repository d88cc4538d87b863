"""Start-up: how long ``import atlash`` and ``atlash --help`` take in a fresh process."""

from __future__ import annotations

import argparse
import subprocess
import sys
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.machine import write_result
from benchmarks.product import COMMAND

RUNS = 10
COMMANDS = {
    "import_atlash": [sys.executable, "-c", "import atlash"],
    "atlash_help": [*COMMAND, "--help"],
    "python_alone": [sys.executable, "-c", ""],
}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks startup", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    options = parser.parse_args(arguments)
    result = {name: _time(command, options.runs) for name, command in COMMANDS.items()}
    for name, figures in result.items():
        print(f"{name:14} {figures['median_seconds']:.3f} s")
    print(write_result("startup", result))


def _time(command: list[str], runs: int) -> dict[str, Any]:
    seconds = []
    for _ in range(runs):
        start = perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(perf_counter() - start)
    return {"median_seconds": median(seconds), "seconds": seconds}
