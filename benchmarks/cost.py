"""Cost: seconds, cells a second and peak memory of the Transformer, beside the hash encoder's.

Each step is a process of its own: pre-training on pbmc_cross, a reference of its cells by the
defaults, and the annotation of simulated cells. What a step of pre-training costs does not depend
on how long it has gone on, so a few steps are timed, and the reference starts from an encoder that
has made one.
"""

from __future__ import annotations

import argparse
import json
import sys

from benchmarks.cost_worker import DATASET, HASH_ENCODER, N_QUERY, TOKENS
from benchmarks.machine import write_result
from benchmarks.memory import peak_memory
from benchmarks.places import cache_folder
from benchmarks.simulated import simulated_query

SHORT, LONG = TOKENS
RUNS = (
    ("build", HASH_ENCODER),
    ("annotate", HASH_ENCODER),
    ("pre-train", LONG),
    ("pre-train", SHORT),
    ("build", SHORT),
    ("annotate", SHORT),
)
"""Steps and encoders; a reference from one of 512 tokens would take hours on two cores."""


def main(arguments: list[str]) -> None:
    argparse.ArgumentParser(prog="python -m benchmarks cost", description=__doc__).parse_args(
        arguments
    )
    simulated_query(N_QUERY[HASH_ENCODER])
    folder = cache_folder("cost")
    answer = folder / "answer.json"
    rows = []
    for step, encoder in RUNS:
        command = [sys.executable, "-m", "benchmarks.cost_worker", step, encoder]
        figures = peak_memory([*command, str(folder), str(answer)])
        peak = max(figures["peak_bytes_of_tree"], figures["peak_bytes_of_process"])
        found = json.loads(answer.read_text())
        rows.append({"step": step, "encoder": encoder, **found, "peak_gb": peak / 1e9})
        print(rows[-1], flush=True)
    print(write_result("cost", {"data": DATASET, "runs": rows}))
