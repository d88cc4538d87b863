"""Annotation: macro-F1, median F1 and accuracy of atlash and of its peers on twenty splits."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from statistics import fmean
from typing import TYPE_CHECKING, Any

from benchmarks.machine import write_result
from benchmarks.outcome import Cached, cached
from benchmarks.peers import ANNOTATORS
from benchmarks.peers.celltypist import environment_versions
from benchmarks.places import RESULTS
from benchmarks.scores import agreement
from benchmarks.tasks import GROUPS, Task, annotation_tasks

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = "atlash"
Row = dict[str, Any]


def main(arguments: list[str]) -> None:
    options = _parse(arguments)
    kept = _kept_peers() if options.keep_peers else {"splits": []}
    methods = [] if options.only == "ours" or options.keep_peers else list(options.peers)
    seeds = [] if options.only == "peers" else range(options.seeds)
    rows = kept["splits"]
    for task in annotation_tasks(tuple(options.groups)):
        for row in _run(task, methods, list(seeds), loss=options.loss):
            rows.append(row)
            print(f"{row['task']:28} {row['method']:16} {row['macro_f1']:.4f}", flush=True)
    result = {"groups": options.groups, "splits": rows, "summary": summarise(rows)}
    if "celltypist" in methods:
        result["celltypist_environment"] = environment_versions()
    if options.keep_peers:
        result |= {key: value for key, value in kept.items() if key != "splits"}
    for line in table(result["summary"]):
        print(line)
    name = "annotation" if options.loss is None else f"annotation_{options.loss}"
    print(write_result(name, result, half=options.only))


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks annotation", description=__doc__)
    parser.add_argument("--only", choices=["ours", "peers"], help="leave the other half out")
    parser.add_argument("--groups", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--peers", nargs="+", choices=list(ANNOTATORS), default=list(ANNOTATORS))
    parser.add_argument(
        "--keep-peers",
        action="store_true",
        help="take the peers' rows from the last result, which the new one says; the splits are "
        "fixed, and so are the peers",
    )
    parser.add_argument("--seeds", type=int, default=1, help="runs of atlash, seeds 0, 1, ...")
    parser.add_argument("--loss", help="another loss than the default; a result of its own")
    return parser.parse_args(arguments)


def _kept_peers() -> dict[str, Any]:
    """Return the peers' rows of the last result, and where and when they were computed."""
    last = json.loads((RESULTS / "annotation.json").read_text())
    return {
        "splits": [row for row in last["splits"] if row["method"] != OURS],
        "peers_provenance": last.get("peers_provenance", last["provenance"]),
        "celltypist_environment": last["celltypist_environment"],
    }


def _run(
    task: Task, peers: list[str], seeds: list[int], *, loss: str | None = None
) -> Iterator[Row]:
    for peer in peers:
        yield _row(task, peer, None, cached(peer, task, ANNOTATORS[peer]))
    for seed in seeds:
        from benchmarks.product import Settings, annotate_task  # peers run without atlash

        settings = Settings() if loss is None else Settings(train=(("loss", loss),))
        yield _row(task, OURS, seed, annotate_task(task, seed, settings))


def _row(task: Task, method: str, seed: int | None, answer: Cached) -> Row:
    outcome = answer.outcome
    return {
        "task": task.name,
        "group": task.group,
        "method": method,
        "seed": seed,
        **asdict(agreement(task, outcome.labels)),
        "n_train": len(task.train_rows),
        "n_scored": int(task.known.sum()),
        "n_unknown_type": int((~task.known).sum()),
        "fit_seconds": outcome.fit_seconds,
        "predict_seconds": outcome.predict_seconds,
        "from_cache": answer.from_cache,
    }


def summarise(rows: list[Row]) -> dict[str, Any]:
    """Mean of every figure per method and group and over groups, and our margins to the peers."""
    methods = list(dict.fromkeys(row["method"] for row in rows))
    groups = list(dict.fromkeys(row["group"] for row in rows))
    figures = ("macro_f1", "median_f1", "accuracy")
    means: dict[str, dict[str, dict[str, float]]] = {
        figure: {method: _means(rows, method, groups, figure) for method in methods}
        for figure in figures
    }
    summary: dict[str, Any] = {"means": means}
    peers = [method for method in methods if method != OURS]
    if OURS in methods and peers:
        summary["margins"] = _margins(rows, means["macro_f1"], peers, groups)
    return summary


def _means(rows: list[Row], method: str, groups: list[str], figure: str) -> dict[str, float]:
    by_group = {
        group: fmean(r[figure] for r in rows if r["method"] == method and r["group"] == group)
        for group in groups
    }
    return {**by_group, "mean": fmean(by_group.values())}


def _margins(
    rows: list[Row], means: dict[str, dict[str, float]], peers: list[str], groups: list[str]
) -> dict[str, Any]:
    """Subtract the macro-F1 of the best peer: on the mean, of each group, of each split."""
    best = max(peers, key=lambda peer: means[peer]["mean"])
    splits = {}
    for task in dict.fromkeys(row["task"] for row in rows):
        mine = fmean(r["macro_f1"] for r in rows if r["task"] == task and r["method"] == OURS)
        theirs = max(r["macro_f1"] for r in rows if r["task"] == task and r["method"] != OURS)
        splits[task] = mine - theirs
    return {
        "best_single_peer": best,
        "to_best_single_peer": means[OURS]["mean"] - means[best]["mean"],
        "to_best_peer_of_group": {
            group: means[OURS][group] - max(means[peer][group] for peer in peers)
            for group in groups
        },
        "to_best_peer_of_split": splits,
    }


def table(summary: dict[str, Any], figure: str = "macro_f1") -> list[str]:
    """Lay the means out as lines of a Markdown table, best first."""
    means = summary["means"][figure]
    columns = list(next(iter(means.values())))
    lines = ["| method | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for method in sorted(means, key=lambda name: -means[name]["mean"]):
        cells = " | ".join(f"{means[method][column]:.4f}" for column in columns)
        lines.append(f"| {method} | {cells} |")
    return lines
