"""What a method says about the test cells of a task, and a cache of it on disk."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.machine import machine
from benchmarks.places import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.tasks import Task


@dataclass(frozen=True)
class Outcome:
    """Answers for the test cells of one task.

    Parameters
    ----------
    labels
        Predicted type of each test cell, ``(n_test,)``, dtype str; empty for pure rejectors.
    confidence
        Probability of the predicted type, ``(n_test,)``, in [0, 1]; empty where a method has none.
    novelty
        Score that grows with the distance from training, ``(n_test,)``; empty where none.
    fit_seconds, predict_seconds
        Wall-clock times, preparing the cells included.
    sets, types
        Which types the set of each test cell holds, ``(n_test, n_types)``, and the types' names;
        empty where a method has none.
    """

    labels: NDArray[np.str_]
    confidence: NDArray[np.float64]
    novelty: NDArray[np.float64]
    fit_seconds: float
    predict_seconds: float
    sets: NDArray[np.bool_] = field(default_factory=lambda: np.zeros((0, 0), dtype=bool))
    types: NDArray[np.str_] = field(default_factory=lambda: np.zeros(0, dtype=str))


@dataclass(frozen=True)
class Cached:
    """An outcome, and whether it was computed earlier."""

    outcome: Outcome
    from_cache: bool


def cached(method: str, task: Task, compute: Callable[[Task], Outcome]) -> Cached:
    """Return the stored outcome of a method on a task, or compute and store it.

    A stored outcome counts only for the same data and split on the same machine.
    """
    path = cache_folder("outcomes") / method / f"{task.name.replace('/', '__')}.npz"
    stamp = json.dumps({"task": task.fingerprint, "machine": machine()}, sort_keys=True)
    if path.exists():
        stored = _read(path, stamp)
        if stored is not None:
            return Cached(stored, from_cache=True)
    outcome = compute(task)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".part.npz")
    np.savez_compressed(
        scratch,
        stamp=np.array(stamp),
        labels=outcome.labels,
        confidence=outcome.confidence,
        novelty=outcome.novelty,
        seconds=np.array([outcome.fit_seconds, outcome.predict_seconds]),
        sets=outcome.sets,
        types=outcome.types,
    )
    scratch.replace(path)
    return Cached(outcome, from_cache=False)


def _read(path: Path, stamp: str) -> Outcome | None:
    with np.load(path, allow_pickle=False) as stored:
        if str(stored["stamp"]) != stamp:
            return None
        fit_seconds, predict_seconds = stored["seconds"].tolist()
        return Outcome(
            labels=stored["labels"],
            confidence=stored["confidence"],
            novelty=stored["novelty"],
            fit_seconds=fit_seconds,
            predict_seconds=predict_seconds,
            sets=stored["sets"] if "sets" in stored else np.zeros((0, 0), dtype=bool),
            types=stored["types"] if "types" in stored else np.zeros(0, dtype=str),
        )


NOTHING = np.zeros(0)
