"""Ablations: one option changed at a time, on a fixed subset of the annotation splits."""

from __future__ import annotations

import argparse
from statistics import fmean
from typing import Any

from benchmarks.machine import write_result
from benchmarks.product import Settings, annotate_task
from benchmarks.scores import agreement
from benchmarks.tasks import annotation_tasks

SPLITS = (
    "zheng_to_pbmc3k",
    "kang/101",
    "haber/fold0",
)
DEFAULT = "default"
VARIANTS = {
    DEFAULT: Settings(),
    "32 bits": Settings((("n_bits", 32),)),
    "128 bits": Settings((("n_bits", 128),)),
    "256 bits": Settings((("n_bits", 256), ("n_detail_bits", 0))),
    "learned anchors": Settings((("learned_anchors", True),)),
    "no quantisation loss": Settings((("quantisation", "none"),)),
    "Cauchy quantisation": Settings((("quantisation", "cauchy"),)),
    "no thinning": Settings((("thin_probability", 0.0),)),
    "no gene dropout": Settings((("gene_dropout", 0.0),)),
    "no gene jitter": Settings((("gene_jitter", 0.0),)),
    "hamming": Settings(method="hamming"),
}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks ablations", description=__doc__)
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--seeds", type=int, default=1, help="runs of each, seeds 0, 1, ...")
    options = parser.parse_args(arguments)
    rows: list[dict[str, Any]] = []
    for task in annotation_tasks():
        if task.name not in SPLITS:
            continue
        for variant in options.variants:
            for seed in range(options.seeds):
                outcome = annotate_task(task, seed, VARIANTS[variant]).outcome
                macro_f1 = agreement(task, outcome.labels).macro_f1
                rows.append(
                    {
                        "task": task.name,
                        "group": task.group,
                        "variant": variant,
                        "seed": seed,
                        "macro_f1": macro_f1,
                        "fit_seconds": outcome.fit_seconds,
                    }
                )
                print(f"{task.name:24} {variant:22} {macro_f1:.4f}", flush=True)
    print(write_result("ablations", {"runs": rows, "means": means(rows, options.variants)}))


def means(rows: list[dict[str, Any]], variants: list[str]) -> dict[str, dict[str, float]]:
    """Mean macro-F1 of each variant per group, and the mean of the groups."""
    groups = list(dict.fromkeys(row["group"] for row in rows))
    table = {}
    for variant in variants:
        own = [row for row in rows if row["variant"] == variant]
        by_group = {g: fmean(r["macro_f1"] for r in own if r["group"] == g) for g in groups}
        table[variant] = {**by_group, "mean": fmean(by_group.values())}
    return table
