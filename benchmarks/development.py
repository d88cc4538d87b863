"""Development: choices compared by inner validation, so that no reported cell has a say.

The training cells of the first split of each group of the annotation benchmark are split once
more: each of their batches held out in turn, at most two, or two of three stratified folds.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.model_selection import StratifiedKFold

from benchmarks.ablations import means
from benchmarks.machine import write_result
from benchmarks.product import Settings, annotate_task
from benchmarks.scores import agreement
from benchmarks.tasks import BATCH, GROUPS, Task, annotation_tasks

if TYPE_CHECKING:
    from collections.abc import Iterator

Variants = dict[str, Settings]
WIDTHS: Variants = {
    "default": Settings(),
    "gene networks 128-64 wide": Settings((("n_hidden", 128), ("n_hidden_2", 64))),
    "gene networks 128-128 wide": Settings((("n_hidden", 128), ("n_hidden_2", 128))),
    "gene networks 192-128 wide": Settings((("n_hidden", 192), ("n_hidden_2", 128))),
    "gene networks 96-64 wide": Settings((("n_hidden", 96), ("n_hidden_2", 64))),
}
LOSSES, TAIL_LOSSES = (
    {name: Settings((("loss", name),)) for name in names}
    for names in (
        ("class_balanced", "anchors_adjusted", "balanced_adjusted"),
        ("anchors_adjusted", "tail_adjusted"),
    )
)
AUGMENTATIONS: Variants = {
    "default": Settings(),
    "no gene jitter": Settings((("gene_jitter", 0.0),)),
    "gene jitter 0.05": Settings((("gene_jitter", 0.05),)),
    "no gene dropout": Settings((("gene_dropout", 0.0),)),
    "mixup 0.2": Settings((("mixup", 0.2),)),
}
STUDIES = {
    "development": WIDTHS,
    "development_loss": LOSSES,
    "development_tail_loss": TAIL_LOSSES,
    "development_augmentation": AUGMENTATIONS,
}
"""Variants of each result."""


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks development", description=__doc__)
    parser.add_argument("--study", choices=STUDIES, default="development")
    parser.add_argument("--variants", nargs="+", help="some of the study's; all by default")
    parser.add_argument("--groups", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--seeds", type=int, default=2, help="runs of each, seeds 0, 1, ...")
    options = parser.parse_args(arguments)
    study = STUDIES[options.study]
    variants = options.variants or list(study)
    rows: list[dict[str, Any]] = []
    for task in inner_tasks(tuple(options.groups)):
        for variant in variants:
            for seed in range(options.seeds):
                outcome = annotate_task(task, seed, study[variant]).outcome
                macro_f1 = agreement(task, outcome.labels).macro_f1
                rows.append(
                    {
                        "task": task.name,
                        "group": task.group,
                        "variant": variant,
                        "seed": seed,
                        "macro_f1": macro_f1,
                    }
                )
                print(f"{task.name:36} {variant:24} {macro_f1:.4f}", flush=True)
    summary = means(rows, variants)
    for variant, figures in summary.items():
        print(f"{variant:24} {figures['mean']:.4f}")
    print(write_result(options.study, {"runs": rows, "means": summary}))


def inner_tasks(groups: tuple[str, ...]) -> Iterator[Task]:
    """Yield the inner splits, two of each group."""
    seen = set()
    for outer in annotation_tasks(groups):
        if outer.group not in seen:
            seen.add(outer.group)
            yield from _inner(outer)


def _inner(outer: Task) -> Iterator[Task]:
    rows = outer.train_rows
    if outer.batch_key is None:
        folds = StratifiedKFold(3, shuffle=True, random_state=0).split(rows, outer.labels)
        tests = {f"fold{fold}": test for fold, (_, test) in enumerate(folds)}
    else:
        batches = np.asarray(outer.cells.obs[BATCH], dtype=str)[rows]
        tests = {str(batch): np.flatnonzero(batches == batch) for batch in np.unique(batches)}
    for name, test in list(tests.items())[:2]:
        train = np.setdiff1d(np.arange(len(rows)), test)
        yield Task(f"inner/{outer.name}/{name}", outer.group, outer.cells, rows[train], rows[test])
