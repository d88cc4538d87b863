"""Tables that a person can read, and JSON for machines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from atlash.reference.versions import Version
    from atlash.tl.scores import Scores

MAX_TYPES = 40
"""Types shown; the rest are counted."""


def print_json(content: Mapping[str, Any]) -> None:
    """Print JSON, and nothing else, on standard output."""
    Console(soft_wrap=True, highlight=False).print(
        json.dumps(content, indent=1), markup=False, emoji=False
    )


def print_written(console: Console, output: Path | str) -> None:
    """Say where results are; a name in brackets or colons is no markup."""
    console.print(Text(f"Written: {output}"), soft_wrap=True)


def print_reference(
    info: Mapping[str, Any], path: Path, *, version: Version | None = None
) -> None:
    """Print what a reference holds, and which version of it that is."""
    console = Console()
    anchors, learned = info["learned"]["anchors"], info["learned"]
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    facts.add_row("Reference", Text(str(path)))
    missing = info["n_unlabelled"]
    seen = info.get("n_unlabelled_seen", 0)
    used_for = f"{seen:,} of them told which genes vary" if seen else "left out when built"
    left_out = f" ({missing:,} without a label, {used_for})" if missing else ""
    facts.add_row("Cells", f"{info['n_cells']:,}{left_out}")
    used = f"{info['n_genes_used']:,} used of {info['n_genes']:,}"
    facts.add_row(
        "Genes", Text(f"{used}, named like {info['example_gene']} ({info['genes_named_by']})")
    )
    facts.add_row(
        "Codes",
        f"{info['n_bits']} bits for the type, {info['n_detail_bits']} of detail; anchors of "
        f"learned types at least {anchors['min_distance']} apart",
    )
    facts.add_row("Columns", Text(", ".join(info["columns"])))
    facts.add_row("Held out", f"{learned['held_out_accuracy']:.1%} of cells labelled right")
    if "mining" in learned:
        mining = learned["mining"]
        again = "learned again" if mining["n_steps"] else "listed"
        facts.add_row(
            "Mined",
            f"{mining['n_hard']:,} hard cells {again}; "
            f"{mining['n_suspicious']:,} cells that look mislabelled left out of learning",
        )
    facts.add_row("Fingerprint", info["fingerprint"][:16])
    facts.add_row(
        "Made",
        f"{info['created']} by atlash {info['atlash_version']}, seed {info['random_state']}",
    )
    if version is not None:
        done = f" ({version.note}, {version.date})" if version.note else ""
        facts.add_row("Version", Text(f"{version.number}{done}"))
    console.print(facts)
    _print_types(console, info)


def _print_types(console: Console, info: Mapping[str, Any]) -> None:
    """Print the cells of each label, now and when the reference was built."""
    types = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    types.add_column("Type", overflow="fold")
    for name in ("Cells", "When built"):
        types.add_column(name, justify="right")
    parents = info.get("parents", {})
    if parents:
        types.add_column("Parent", overflow="fold")
    registered = {entry["name"] for entry in info.get("registered", [])}
    counts = info.get("labels", info["types"])
    counts = {name: counts.get(name, 0) for name in [*counts, *info["types"]]}
    for name, count in sorted(counts.items(), key=lambda item: -item[1])[:MAX_TYPES]:
        learned = f"{info['types'][name]:,}" if name in info["types"] else "not learned"
        beside = " (registered)" if name in registered else ""
        above = [Text(parents.get(name, ""))] if parents else []
        types.add_row(Text(name), f"{count:,}", learned + beside, *above)
    if len(counts) > MAX_TYPES:
        types.add_row(f"and {len(counts) - MAX_TYPES} more", "", "")
    if without := info["n_cells"] - sum(counts.values()):
        types.add_row("(no label)", f"{without:,}", "")
    console.print(types)


def print_annotation(summary: Mapping[str, Any], output: Path) -> None:
    """Print what was found in a query."""
    console = Console()
    if "parents" in summary:
        console.print(_found("Parent", summary["parents"]))
    console.print(_found("Label", summary["labels"]))
    if "parent_only" in summary:
        console.print(f"Parent only: {summary['parent_only']:,} of {summary['cells']:,} cells")
    reasons = ", ".join(f"{n:,} {reason}" for reason, n in summary["unassigned"].items() if n)
    total = sum(summary["unassigned"].values())
    console.print(
        f"Unassigned: {total:,} of {summary['cells']:,} cells"
        + (f" ({reasons})" if reasons else "")
    )
    genes = summary["genes"]
    console.print(
        f"Genes: {genes['shared']:,} of the reference's {genes['reference']:,} measured, "
        f"{genes['weight_shared']:.0%} of the encoder's weight; values read as {summary['scale']}"
    )
    console.print(f"Time: {summary['seconds']:.1f} s ({summary['cells_per_second']:,.0f} cells/s)")
    print_written(console, output)


def _found(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Lay out the cells of each label."""
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    found.add_column(title, overflow="fold")
    for name in ("Cells", "Share", "Median confidence"):
        found.add_column(name, justify="right")
    for row in rows[:MAX_TYPES]:
        counts = f"{row['cells']:,}", f"{row['share']:.1%}"
        found.add_row(Text(row["label"]), *counts, f"{row['median_confidence']:.2f}")
    if len(rows) > MAX_TYPES:
        found.add_row(f"and {len(rows) - MAX_TYPES} more", "", "", "")
    return found


def print_scores(scores: Scores) -> None:
    """Print precision, recall and F1 of each type, and what they come to."""
    console = Console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Type", overflow="fold")
    for name in ("Cells", "Precision", "Recall", "F1"):
        table.add_column(name, justify="right")
    for kind, row in scores.per_type.iterrows():
        values = (f"{row[key]:.3f}" for key in ("precision", "recall", "f1"))
        table.add_row(Text(str(kind)), f"{int(row['cells']):,}", *values)
    console.print(table)
    console.print(
        f"Accuracy {scores.accuracy:.3f}   macro-F1 {scores.macro_f1:.3f}   "
        f"unassigned {scores.n_unassigned:,} of {scores.n_cells:,} "
        f"(right among the assigned: {scores.accuracy_assigned:.3f})"
    )


def print_clusters(summary: Mapping[str, Any]) -> None:
    """Print the clusters that were found."""
    console = Console()
    _print_found_clusters(console, summary)
    if (did := summary["integration"]) is not None:
        console.print(
            f"Batches among a cell's nearest (iLISI, 0 apart to 1 mixed): "
            f"{did['before']['ilisi']:.2f} before, {did['after']['ilisi']:.2f} after; "
            f"{did['kept_neighbours']:.0%} of the nearest in a cell's own batch stayed so"
        )
    console.print(
        f"{summary['n_clusters']} clusters of {summary['cells']:,} cells in "
        f"{summary['seconds']:.1f} s; {summary['n_before_joining']} before joining those that the "
        "counts do not tell apart"
    )
    print_written(console, summary["output"])


def print_assigned(summary: Mapping[str, Any]) -> None:
    """Print how many cells fell into each of the clusters found before."""
    console = Console()
    _print_found_clusters(console, summary)
    n_taken = sum(row["cells"] > 0 for row in summary["clusters"])
    of_all = f"{n_taken} of the {summary['n_clusters']} clusters found before"
    console.print(f"{summary['cells']:,} cells in {of_all}")
    print_written(console, summary["output"])


def _print_found_clusters(console: Console, summary: Mapping[str, Any]) -> None:
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    found.add_column("Cluster")
    for name in ("Cells", "Share", "Stability", "Median membership"):
        found.add_column(name, justify="right")
    for row in summary["clusters"][:MAX_TYPES]:
        counts = f"{row['cells']:,}", f"{row['share']:.1%}", f"{row['stability']:.2f}"
        median = row["median_membership"]
        found.add_row(row["cluster"], *counts, "" if median is None else f"{median:.2f}")
    if len(summary["clusters"]) > MAX_TYPES:
        found.add_row(f"and {len(summary['clusters']) - MAX_TYPES} more", "", "", "", "")
    console.print(found)
    if summary["unassigned"]:
        console.print(f"Unassigned: {summary['unassigned']:,} cells without counts")
