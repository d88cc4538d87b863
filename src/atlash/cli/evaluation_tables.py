"""What an evaluation found, for a person to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from atlash.cli.tables import MAX_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from atlash.tl.evaluation import Level

MAX_CONFUSIONS = 5
"""Pairs of types shown that are taken for each other most."""

# short, so that long names of types stay whole on 80 columns
_MEASURES = {"precision": "Prec.", "recall": "Recall", "f1": "F1", "unassigned": "Unass."}
_AVERAGES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_precision": "Macro precision",
    "macro_f1": "Macro-F1",
    "weighted_f1": "Weighted F1",
    "median_f1": "Median F1",
    "unassigned": "Unassigned",
}


def print_evaluation(level: Level, *, titled: bool = False) -> None:
    """Print types by size, what they come to, and what goes wrong most.

    Parameters
    ----------
    level
        What was found.
    titled
        Say first which level it is.
    """
    console, summary = Console(), level.summary
    if titled:
        console.rule(Text(f"Level: {level.name}"), align="left", characters="-")
    segmented = summary["segments"] is not None
    present = level.per_type[level.per_type["cells"] > 0]
    console.print(_types(present, segmented=segmented))
    console.print(_totals(summary))
    absent = summary["reference_types"] - len(present)
    if absent:
        console.print(f"{absent} of the reference's types do not occur and do not count.")
    if len(level.unknown_types):
        console.print(_unknown(level.unknown_types))
    if len(level.confusions):
        console.print(_confusions(level.confusions))
    for line in _facts(summary):
        console.print(line, highlight=False)


def _types(rows: pd.DataFrame, *, segmented: bool) -> Table:
    table = _table("Type", "Cells", *(["Train", "Segment"] if segmented else []))
    for title in _MEASURES.values():
        table.add_column(title, justify="right")
    for name, row in rows.head(MAX_TYPES).iterrows():
        learned = [f"{row['training_cells']:,}", row["segment"]] if segmented else []
        values = (_measure(key, row[key]) for key in _MEASURES)
        table.add_row(Text(str(name)), f"{row['cells']:,}", *learned, *values)
    if len(rows) > MAX_TYPES:
        table.add_row(f"and {len(rows) - MAX_TYPES} more")
    return table


def _totals(summary: Mapping[str, Any]) -> Table:
    parts = {"all": summary["known"], **(summary["segments"] or {})}
    parts = {name: part for name, part in parts.items() if part["types"]}
    table = _table("Over types", *parts)
    for title, key in (("Types", "types"), ("Cells", "cells")):
        table.add_row(title, *(f"{part[key]:,}" for part in parts.values()))
    for key, title in _AVERAGES.items():
        table.add_row(title, *(_measure(key, part[key]) for part in parts.values()))
    return table


def _unknown(rows: pd.DataFrame) -> Table:
    table = _table("Unknown to the reference", "Cells", "Unassigned")
    table.add_column("Others are called", overflow="fold")
    for name, row in rows.head(MAX_TYPES).iterrows():
        taken = row["most_often"]
        called = f"{taken} ({row['most_often_cells']:,})" if taken is not None else ""
        shares = f"{row['cells']:,}", f"{row['caught']:.1%}"
        table.add_row(Text(str(name)), *shares, Text(called))
    if len(rows) > MAX_TYPES:
        table.add_row(f"and {len(rows) - MAX_TYPES} more")
    return table


def _confusions(rows: pd.DataFrame) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("Most often wrong", "is called"):
        table.add_column(title, overflow="fold")
    for title in ("Cells", "Of the type"):
        table.add_column(title, justify="right")
    for _, row in rows.head(MAX_CONFUSIONS).iterrows():
        names = Text(row["truth"]), Text(row["given"])
        table.add_row(*names, f"{row['cells']:,}", f"{row['share']:.1%}")
    return table


def _facts(summary: Mapping[str, Any]) -> list[str]:
    known, unknown = summary["known"], summary["unknown"]
    left = f"; {summary['unlabelled']:,} without a type left out" if summary["unlabelled"] else ""
    lines = [f"Cells: {summary['cells']:,} with a type{left}"]
    right = summary["accuracy_assigned"]
    nearest = summary["accuracy_nearest"]
    parts = [f"Unassigned: {known['unassigned']:.1%} of the cells of known types"]
    if unknown["cells"]:
        parts.append(f"{unknown['caught']:.1%} of those of unknown types")
    if right is not None:
        parts.append(f"of all assigned cells {right:.1%} are right")
    lines.append("; ".join(parts))
    if summary["parent_only"] is not None and summary["parent_only"]["cells"]:
        found = summary["parent_only"]
        lines.append(
            f"Given a parent alone: {found['cells']:,} cells ({found['share']:.1%}), the right "
            f"one for {found['parent_right']:,} of {found['parent_known']:,} whose parent is known"
        )
    if nearest is not None:
        lines.append(f"Nearest type, assigned or not: right for {nearest:.1%}")
    if summary["calibration"] is not None:
        found = summary["calibration"]
        lines.append(
            f"Confidence: {found['mean_confidence']:.3f} on average, and "
            f"{found['accuracy']:.3f} are right (calibration error {found['ece']:.3f})"
        )
    if summary["sets"] is not None:
        found = summary["sets"]
        lines.append(
            f"Sets: hold the true type for {found['coverage']:.1%}, with {found['mean_size']:.2f} "
            "types on average"
        )
    return lines


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column(first, overflow="fold")
    for title in others:
        table.add_column(title, justify="left" if title == "Segment" else "right")
    return table


def _measure(name: str, value: float) -> str:
    return f"{value:.1%}" if name == "unassigned" else f"{value:.3f}"
