"""What few labels are worth, and cells without one beside them.

1, 5 and 10 % of the training cells of each group's first split keep their labels, at least three a
type, and methods learn from these. The other training cells, without their labels, choose genes
and axes where a method can use them.

Every answer is kept in the cache as soon as it is there: a run can be stopped and continued.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.machine import write_result
from benchmarks.outcome import Outcome, cached
from benchmarks.peers.linear import logistic_pcs, logistic_pcs_of_all
from benchmarks.product import digest_with_source
from benchmarks.product_pretraining import fine_tuned, unlabelled_rows
from benchmarks.scores import agreement
from benchmarks.tasks import GROUPS, Task, annotation_tasks

if TYPE_CHECKING:
    from collections.abc import Iterator

Method = Callable[[Task, int], Outcome]
"""Learns from a task's labelled cells, given a seed, and labels the others."""
SHARES = (0.01, 0.05, 0.1)
LEAST = 3
"""Labelled cells of each type, as far as there are so many."""


def main(arguments: list[str]) -> None:
    options = parser("few-labels", __doc__).parse_args(arguments)
    methods, version = methods_without_encoder(), digest_with_source()
    rows = measured_all(methods, options, version)
    result = {"runs": rows, "means": means(rows, list(methods), options.shares)}
    print(write_result("few_labels", result))


def parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser of the options that say what is drawn."""
    found = argparse.ArgumentParser(prog=f"python -m benchmarks {name}", description=description)
    found.add_argument("--groups", nargs="+", choices=GROUPS, default=list(GROUPS))
    found.add_argument("--shares", nargs="+", type=float, default=list(SHARES))
    found.add_argument("--seeds", type=int, default=5, help="draws of the labelled cells")
    return found


def methods_without_encoder() -> dict[str, Method]:
    """Return what needs no pre-trained encoder."""
    return {
        "logistic regression on PCs": lambda task, _: logistic_pcs(task),
        "logistic regression on PCs of all cells": lambda task, _: logistic_pcs_of_all(
            task, unlabelled_rows(task)
        ),
        "hash encoder": partial(_hash_encoder, use_unlabelled=False),
        "hash encoder, unlabelled cells used": partial(_hash_encoder, use_unlabelled=True),
    }


def measured_all(
    methods: dict[str, Method], options: argparse.Namespace, version: str
) -> list[dict[str, Any]]:
    """Run methods on all draws, or read what they said of the same labels before."""
    return [
        measured(task, share, seed, name, kept(task, seed, method, f"{name}, {version}"))
        for task, share, seed in few_labels(options.groups, options.shares, options.seeds)
        for name, method in methods.items()
    ]


def few_labels(
    groups: list[str], shares: list[float], n_seeds: int
) -> Iterator[tuple[Task, float, int]]:
    """Yield each group's first split with a share of its labelled cells, drawn by type."""
    seen = set()
    for task in annotation_tasks(tuple(groups)):
        if task.group in seen:
            continue
        seen.add(task.group)
        for share in shares:
            for seed in range(n_seeds):
                rng = np.random.default_rng([seed, round(1000 * share)])
                rows = []
                for kind in np.unique(task.labels):
                    own = task.train_rows[task.labels == kind]
                    n = min(len(own), max(LEAST, round(share * len(own))))
                    rows.append(rng.choice(own, n, replace=False))
                yield replace(task, train_rows=np.sort(np.concatenate(rows))), share, seed


def _hash_encoder(task: Task, seed: int, *, use_unlabelled: bool) -> Outcome:
    return fine_tuned(task, None, seed, use_unlabelled=use_unlabelled)


def kept(task: Task, seed: int, method: Method, name: str) -> Outcome:
    """Run one method, or read what it said of the same labels before."""
    folder = f"few_labels/{name}, {task.fingerprint}, {seed}"
    return cached(folder, task, lambda task: method(task, seed)).outcome


def measured(task: Task, share: float, seed: int, name: str, outcome: Outcome) -> dict[str, Any]:
    """Score one method on a share of the labels, and print how it went."""
    found = agreement(task, outcome.labels)
    print(
        f"{task.name:28} {share:5.0%} {name:52} {found.macro_f1:.4f} "
        f"{found.accuracy:.4f} {outcome.fit_seconds:8.1f} s",
        flush=True,
    )
    return {
        "task": task.name,
        "group": task.group,
        "share": share,
        "seed": seed,
        "n_labelled": len(task.train_rows),
        "method": name,
        "macro_f1": found.macro_f1,
        "accuracy": found.accuracy,
        "fit_seconds": outcome.fit_seconds,
        "cells_a_second": len(task.test_rows) / outcome.predict_seconds,
    }


def means(
    rows: list[dict[str, Any]], methods: list[str], shares: list[float]
) -> dict[str, dict[str, float]]:
    """Return the mean macro-F1 of each method and share, groups weighed alike; print a table."""
    found: dict[str, dict[str, float]] = {}
    for method in methods:
        found[method] = {}
        for share in shares:
            own = [r for r in rows if r["method"] == method and r["share"] == share]
            groups = {r["group"] for r in own}
            by_group = [np.mean([r["macro_f1"] for r in own if r["group"] == g]) for g in groups]
            found[method][f"{share:g}"] = float(np.mean(by_group))
        figures = "  ".join(f"{value:.4f}" for value in found[method].values())
        print(f"{method:52} {figures}", flush=True)
    return found
