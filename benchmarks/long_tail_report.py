"""Means of the long-tail benchmark, and its tables."""

from __future__ import annotations

from statistics import fmean
from typing import Any

FIGURES = ("tail_f1", "macro_f1", "accuracy", "medium_f1", "head_f1")
PLANTED = "|errors"
"""Ends the names of methods that learned from labels with planted errors."""
Row = dict[str, Any]


def summary_of(rows: list[Row]) -> dict[str, Any]:
    """Return the runs (data and seed) that every loss and every peer has, and means over them.

    Means run over these shared runs alone, seeds first and then data, so that methods can be
    compared; ``done`` tells what else each method was run on.
    """
    clean = [row for row in rows if "+" not in row["method"] and PLANTED not in row["method"]]
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
    return {"shared": shared, "done": done, "means": means, "planted": _planted(rows)}


def _mean(rows: list[Row], runs: list[list[Any]], figure: str) -> float:
    data = dict.fromkeys(run[0] for run in runs)
    return fmean(
        fmean(r[figure] for r in rows if r["data"] == name and [name, r["seed"]] in runs)
        for name in data
    )


def _planted(rows: list[Row]) -> list[Row]:
    """Return, for each run of mining with planted errors, how good the guard was."""
    return [
        {
            "data": row["data"],
            "seed": row["seed"],
            "method": row["method"],
            "n_wrong": row["n_wrong"],
            "n_suspicious": row["n_suspicious"],
            "recall": row["n_caught"] / row["n_wrong"],
            "precision": row["n_caught"] / row["n_suspicious"],
        }
        for row in rows
        if row.get("n_suspicious") and row["n_wrong"]
    ]


def long_tail(result: dict[str, Any]) -> list[str]:
    """Lay out figures by method and data, the guard, and what learning from errors costs."""
    rows = result["rows"]
    clean = [row for row in rows if not row["method"].endswith(PLANTED)]
    lines = []
    for figure in FIGURES[:3]:
        title = figure.replace("_", " ").replace("f1", "macro-F1").replace("macro macro", "macro")
        lines += [f"**{title}**", "", *_table(clean, result["data"], figure), ""]
    if result["shared"]:
        seeds: dict[str, list[str]] = {}
        for data, seed in result["shared"]:
            seeds.setdefault(data, []).append(str(seed))
        names = ", ".join(f"{data} ({', '.join(own)})" for data, own in seeds.items())
        lines += [
            f"Means over the runs that all losses and peers have (seeds), no mining: {names}.",
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
    return [*lines, *_errors(rows, result)]


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
        shown = method.replace("|", ", ")  # a bar would end the cell
        lines.append(f"| {shown} | {' | '.join(found)} |")
    return lines


def _errors(rows: list[Row], result: dict[str, Any]) -> list[str]:
    lines = []
    if result["planted"]:
        lines += [
            "Planted errors (5 % of training labels): what the guard caught.",
            "",
            "| data | seed | wrong labels | looked mislabelled | recall | precision |",
            "|---|---|---|---|---|---|",
            *(
                f"| {r['data']} | {r['seed']} | {r['n_wrong']} | {r['n_suspicious']} "
                f"| {r['recall']:.3f} | {r['precision']:.3f} |"
                for r in result["planted"]
            ),
            "",
        ]
    wrong = [row for row in rows if row["method"].endswith(PLANTED)]
    if wrong:
        lines += ["Learned from these labels, macro-F1 on true ones:", ""]
        lines += _table(wrong, result["data"], "macro_f1")
    return lines
