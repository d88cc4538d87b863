"""What mining and its guard do, by the long-tail benchmark: means and tables."""

from __future__ import annotations

from statistics import fmean
from typing import Any

PLANTED = "|errors"
"""Ends the names of methods that learned from labels with planted errors."""
FIGURES = ("macro_f1", "tail_f1", "accuracy")
Row = dict[str, Any]


def is_mined(method: str) -> bool:
    """Tell whether a method mines, in one way or another."""
    return "+" in method


def mining_summary(rows: list[Row]) -> dict[str, Any]:
    """Return means with and without mining, over the runs that all ways have, and the guard's.

    Labels are ``"given"``, or ``"wrong"`` where errors were planted.
    """
    mined_with = {row["method"].split("+")[0] for row in rows if is_mined(row["method"])}
    parts = {"given": "", "wrong": PLANTED}
    found: dict[str, Any] = {}
    for labels, ending in parts.items():
        by_method: dict[str, dict[tuple[str, int], Row]] = {}
        for row in rows:
            name, end = _split(row["method"])
            if end == ending and name.split("+")[0] in mined_with:
                by_method.setdefault(name, {})[row["data"], row["seed"]] = row
        runs = [
            run
            for run in next(iter(by_method.values()), {})
            if all(run in own for own in by_method.values())
        ]
        found[labels] = {
            "runs": [list(run) for run in runs],
            "means": {name: _means(own, runs) for name, own in by_method.items() if runs},
        }
    return found | {"guard": _guard(rows)}


def mining_tables(result: dict[str, Any]) -> list[str]:
    """Lay out macro-F1 with and without mining by data set, and how good the guard was."""
    data = result["data"]
    lines = [
        f"| labels | method | {' | '.join(data)} | macro-F1 | tail | accuracy |",
        "|---" * (len(data) + 5) + "|",
    ]
    for labels in ("given", "wrong"):
        for method, means in result["mining"][labels]["means"].items():
            cells = [means["by_data"].get(name) for name in data]
            cells += [means[figure] for figure in FIGURES]
            shown = " | ".join("not run" if cell is None else f"{cell:.4f}" for cell in cells)
            lines.append(f"| {labels} | {method} | {shown} |")
    n_runs = len(result["mining"]["wrong"]["runs"])
    lines += [
        "",
        "With *wrong* labels, 5 % of those learned from were replaced; the test keeps its own.",
        f"Means over {n_runs} runs that all have. What the guard caught of the planted errors:",
        "",
        "| data | runs | wrong labels | looked mislabelled | recall | precision |",
        "|---|---|---|---|---|---|",
    ]
    for guard in result["mining"]["guard"]:
        lines.append(
            f"| {guard['data']} | {guard['n_runs']} | {guard['n_wrong']} "
            f"| {guard['n_suspicious']} | {guard['recall']:.3f} | {guard['precision']:.3f} |"
        )
    return lines


def _split(method: str) -> tuple[str, str]:
    name = method.removesuffix(PLANTED)
    return name, method[len(name) :]


def _means(rows: dict[tuple[str, int], Row], runs: list[tuple[str, int]]) -> dict[str, Any]:
    """Return each figure's mean, seeds first and then data, and macro-F1 of each data set."""
    by_data: dict[str, list[Row]] = {}
    for run in runs:
        by_data.setdefault(run[0], []).append(rows[run])
    means = {
        figure: fmean(fmean(row[figure] for row in own) for own in by_data.values())
        for figure in FIGURES
    }
    macro = {name: fmean(row["macro_f1"] for row in own) for name, own in by_data.items()}
    return {**means, "by_data": macro}


def _guard(rows: list[Row]) -> list[Row]:
    """Return what the guard caught of planted errors, by data set, runs added up."""
    guarded = [row for row in rows if row["method"].endswith(f"+guard{PLANTED}")]
    found = []
    for data in dict.fromkeys(row["data"] for row in guarded):
        own = [row for row in guarded if row["data"] == data]
        wrong, suspicious, caught = (
            sum(row[name] for row in own) for name in ("n_wrong", "n_suspicious", "n_caught")
        )
        found.append(
            {
                "data": data,
                "n_runs": len(own),
                "n_wrong": wrong,
                "n_suspicious": suspicious,
                "recall": caught / wrong,
                "precision": caught / max(1, suspicious),
            }
        )
    return found
