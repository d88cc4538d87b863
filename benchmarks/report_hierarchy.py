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
    told = []
    for group in dict.fromkeys(row["group"] for row in levels):
        own = [row for row in levels if row["group"] == group]
        backed_off, right, n_cells = (
            sum(row[key] for row in own)
            for key in ("n_backed_off", "n_backed_off_right", "n_cells")
        )
        of_these = f", and {right / backed_off:.1%} of these are right" if backed_off else ""
        told.append(f"{backed_off / n_cells:.1%} of the cells of {group}{of_these}")
    worst = max(row["inconsistent"] for row in levels)
    lines += ["", f"Share of cells whose two answers disagree, the most of any run: {worst:.0%}."]
    return [*lines, "", f"Without `force` the parent alone is given to {'; to '.join(told)}."]


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
