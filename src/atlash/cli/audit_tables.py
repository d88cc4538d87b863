"""What an audit found, for a person to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from atlash.cli.tables import print_written

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from atlash.reference.audit import AuditReport

MAX_PAIRS = 10
"""Pairs of types and bits shown; the rest are counted."""


def print_audit(report: AuditReport, reference: Path, output: Path | None) -> None:
    """Print what was found, a line each, and the pairs of types behind it."""
    summary = report.summary
    console = Console()
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    facts.add_row("Reference", Text(str(reference)))
    facts.add_row("Cells", Text(f"{summary['cells']:,}{_batches(summary)}"))
    for name, text in (
        ("Same code", _same_code(summary["duplicates"]["by_code"])),
        ("Same name", _same_name(summary["duplicates"]["by_name"])),
        ("Midway", _midway(summary["midway"])),
        ("Other label", _mislabelled(summary["mislabelled"])),
        ("Dead bits", f"{summary['bits']['dead']} of {summary['bits']['n_bits']}"),
        ("Batch bits", _batch_bits(summary["bits"])),
    ):
        facts.add_row(name, Text(text))
    console.print(facts)
    _print_pairs(
        console,
        ("Label", "Nearer to", "Cells", "Of the label"),
        [
            (pair["label"], pair["nearest"], f"{pair['cells']:,}", f"{pair['share_of_label']:.1%}")
            for pair in summary["mislabelled"]["pairs"]
        ],
    )
    _print_pairs(
        console,
        ("Midway between", "and", "Cells"),
        [
            (pair["first"], pair["second"], f"{pair['cells']:,}")
            for pair in summary["midway"].get("pairs", [])
        ],
    )
    _print_bits(console, report)
    if output is not None:
        print_written(console, output)


def _batches(summary: Mapping[str, Any]) -> str:
    if summary["batch_column"] is None:
        return "; no column with batches (--batch-key names one)"
    return f" of {summary['batches']:,} batches in {summary['batch_column']!r}"


def _same_code(found: Mapping[str, Any]) -> str:
    if "skipped" in found:
        return f"not told: {found['skipped']}"
    across, within = found["pairs_across_batches"], found["pairs_within_batches"]
    return (
        f"{found['cells']:,} cells in {found['groups']:,} groups, "
        f"{found['groups_across_batches']:,} of them across batches, "
        f"{found['groups_with_one_name']:,} with like names\n"
        f"pairs across batches: {_observed(across)}\npairs within batches: {_observed(within)}"
    )


def _observed(pairs: Mapping[str, float]) -> str:
    return f"{pairs['observed']:,}, about {pairs['expected_by_chance']:,.4g} expected by chance"


def _same_name(found: Mapping[str, Any]) -> str:
    if "skipped" in found:
        return f"not told: {found['skipped']}"
    if not found["pairs"]:
        return "no pairs across batches"
    text = (
        f"{found['pairs']:,} pairs across batches, {found['pairs_of_one_label']:,} of one label; "
        f"{found['pairs_of_one_label_expected']:,.4g} expected if names were used again"
    )
    likely = found["likely_one_cell"]
    return text if likely is None else f"{text}, so that about {likely:,.0f} are one cell"


def _midway(found: Mapping[str, Any]) -> str:
    if "skipped" in found:
        return f"not told: {found['skipped']}"
    return (
        f"{found['cells']:,} cells are at most {found['margin_at_most']} bits nearer to one type "
        f"than to another (types are at least {found['least_anchor_distance']} bits apart)"
    )


def _mislabelled(found: Mapping[str, Any]) -> str:
    return (
        f"{found['cells']:,} of {found['judged']:,} cells are nearer to another type than to that "
        f"of their label, {found['sure']:,} by {found['sure_margin']} bits or more"
    )


def _batch_bits(bits: Mapping[str, Any]) -> str:
    found = bits["batch_revealing"]
    if "skipped" in found:
        return f"not told: {found['skipped']}"
    return (
        f"{found['bits']} of {bits['n_bits']} reveal the batch within types (association above "
        f"{found['threshold']:.2f}; greatest {found['greatest']:.2f}, median "
        f"{found['median']:.2f}, greatest by chance {found['greatest_by_chance']:.2f})"
    )


def _print_pairs(console: Console, header: Sequence[str], rows: Sequence[tuple[str, ...]]) -> None:
    if not rows:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(header):
        if place < 2:
            table.add_column(name, overflow="fold")
        else:
            table.add_column(name, justify="right")
    for row in rows[:MAX_PAIRS]:
        table.add_row(*map(Text, row))
    if len(rows) > MAX_PAIRS:
        table.add_row(f"and {len(rows) - MAX_PAIRS} more")
    console.print(table)


def _print_bits(console: Console, report: AuditReport) -> None:
    import pandas as pd

    odd = report.bits[report.bits["dead"] | report.bits["batch_revealing"]]
    if odd.empty:
        return
    odd = odd.sort_values(["batch_revealing", "batch_association"], ascending=False, kind="stable")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("Bit", "Part", "Ones", "Dead within types", "Batch association"):
        table.add_column(name, justify="left" if name == "Part" else "right")
    forms = {"ones": ".1%", "dead_within_types": ".0%", "batch_association": ".2f"}
    for _, row in odd[:MAX_PAIRS].iterrows():
        numbers = (
            "" if pd.isna(row[name]) else f"{row[name]:{form}}" for name, form in forms.items()
        )
        table.add_row(str(row["bit"]), str(row["part"]), *numbers)
    if len(odd) > MAX_PAIRS:
        table.add_row(f"and {len(odd) - MAX_PAIRS} more")
    console.print(table)
