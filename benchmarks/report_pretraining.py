"""The section of the benchmark page that is about pre-training."""

from __future__ import annotations

from statistics import fmean
from typing import Any

Result = dict[str, Any]


def pretraining(result: Result) -> list[str]:
    """Lay out macro-F1 with few labels, and what each method and pre-training cost."""
    *tables, _, labels = few_labels(result)
    return [*tables, "", _cost(result["pretraining"]), "", labels]


def few_labels(result: Result) -> list[str]:
    """Lay out macro-F1 with few labels, and how long learning takes."""
    runs = result["runs"]
    lines: list[str] = []
    for share in dict.fromkeys(row["share"] for row in runs):
        lines += [*_scores([row for row in runs if row["share"] == share], share), ""]
    return [*lines, *_speeds(runs), "", _labels(runs)]


def _scores(runs: list[Result], share: float) -> list[str]:
    """Lay out the macro-F1 of each method at one share of labels, means over draws."""
    groups = list(dict.fromkeys(row["group"] for row in runs))
    lines = [
        f"| macro-F1, {share:.0%} of the labels | {' | '.join(groups)} | mean |",
        "|---" * (len(groups) + 2) + "|",
    ]
    for method in dict.fromkeys(row["method"] for row in runs):
        own = [row for row in runs if row["method"] == method]
        scores = [fmean(row["macro_f1"] for row in own if row["group"] == g) for g in groups]
        figures = [f"{score:.3f}" for score in (*scores, fmean(scores))]
        lines.append(f"| {method} | {' | '.join(figures)} |")
    return lines


def _speeds(runs: list[Result]) -> list[str]:
    """Lay out the best time of each method: long runs are paused, and share the machine."""
    lines = ["| method | seconds to learn, least | cells a second, most |", "|---|---|---|"]
    for method in dict.fromkeys(row["method"] for row in runs):
        own = [row for row in runs if row["method"] == method]
        seconds = min(row["fit_seconds"] for row in own)
        speed = max(row["cells_a_second"] for row in own)
        lines.append(f"| {method} | {seconds:,.1f} | {speed:,.0f} |")
    return lines


def _cost(spent: Result) -> str:
    return (
        f"Pre-training: {spent['seconds'] / 60:.0f} minutes, {spent['steps']:,} steps, "
        f"{spent['cells_a_second']:,.0f} cells a second of {spent['tokens']} tokens; vocabulary "
        f"of {spent['genes']:,} genes. Peak memory of the whole benchmark: "
        f"{spent['peak_gb_of_this_process']:.1f} GB."
    )


def _labels(runs: list[Result]) -> str:
    """Tell how many labelled cells there were, and of how many draws."""
    counts: dict[float, dict[str, int]] = {}
    for row in runs:
        counts.setdefault(row["share"], {})[row["group"]] = row["n_labelled"]
    told = "; ".join(
        f"{share:.0%}: {', '.join(f'{n:,} of {group}' for group, n in of_group.items())}"
        for share, of_group in counts.items()
    )
    return f"Labelled cells at {told}. Draws: {len({row['seed'] for row in runs})}."


def cost(result: Result) -> list[str]:
    """Lay out what each step costs with each encoder."""
    lines = [
        "| step | encoder | cells a second | seconds | peak memory |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {NAMES[row['step']]} | {row['encoder']} | {row['cells_a_second']:,.0f} "
        f"| {row['seconds']:.1f} | {row['peak_gb']:.2f} GB |"
        for row in sorted(result["runs"], key=lambda row: list(NAMES).index(row["step"]))
    ]
    return lines


NAMES = {
    "pre-train": "pre-training, some steps",
    "build": "learning a reference, all of it",
    "annotate": "annotating",
}
SECTIONS = {"cost": cost, "few_labels": few_labels, "pretraining": pretraining}
