"""The section of the benchmark page that is about parent and sub types."""

from __future__ import annotations

from typing import Any

Result = dict[str, Any]


def hierarchy(result: Result) -> list[str]:
    """Lay out macro-F1 at both levels, and what backing off gives."""
    lines = [*_means(result), "", _coverage(result)]
    levels = [row for row in result["runs"] if "inconsistent" in row]
    if not levels:
        return lines
    backed_off = sum(row["n_backed_off"] for row in levels)
    right = sum(row["n_backed_off_right"] for row in levels)
    n_cells = sum(row["n_cells"] for row in levels)
    share = f"{right / backed_off:.1%} of these parents are right" if backed_off else "none"
    worst = max(row["inconsistent"] for row in levels)
    told = (
        f"Share of cells whose two answers disagree, at most over all runs: {worst:.0%}. Without "
        f"`force` {backed_off / n_cells:.1%} of the cells are given their parent only; {share}."
    )
    return [*lines, "", told]


def _means(result: Result) -> list[str]:
    means = result["means"]
    columns = list(next(iter(means.values())))
    return [
        "| macro-F1 | " + " | ".join(columns) + " |",
        "|---" * (len(columns) + 1) + "|",
        *(
            f"| {variant} | " + " | ".join(f"{row[column]:.4f}" for column in columns) + " |"
            for variant, row in means.items()
        ),
    ]


def _coverage(result: Result) -> str:
    """Name the splits that the means are over: a run may have been cut short."""
    groups: dict[str, set[str]] = {}
    seeds = {row["seed"] for row in result["runs"]}
    for row in result["runs"]:
        groups.setdefault(row["group"], set()).add(row["task"])
    splits = ", ".join(f"{len(tasks)} of {group}" for group, tasks in groups.items())
    return f"Splits: {splits}; seeds: {', '.join(map(str, sorted(seeds)))}."


SECTIONS = {"hierarchy": hierarchy, "hierarchy_development": hierarchy}
