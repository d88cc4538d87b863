"""Unknown types: how well a score tells cells of a type that training never saw."""

from __future__ import annotations

import argparse
from statistics import fmean
from typing import TYPE_CHECKING, Any

from benchmarks.held_out_types import DATASETS, held_out_types
from benchmarks.machine import write_result
from benchmarks.outcome import Cached, cached
from benchmarks.peers import REJECTORS
from benchmarks.scores import rejection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.tasks import Task

OURS = "atlash"
N_STEPS = 50
"""Few: the score comes from a space made without the encoder, which may stay half trained."""
JUDGED_TOGETHER = ("kang", "pbmc_cross", "sc_mixology")
Row = dict[str, Any]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks unknown-types", description=__doc__
    )
    parser.add_argument("--only", choices=["ours", "peers"], help="leave the other half out")
    parser.add_argument("--datasets", nargs="+", choices=DATASETS, default=list(DATASETS))
    options = parser.parse_args(arguments)
    rows = []
    for dataset in options.datasets:
        for task in held_out_types(dataset):
            for row in _run(task, options.only):
                rows.append(row)
                print(
                    f"{dataset:12} {row['type']:28} {row['method']:18} AUROC {row['auroc']:.3f} "
                    f"caught {row['caught']:.2f}",
                    flush=True,
                )
    result = {"types": rows, "summary": summarise(rows)}
    for method, means in result["summary"]["mean_auroc"].items():
        print(f"{method:18}", {name: round(value, 4) for name, value in means.items()})
    print(write_result("unknown_types", result, half=options.only))


def _run(task: Task, only: str | None) -> Iterator[Row]:
    if only != "ours":
        for name, peer in REJECTORS.items():
            # The same function serves two names where a classifier's doubt is the score.
            yield _row(task, name, cached(peer.__name__, task, peer))
    if only != "peers":
        from benchmarks.product import Settings, annotate_task  # peers run without atlash

        yield _row(task, OURS, annotate_task(task, 0, Settings((("n_steps", N_STEPS),))))


def _row(task: Task, method: str, answer: Cached) -> Row:
    unknown = ~task.known
    auroc, caught = rejection(answer.outcome.novelty, unknown)
    return {
        "dataset": task.group,
        "type": task.name.rpartition("/")[2],
        "method": method,
        "auroc": auroc,
        "caught": caught,
        "n_unknown": int(unknown.sum()),
        "n_known": int(task.known.sum()),
        "from_cache": answer.from_cache,
    }


def summarise(rows: list[Row]) -> dict[str, Any]:
    """Mean AUROC and mean share caught per method and data set, and our margins to the peers."""
    methods = list(dict.fromkeys(row["method"] for row in rows))
    datasets = list(dict.fromkeys(row["dataset"] for row in rows))
    auroc, caught = (
        {method: _means(rows, method, datasets, figure) for method in methods}
        for figure in ("auroc", "caught")
    )
    summary: dict[str, Any] = {"mean_auroc": auroc, "mean_caught": caught}
    peers = [method for method in methods if method != OURS]
    if OURS in methods and peers:
        summary["margin_to_best_peer"] = {
            dataset: auroc[OURS][dataset] - max(auroc[peer][dataset] for peer in peers)
            for dataset in datasets
        }
    return summary


def _means(rows: list[Row], method: str, datasets: list[str], figure: str) -> dict[str, float]:
    means = {
        dataset: fmean(
            r[figure] for r in rows if r["method"] == method and r["dataset"] == dataset
        )
        for dataset in datasets
    }
    together = [means[dataset] for dataset in JUDGED_TOGETHER if dataset in means]
    return {**means, "first_three": fmean(together)} if together else means
