"""Long tail: losses for rare types, mining of hard cells, and peers, on rare and common types.

Every row is kept in the cache as soon as it is there, so that a run can be stopped and continued.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import f1_score

from atlash.config import LossConfig, MiningConfig, TrainConfig
from benchmarks.long_tail_mining import mined_network
from benchmarks.long_tail_mining_report import PLANTED
from benchmarks.long_tail_networks import network
from benchmarks.long_tail_report import summary_of
from benchmarks.long_tail_tasks import DATA, long_tail_task, with_errors
from benchmarks.machine import write_result
from benchmarks.peers.celltypist import celltypist, environment_versions
from benchmarks.peers.linear import logistic_balanced, logistic_genes, logistic_pcs
from benchmarks.places import CHECKOUT, cache_folder

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.outcome import Outcome
    from benchmarks.tasks import Task

Row = dict[str, Any]
Runner = Callable[["Task", int], Row]
ERRORS = 0.05
"""Share of training labels that is replaced where errors are planted."""
MINED_WITH = "tail_adjusted"
"""The default loss, with which mining is measured, with and without planted errors."""
MINING = {
    "guard": MiningConfig(steps_share=0.0),
    "mining": MiningConfig(),
    "unguarded": MiningConfig(guard=False),
}
"""What looks mislabelled is left out, or hard cells are learned again, or both (mining)."""
PEERS = {
    "logistic": logistic_genes,
    "logistic_balanced": logistic_balanced,
    "logistic_pcs": logistic_pcs,
    "celltypist": celltypist,
}
LOSSES = ("plain", "class_balanced", "focal", "logit_adjusted", "ginf", "clouded")
"""``balanced_softmax`` is ``logit_adjusted`` at its strength of 1, and is not run twice."""
MIXTURES = {
    "balanced_adjusted": LossConfig(prior_strength=0.5),
    "anchors_adjusted": LossConfig(weights="anchors", prior_strength=1.0),
    "tail_adjusted": LossConfig(class_balance=0.95, prior_strength=1.0),
}
"""Class-balanced weights and logit adjustment together, as inner validation suggests to try."""
SOURCES = {
    "peer": ("benchmarks/peers", "benchmarks/tasks.py", "benchmarks/long_tail_tasks.py"),
    "network": (
        "src/atlash/nn", "src/atlash/models/prepare.py", "src/atlash/models/features.py",
        "src/atlash/codes/anchors.py", "benchmarks/tasks.py", "benchmarks/long_tail_tasks.py",
        "benchmarks/long_tail_networks.py",
    ),
}  # fmt: skip
SOURCES["mining"] = (
    *SOURCES["network"], "src/atlash/models/mining.py", "benchmarks/long_tail_mining.py",
)  # fmt: skip
"""What the rows of a method depend on; options enter by their values."""


Method = tuple[str, str, Runner]
"""What a method depends on (a key of :data:`SOURCES`), its options, and what runs it."""


def main(arguments: list[str]) -> None:
    options = _parse(arguments)
    methods = methods_of(options.only)
    rows = []
    for seed in range(options.seeds):
        for data in options.data:
            task = long_tail_task(data, seed)
            for method in methods:
                found = _row(task, method, methods[method], seed, compute=not options.report)
                if found is not None:
                    rows.append(found)
                    print(_line(found), flush=True)
    if options.only or options.data != list(DATA):
        return  # a part is no comparison; a run of all takes it from the cache
    result = {"data": DATA, "rows": rows, **summary_of(rows)}
    if any(row["method"] == "celltypist" for row in rows):
        result["celltypist_environment"] = environment_versions()
    print(write_result("long_tail", result))


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks long-tail", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="parts tested, seeds 0, 1, ...")
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--only", nargs="+", help="methods by name, or by its beginning")
    parser.add_argument(
        "--report", action="store_true", help="compute nothing: write what the cache holds"
    )
    return parser.parse_args(arguments)


def methods_of(only: list[str] | None) -> dict[str, Method]:
    """Return the methods by name: losses, mining, both with planted errors, and peers."""
    methods: dict[str, Method] = {}
    for loss in LOSSES:
        methods[f"atlash:{loss}"] = _network(TrainConfig(loss=loss), share=0.0)
    for name, mixture in MIXTURES.items():
        methods[f"atlash:{name}"] = _network(TrainConfig(loss=mixture), share=0.0)
    config = TrainConfig(loss=MIXTURES[MINED_WITH])
    for share, ending in ((0.0, ""), (ERRORS, PLANTED)):
        if share:
            methods[f"atlash:{MINED_WITH}{ending}"] = _network(config, share=share)
        for name, mining in MINING.items():
            methods[f"atlash:{MINED_WITH}+{name}{ending}"] = _mined(config, mining, share=share)
    for name, peer in PEERS.items():
        methods[name] = ("peer", "", partial(_asked, peer=peer))
    if only is None:
        return methods
    beginnings = tuple(set(only) - set(methods))
    chosen = {
        name: how
        for name, how in methods.items()
        if name in only or (beginnings and name.startswith(beginnings))
    }
    if not chosen:
        msg = f"No method begins with {only}; there are {', '.join(methods)}."
        raise SystemExit(msg)
    return chosen


def _network(config: TrainConfig, *, share: float) -> Method:
    # rows from before there were errors keep their name
    settings = f"{config!r}{f' {share}' if share else ''}"
    return "network", settings, partial(_learned, config=config, share=share)


def _mined(config: TrainConfig, mining: MiningConfig, *, share: float) -> Method:
    settings = f"{config!r} {mining!r} {share}"
    return "mining", settings, partial(_learned_twice, config=config, mining=mining, share=share)


def _learned(task: Task, seed: int, *, config: TrainConfig, share: float) -> Row:
    return network(task, with_errors(task.labels, share, seed), config, seed)


def _learned_twice(
    task: Task, seed: int, *, config: TrainConfig, mining: MiningConfig, share: float
) -> Row:
    return mined_network(task, with_errors(task.labels, share, seed), config, mining, seed)


def _asked(task: Task, seed: int, *, peer: Callable[[Task], Outcome]) -> Row:
    return {"labels": peer(task).labels}


def _row(task: Task, method: str, how: Method, seed: int, *, compute: bool) -> Row | None:
    """Return the row of a method on a task, from the cache if it is there."""
    kind, settings, run = how
    place = _place(task, method, seed, kind, settings)
    if place.exists():
        kept: Row = json.loads(place.read_text())
        return kept
    if not compute:
        return None
    start = perf_counter()
    answer = run(task, seed)
    seconds = perf_counter() - start
    row = {"data": task.group, "seed": seed, "method": method, "n_train": len(task.train_rows)}
    row |= scores(task, answer.pop("labels")) | answer | {"seconds": seconds}
    scratch = place.with_suffix(".part")
    scratch.write_text(json.dumps(row, allow_nan=False))
    scratch.replace(place)
    return row


def _line(row: Row) -> str:
    caught = f" caught {row['n_caught']} of {row['n_wrong']}" if "n_wrong" in row else ""
    return (
        f"{row['data']:12} {row['seed']} {row['method']:36} tail {row['tail_f1']:.4f} "
        f"macro {row['macro_f1']:.4f} accuracy {row['accuracy']:.4f} "
        f"{row['seconds']:.0f} s{caught}"
    )


def scores(task: Task, predicted: NDArray[np.str_]) -> Row:
    """Return macro-F1 over the rare, middle and common thirds of types, and over all.

    Types are put in order by their training cells; the lowest third is the tail, the highest the
    head. Types that do not occur in training or in the test are left out.
    """
    truth, guess = task.truth[task.known], predicted[task.known]
    types, counts = np.unique(task.labels, return_counts=True)
    per_type = f1_score(truth, guess, labels=types, average=None, zero_division=0)
    present = np.isin(types, truth)
    third = len(types) / 3
    rank = np.argsort(np.argsort(counts, kind="stable"), kind="stable")
    parts = {"tail": rank < third, "head": rank >= len(types) - third}
    parts["medium"] = ~parts["tail"] & ~parts["head"]
    found = {f"{name}_f1": float(per_type[part & present].mean()) for name, part in parts.items()}
    return found | {
        "macro_f1": float(per_type[present].mean()),
        "accuracy": float(np.mean(truth == guess)),
        "n_tail_train": int(counts[parts["tail"]].sum()),
    }


def _place(task: Task, method: str, seed: int, kind: str, settings: str) -> Path:
    """Name the file of a row by all that it depends on."""
    digest = sha256(f"{task.fingerprint} {settings}".encode())
    digest.update(SOURCE_SUMS[kind])
    name = f"{task.group}_{seed}_{method.replace(':', '_')}_{digest.hexdigest()[:12]}.json"
    return cache_folder("long_tail") / name


def _source(kind: str) -> bytes:
    digest = sha256()
    for place in SOURCES[kind]:
        path = CHECKOUT / place
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        for file in files:
            digest.update(file.read_bytes())
    return digest.digest()


SOURCE_SUMS = {kind: _source(kind) for kind in SOURCES}
"""Taken once: sources may change while a long run goes on."""
