"""Losses compared by inner validation: training cells of the long-tail benchmark's first parts.

The training cells of seed 0 are split once more, two thirds against one, stratified by type or
with whole donors held out. Long-tailed versions thin out the inner training cells alone.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from hashlib import sha256
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from atlash.config import LossConfig, TrainConfig
from atlash.config.rare import loss_config
from benchmarks.long_tail import SOURCE_SUMS, scores
from benchmarks.long_tail_networks import network
from benchmarks.long_tail_tasks import _long_tailed, long_tail_task
from benchmarks.machine import write_result
from benchmarks.places import cache_folder
from benchmarks.tasks import BATCH

if TYPE_CHECKING:
    from benchmarks.tasks import Task

VARIANTS = {
    "class_balanced": loss_config("class_balanced"),
    "logit_adjusted": loss_config("logit_adjusted"),
    "logit_adjusted at 2": LossConfig(weights="none", prior_strength=2.0),
    "class_balanced, adjusted at 0.5": LossConfig(prior_strength=0.5),
    "class_balanced, adjusted at 1": LossConfig(prior_strength=1.0),
    "weights in the anchor loss, adjusted at 1": LossConfig(weights="anchors", prior_strength=1.0),
    **{
        f"the same, and weights of few cells ({beta:g})": LossConfig(
            class_balance=beta, prior_strength=1.0
        )
        for beta in (0.95, 0.98, 0.99)
    },
    "class_balanced, noise of 0.5": LossConfig(sigma=0.5),
    "noise of 1": LossConfig(weights="none", sigma=1.0),
}
DATA = ("haber_tail", "paul15", "haber", "kang_tail")


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks long-tail-development", description=__doc__
    )
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    options = parser.parse_args(arguments)
    rows: list[dict[str, Any]] = []
    for data in options.data:
        task = inner_task(data)
        for seed in range(options.seeds):
            for variant in options.variants:
                row = _row(task, data, variant, seed)
                rows.append(row)
                print(
                    f"{data:12} {seed} {variant:42} tail {row['tail_f1']:.4f} "
                    f"macro {row['macro_f1']:.4f} accuracy {row['accuracy']:.4f}",
                    flush=True,
                )
    means = {
        variant: {
            figure: fmean(row[figure] for row in rows if row["variant"] == variant)
            for figure in ("tail_f1", "macro_f1", "accuracy")
        }
        for variant in options.variants
    }
    for variant, figures in means.items():
        print(f"{variant:42} " + " ".join(f"{name} {v:.4f}" for name, v in figures.items()))
    print(write_result("long_tail_development", {"runs": rows, "means": means}))


def inner_task(data: str) -> Task:
    """Return the inner split of a data set's training cells."""
    outer = long_tail_task(data.removesuffix("_tail"), 0)
    rows = outer.train_rows
    if outer.batch_key is None:
        folds = StratifiedKFold(3, shuffle=True, random_state=1).split(rows, outer.labels)
    else:
        batches = np.asarray(outer.cells.obs[BATCH], dtype=str)[rows]
        folds = StratifiedGroupKFold(3).split(rows, outer.labels, batches)
    train, test = next(iter(folds))
    inner = replace(
        outer, name=f"inner/{data}", group=data, train_rows=rows[train], test_rows=rows[test]
    )
    return _long_tailed(inner, 1) if data.endswith("_tail") else inner


def _row(task: Task, data: str, variant: str, seed: int) -> dict[str, Any]:
    config = TrainConfig(loss=VARIANTS[variant])
    digest = sha256(f"{task.fingerprint} {config!r} {seed}".encode() + SOURCE_SUMS["network"])
    place = cache_folder("long_tail_development") / f"{data}_{digest.hexdigest()[:16]}.json"
    if not place.exists():
        answer = network(task, task.labels, config, seed)
        scratch = place.with_suffix(".part")
        scratch.write_text(json.dumps(scores(task, answer["labels"])))
        scratch.replace(place)
    return {"data": data, "variant": variant, "seed": seed, **json.loads(place.read_text())}
