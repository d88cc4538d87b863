"""Means of the long-tail benchmark, and its tables."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from benchmarks.long_tail_mining_report import PLANTED, is_mined, mining_summary, mining_tables

FIGURES = ("tail_f1", "macro_f1", "accuracy", "medium_f1", "head_f1")
Row = dict[str, Any]


def summary_of(rows: list[Row]) -> dict[str, Any]:
    """Return the runs (data and seed) that every loss and every peer has, and means over them.

    Means run over these shared runs alone, seeds first and then data, so that methods can be
    compared; ``done`` tells what else each method was run on.
    """
    clean = _unmined(rows)
    done: dict[str, list[list[Any]]] = {}
    for row in clean:
        done.setdefault(row["method"], []).append([row["data"], row["seed"]])
    shared = [run for run in next(iter(done.values()), []) if all(run in d for d in done.values())]
    means = {
        method: {
            figure: _mean([r for r in clean if r["method"] == method], shared, figure)
            for figure in FIGURES
        }
        for method in done
        if shared
    }
    return {"shared": shared, "done": done, "means": means, "mining": mining_summary(rows)}


def _mean(rows: list[Row], runs: list[list[Any]], figure: str) -> float:
    data = dict.fromkeys(run[0] for run in runs)
    return fmean(
        fmean(r[figure] for r in rows if r["data"] == name and [name, r["seed"]] in runs)
        for name in data
    )


def _unmined(rows: list[Row]) -> list[Row]:
    """Return the rows of losses and peers that learned once, from labels as they are."""
    return [r for r in rows if not is_mined(r["method"]) and not r["method"].endswith(PLANTED)]


def long_tail(result: dict[str, Any]) -> list[str]:
    """Lay out figures by method and data, and what mining and its guard do."""
    rows = result["rows"]
    clean = _unmined(rows)
    lines = []
    for figure in FIGURES[:3]:
        title = figure.replace("_", " ").replace("f1", "macro-F1").replace("macro macro", "macro")
        lines += [f"**{title}**", "", *_table(clean, result["data"], figure), ""]
    if result["shared"]:
        lines += [
            f"Means over the runs that all losses and peers have: {_told(result['shared'])}.",
            "",
        ]
        lines += [
            "| method | tail | middle | head | macro-F1 | accuracy |",
            "|---|---|---|---|---|---|",
        ]
        means = result["means"]
        for method in sorted(means, key=lambda name: -means[name]["tail_f1"]):
            figures = (
                f"{means[method][figure]:.4f}"
                for figure in ("tail_f1", "medium_f1", "head_f1", "macro_f1", "accuracy")
            )
            lines.append(f"| {method} | {' | '.join(figures)} |")
        lines.append("")
    return [*lines, "**Mining**, with the default loss", "", *mining_tables(result)]


def _told(runs: list[list[Any]]) -> str:
    """Name the seeds of runs: once for all data sets, or by data set."""
    seeds: dict[str, list[str]] = {}
    for data, seed in runs:
        seeds.setdefault(data, []).append(str(seed))
    if len({tuple(own) for own in seeds.values()}) == 1:
        return f"seeds {', '.join(next(iter(seeds.values())))} of all data sets"
    return ", ".join(f"{data} (seeds {', '.join(own)})" for data, own in seeds.items())


def development(result: dict[str, Any]) -> list[str]:
    """Lay out what inner validation says of losses: means over data and seeds, and the tails."""
    rows = result["runs"]
    data = list(dict.fromkeys(row["data"] for row in rows))
    tails = " | ".join(f"tail of {name}" for name in data)
    lines = [
        f"| loss | tail | macro-F1 | accuracy | {tails} |",
        "|---" * (len(data) + 4) + "|",
    ]
    for variant, means in result["means"].items():
        own = [row for row in rows if row["variant"] == variant]
        of_data = (fmean(row["tail_f1"] for row in own if row["data"] == name) for name in data)
        cells = [means["tail_f1"], means["macro_f1"], means["accuracy"], *of_data]
        lines.append(f"| {variant} | {' | '.join(f'{value:.4f}' for value in cells)} |")
    n_seeds = len({row["seed"] for row in rows})
    return [*lines, "", f"Seeds: {n_seeds}."]


def _table(rows: list[Row], data: list[str], figure: str) -> list[str]:
    lines = ["| method | " + " | ".join(data) + " |", "|---" * (len(data) + 1) + "|"]
    for method in dict.fromkeys(row["method"] for row in rows):
        found = []
        for name in data:
            own = [r[figure] for r in rows if r["method"] == method and r["data"] == name]
            found.append(f"{fmean(own):.4f}" if own else "not run")
        lines.append(f"| {method} | {' | '.join(found)} |")
    return lines
