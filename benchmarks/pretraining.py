"""What pre-training without labels is worth where labels are few.

A Transformer is pre-trained on all gene-named shared cells for a budget of minutes. No label is
looked at; the expression of cells that are tested later is among them, as it is when somebody
pre-trains on an atlas and on new cells. Then 1, 5 and 10 % of the training cells of each group's
first split keep their labels, at least three a type, and methods learn from these. The other
training cells, without their labels, choose genes and axes where a method can use them.

Every answer is kept in the cache as soon as it is there: a run can be stopped and continued.
"""

from __future__ import annotations

import argparse
import resource
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from atlash import PretrainConfig, TransformerConfig
from benchmarks.machine import write_result
from benchmarks.outcome import cached
from benchmarks.peers.linear import logistic_pcs, logistic_pcs_of_all
from benchmarks.places import cache_folder
from benchmarks.product import digest_with_source, threads
from benchmarks.product_pretraining import (
    fine_tuned,
    logistic_on_embeddings,
    pretrained,
    unlabelled_rows,
    untrained,
)
from benchmarks.scores import agreement
from benchmarks.tasks import GROUPS, annotation_tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.outcome import Outcome
    from benchmarks.tasks import Task

    Method = Callable[[Task, int], Outcome]
    """Learns from a task's labelled cells, given a seed, and labels the others."""

SHARES = (0.01, 0.05, 0.1)
LEAST = 3
"""Labelled cells of each type, as far as there are so many."""


def main(arguments: list[str]) -> None:
    options = parsed(arguments)
    config = PretrainConfig(
        model=TransformerConfig(n_tokens=options.tokens),
        n_genes=options.genes,
        n_threads=threads(),
    )
    folder = cache_folder(
        f"pretraining-{options.minutes:g}-{options.tokens}-{options.genes}-{threads()}"
    )
    encoder, cost = pretrained(folder, config, minutes=options.minutes)
    methods = methods_of(
        folder / "trained",
        untrained(folder, config, "coexpression"),
        untrained(folder, config, "random"),
    )
    version = digest_with_source(encoder.fingerprint)
    chosen = options.methods or list(methods)
    rows = [
        measured(
            task, share, seed, method, kept(task, seed, methods[method], f"{method}, {version}")
        )
        for task, share, seed in few_labels(options.groups, options.shares, options.seeds)
        for method in chosen
    ]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    result = {
        "pretraining": cost
        | {"minutes": options.minutes, "tokens": options.tokens, "genes": options.genes}
        | {"losses": encoder.facts["learned"]["losses"], "peak_gb_of_this_process": memory},
        "runs": rows,
        "means": means(rows, chosen, options.shares),
    }
    if not options.trial:
        print(write_result("pretraining", result))


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks pretraining", description=__doc__)
    parser.add_argument("--minutes", type=float, default=40.0, help="budget of pre-training")
    parser.add_argument("--tokens", type=int, default=128, help="genes of a cell that are read")
    parser.add_argument("--genes", type=int, default=4000, help="vocabulary")
    parser.add_argument("--groups", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--shares", nargs="+", type=float, default=list(SHARES))
    parser.add_argument("--seeds", type=int, default=5, help="draws of the labelled cells")
    parser.add_argument("--methods", nargs="+", help="some of the methods; all by default")
    parser.add_argument("--trial", action="store_true", help="write no result")
    return parser.parse_args(arguments)


def methods_of(trained: Path, started: Path, random: Path) -> dict[str, Method]:
    """Return what is compared, given a pre-trained encoder and two that have made no step.

    Parameters
    ----------
    trained
        The encoder after all steps.
    started
        Its like before the first one: embeddings of genes by co-expression, nothing else learned.
    random
        The same with embeddings of genes from noise.
    """
    encoders = {"pre-trained": trained, "before the first step": started, "from noise": random}
    methods: dict[str, Method] = {
        "logistic regression on PCs": lambda task, _: logistic_pcs(task),
        "logistic regression on PCs of all cells": lambda task, _: logistic_pcs_of_all(
            task, unlabelled_rows(task)
        ),
        "hash encoder": partial(_hash_encoder, use_unlabelled=False),
        "hash encoder, unlabelled cells used": partial(_hash_encoder, use_unlabelled=True),
    }
    for name, encoder in encoders.items():
        methods[f"logistic regression on embeddings, {name}"] = partial(_linear, encoder=encoder)
    for name, encoder in encoders.items():
        methods[f"Transformer, {name}"] = partial(_fine_tuned, encoder=encoder)
    return methods


def _hash_encoder(task: Task, seed: int, *, use_unlabelled: bool) -> Outcome:
    return fine_tuned(task, None, seed, use_unlabelled=use_unlabelled)


def _linear(task: Task, _seed: int, *, encoder: Path) -> Outcome:
    return logistic_on_embeddings(task, encoder)


def _fine_tuned(task: Task, seed: int, *, encoder: Path) -> Outcome:
    return fine_tuned(task, encoder, seed)


def kept(task: Task, seed: int, method: Method, name: str) -> Outcome:
    """Run one method, or read what it said of the same labels before."""
    folder = f"pretraining/{name}, {task.fingerprint}, {seed}"
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
