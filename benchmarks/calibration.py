"""Calibration: whether a confidence of .9 means right nine times in ten, on unseen donors.

Confidence is judged over kang's eight donors, each held out once and pooled; so are the sets that
promise to hold the true type with a stated probability.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import write_result
from benchmarks.outcome import Outcome, cached
from benchmarks.peers.linear import logistic_genes
from benchmarks.product import STATED_COVERAGE, annotate_task
from benchmarks.scores import reliability
from benchmarks.tasks import Task, annotation_tasks

Pooled = tuple[list[NDArray[np.float64]], list[NDArray[np.bool_]]]


def main(arguments: list[str]) -> None:
    argparse.ArgumentParser(
        prog="python -m benchmarks calibration", description=__doc__
    ).parse_args(arguments)
    pooled: dict[str, Pooled] = {"atlash": ([], []), "logistic_genes": ([], [])}
    covered, sizes = [], []
    for task in annotation_tasks(("kang",)):
        ours = annotate_task(task, seed=0).outcome
        _add(pooled["atlash"], task, ours)
        _add(
            pooled["logistic_genes"], task, cached("logistic_genes", task, logistic_genes).outcome
        )
        true = np.searchsorted(ours.types, task.truth)  # types are sorted, and all are known
        covered.append(ours.sets[np.arange(len(true)), true])
        sizes.append(ours.sets.sum(axis=1))
    result: dict[str, Any] = {
        "confidence": {name: _judge(*both) for name, both in pooled.items()},
        "sets": {
            "stated_coverage": STATED_COVERAGE,
            "coverage": float(np.concatenate(covered).mean()),
            "coverage_per_donor": [float(holds.mean()) for holds in covered],
            "mean_size": float(np.concatenate(sizes).mean()),
        },
    }
    for name, judged in result["confidence"].items():
        widths, masses = judged["equal_width"]["ece"], judged["equal_mass"]["ece"]
        print(f"{name:16} ECE {widths:.4f} (equal width) {masses:.4f} (equal mass)")
    print(result["sets"])
    print(write_result("calibration", result))


def _add(pooled: Pooled, task: Task, outcome: Outcome) -> None:
    pooled[0].append(outcome.confidence[task.known])
    pooled[1].append((outcome.labels == task.truth)[task.known])


def _judge(
    confidence: list[NDArray[np.float64]], right: list[NDArray[np.bool_]]
) -> dict[str, Any]:
    both = np.concatenate(confidence), np.concatenate(right)
    return {
        "equal_width": asdict(reliability(*both, equal_mass=False)),
        "equal_mass": asdict(reliability(*both, equal_mass=True)),
        "accuracy": float(both[1].mean()),
        "mean_confidence": float(both[0].mean()),
        "n_cells": len(both[0]),
    }
