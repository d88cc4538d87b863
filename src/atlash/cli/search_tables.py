"""What a search found, for a person and for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from atlash.cli.frames import without_bytes
from atlash.cli.tables import print_written

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pyarrow as pa

    from atlash.tl.hits import Hits

MAX_LABELS = 20
MAX_HITS = 20
"""Hits shown: as many of each query as there is room for, and one at least."""
_NOT_SHOWN = ("score", "row")
"""Columns of the table of hits that say little to a person."""


def hits_summary(hits: Hits, output: Path | None) -> dict[str, Any]:
    """Return what was found, as plain JSON: by label, and how anchors and neighbours agree."""
    import pandas as pd

    votes, found = hits.votes(), hits.composition()
    compared = votes["agrees"].dropna()
    labels = found[found["hits"] > 0].sort_values("hits", ascending=False, kind="stable")
    return {
        "queries": len(hits),
        "hits": len(hits.rows),
        "queries_without_hits": int((votes["n_hits"] == 0).sum()),
        "agreement": float(compared.mean()) if len(compared) else None,
        "labels": [
            {
                "label": str(row["label"]) if pd.notna(row["label"]) else None,
                "cells": int(row["hits"]),
                "share": float(row["share"]),
                "enrichment": float(row["enrichment"]),
                "q_value": float(row["q_value"]),
            }
            for row in labels.to_dict("records")
        ],
        "search": hits.info,
        "output": None if output is None else str(output),
    }


def print_nearest(rows: pa.Table, n_queries: int) -> None:
    """Print the nearest hits of each query.

    Parameters
    ----------
    rows
        From :meth:`atlash.tl.Hits.to_arrow`.
    n_queries
        Number of queries.
    """
    import numpy as np

    of_each = max(MAX_HITS // max(n_queries, 1), 1)
    near = np.flatnonzero(rows["rank"].to_numpy() <= of_each)[:MAX_HITS]
    if not len(near):
        return
    console = Console()
    shown = without_bytes(rows.take(near).drop_columns(list(_NOT_SHOWN)))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in shown.column_names:
        table.add_column(Text(name), overflow="fold")
    for row in zip(*(column.to_pylist() for column in shown.columns), strict=True):
        table.add_row(*(Text("" if value is None else str(value)) for value in row))
    console.print(table)
    if len(near) < len(rows):
        console.print(
            f"These are {len(near)} of {len(rows):,} hits; --output writes all to a file, "
            "--json prints them\n"
        )


def print_hits(summary: Mapping[str, Any]) -> None:
    """Print what a search found."""
    console = Console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Label of the cells found", overflow="fold")
    for name in ("Cells", "Share", "Enrichment", "q"):
        table.add_column(name, justify="right")
    for row in summary["labels"][:MAX_LABELS]:
        counts = f"{row['cells']:,}", f"{row['share']:.1%}"
        odds = f"{row['enrichment']:.2f}", f"{row['q_value']:.1g}"
        table.add_row(Text(row["label"] or "(no label)"), *counts, *odds)
    if len(summary["labels"]) > MAX_LABELS:
        table.add_row(f"and {len(summary['labels']) - MAX_LABELS} more", "", "", "", "")
    if summary["labels"]:
        console.print(table)
    info = summary["search"]
    console.print(
        f"{summary['hits']:,} hits of {summary['queries']:,} cells, each cell found counted once"
        + (f"; {n:,} without a hit" if (n := summary["queries_without_hits"]) else "")
    )
    if summary["agreement"] is not None:
        console.print(f"Neighbours and nearest anchor agree on {summary['agreement']:.1%}")
    exact = "exact" if info["exact"] else "approximate"
    console.print(
        f"Searched {info['n_candidates']:,} cells ({info['method']}, {exact}, ranked by "
        f"{info['ranking']}, {info['scanned']:.1%} compared)"
    )
    seconds = info["seconds"]
    console.print(f"Time: {seconds['encode']:.1f} s encoding, {seconds['search']:.1f} s searching")
    if summary["output"]:
        print_written(console, summary["output"])
