"""The sections of the benchmark page that are about search and growth."""

from __future__ import annotations

from statistics import median
from typing import Any

Result = dict[str, Any]
FIGURES = {
    "map_50": "mAP@50",
    "map_100": "mAP@100",
    "recall_cosine_centred": "recall@50 inside types",
    "recall_cosine": "the same, batches not centred",
    "recall_euclidean_centred": "the same, Euclidean truth",
    "recall_euclidean": "the same, Euclidean, batches not centred",
}


def search_kernel(result: Result) -> list[str]:
    """Lay out the scan beside faiss, the pruned search, and other methods."""
    lines = [
        "| codes | k | flat, ms a query | times faiss flat | times the floor | two threads |",
        "|---|---|---|---|---|---|",
    ]
    for codes in ("uniform_1000000", "uniform_10000000", "cells_1000000", "cells_10000000"):
        for k in ("k10", "k100"):
            row = result[codes][k]
            lines.append(
                f"| {codes.replace('_', ' ')} | {k[1:]} | {row['flat']['median_cpu_ms']:.3f} "
                f"| {row['times_faster_than_faiss']:.1f} | {row['times_the_floor']:.2f} "
                f"| {row['threads']['speedup_median']:.2f} |"
            )
    lines += ["", "| codes | k | lone query, flat, ms | pruned, ms | compared | recall |",
              "|---|---|---|---|---|---|"]  # fmt: skip
    for codes in ("cells_1000000", "cells_10000000"):
        for k in ("k10", "k100"):
            flat, pruned = result[codes][k]["flat_lone"], result[codes]["pruned"][k]
            lines.append(
                f"| {codes.replace('_', ' ')} | {k[1:]} | {flat['median_ms']:.2f} "
                f"| {pruned['lone']['median_ms']:.2f} | {pruned['scanned']:.1%} "
                f"| {pruned['recall']:.3f} |"
            )
    mapped = result["memory_mapped"]
    alone = mapped["threads"]["one_thread"]["median_ms"]
    lines += ["", f"{mapped['n_codes']:,} codes, mapped from a file: {alone:.1f} ms a query."]
    others = result["other_methods"]
    lines += ["", f"Other methods, {others['n_codes']:,} cell-like codes, k = {others['k']}:", "",
              "| method | ms a query | recall |", "|---|---|---|"]  # fmt: skip
    for name, row in others.items():
        if isinstance(row, dict):
            batch = row.get("batch", row)
            recall = f"{row['recall']:.3f}" if "recall" in row else "exact"
            lines.append(f"| {name} | {batch['median_ms']:.3f} | {recall} |")
    return lines


def search(result: Result) -> list[str]:
    """Lay out search end to end."""
    disk, filtered = result["on_disk"], result["filter"]
    alone, end = result["in_a_process_of_its_own"], result["end_to_end"]
    rows = {
        "bytes a cell on disk, with five columns": f"{disk['bytes_a_cell']:.1f}",
        "and in the caches of codes; of ids": (
            f"{disk['planes_bytes_a_cell']:.1f}; {disk['ids_bytes_a_cell']:.1f}"
        ),
        "open, every sum compared": f"{median(disk['open_verified']):.2f} s",
        "open": f"{median(disk['open']):.3f} s",
        "codes from the cache; made anew": (
            f"{median(disk['planes_cached']):.2f} s; {disk['planes_made_seconds']:.2f} s"
        ),
        "peak memory of a process that opens and searches": f"{alone['peak_mb']:,.0f} MB",
        f"first query under a filter ({filtered['n_candidates']:,} cells)": (
            f"{1e3 * median(filtered['first_query_seconds']):.0f} ms"
        ),
        "each further query of a batch of 1,000": (
            f"{1e3 * filtered['further_query_seconds']:.3f} ms"
        ),
        "recall under the filter": f"{filtered['recall']:.3f}",
    }
    lines = [f"{result['n_cells']:,} cells with 128-bit codes:", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in rows.items()]
    added = "; ".join(
        f"{figures['cells_per_second']:,.0f} cells/s to {int(n):,}"
        for n, figures in result["add"].items()
    )
    return [
        *lines,
        "",
        f"Adding 10,000 cells, from counts to a committed version: {added}.",
        "",
        (
            f"{end['n_queries']:,} queries against a million cells, k = {end['k']}, from counts "
            f"to a table of hits: {end['median_total']:.2f} s, of which encoding "
            f"{end['median_encode']:.2f} s, searching {end['median_search']:.2f} s, metadata "
            f"{end['median_metadata']:.2f} s."
        ),
    ]


def search_quality(result: Result) -> list[str]:
    """Lay out retrieval by type, and of neighbours within a type."""
    shown = ("map_50", "map_100", "recall_cosine_centred", "recall_cosine")
    columns = {name: FIGURES[name] for name in shown} | {"batch_accuracy": "batch read from it"}
    lines = []
    for group, methods in result["summary"].items():
        lines += [f"| {group} | " + " | ".join(columns.values()) + " |",
                  "|---" * (len(columns) + 1) + "|"]  # fmt: skip
        for method, figures in methods.items():
            cells = " | ".join(f"{figures[c]:.3f}" if c in figures else "" for c in columns)
            lines.append(f"| {method} | {cells} |")
        lines.append("")
    return [*lines, *_search_limits(result["limits"])] if result.get("limits") else lines[:-1]


def _search_limits(limits: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Lay out what was asked of a search beside what it reaches, group by group."""
    groups = list(limits)
    lines = ["| `atlash_search` | asked | " + " | ".join(groups) + " |",
             "|---" * (len(groups) + 2) + "|"]  # fmt: skip
    for rows in zip(*limits.values(), strict=True):
        one = rows[0]
        form = "{:+.3f}" if one["as"] == "gain" else "{:.2f} times"
        reached = (
            form.format(row["reached"]) + ("" if row["met"] else ", missed") for row in rows
        )
        name = f"{FIGURES[one['figure']]} against {one['against']}"
        asked = form.format(one["asked"])
        lines.append(f"| {name} | {asked} | " + " | ".join(reached) + " |")
    return lines


def new_types(result: Result) -> list[str]:
    """Lay out what registering a type gives and costs."""
    lines = [
        "| data | type | F1 | retrained | other types, change of macro-F1 |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['dataset']} | {row['type']} | {row['f1']:.3f} | {row['retrained_f1']:.3f} "
        f"| {-row['others_loss']:+.4f} |"
        for row in result["types"]
    ]
    for dataset, means in result["summary"].items():
        lines.append(
            f"| **{dataset}** | mean | {means['f1']:.3f} | {means['retrained_f1']:.3f} "
            f"| {-means['others_loss']:+.4f} (worst {-means['worst_others_loss']:+.4f}) |"
        )
    return lines


SECTIONS = {
    "search_kernel": search_kernel,
    "search_kernel_tables": search_kernel,
    "search": search,
    "search_quality": search_quality,
    "new_types": new_types,
}
