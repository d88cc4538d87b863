"""Render the JSON results into the marked places of ``docs/benchmarks.md``.

A place is a pair of comments, ``<!-- begin:NAME -->`` and ``<!-- end:NAME -->``, with NAME one of
:data:`SECTIONS`; what stands between them is replaced. With ``--check`` nothing is written, and
the status is 1 when the page and the files disagree.
"""

from __future__ import annotations

import argparse
import json
import re
from statistics import median
from typing import Any

from benchmarks import (
    long_tail_report,
    report_clustering,
    report_clustering_parts,
    report_hierarchy,
    report_pretraining,
    report_search,
)
from benchmarks.annotation import table
from benchmarks.picture_clustering import draw_scale
from benchmarks.places import CHECKOUT, RESULTS
from benchmarks.unknown_types import OURS

PAGE = CHECKOUT / "docs" / "benchmarks.md"
COMMANDS = {"search_kernel_tables": "search-kernel"}
"""Commands of results that are not called as they are."""
Result = dict[str, Any]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks report", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only tell whether the page agrees")
    options = parser.parse_args(arguments)
    before = PAGE.read_text()
    after = render(before)
    if options.check and before != after:
        msg = f"{PAGE.name} disagrees with the results; run `python -m benchmarks report`."
        raise SystemExit(msg)
    if before != after:
        PAGE.write_text(after)
        print(f"wrote {PAGE}")
    if not options.check:
        _draw()


def _draw() -> None:
    """Draw the pictures that the page shows; the same results give the same files."""
    path = RESULTS / "clustering_scale.json"
    if path.exists():
        draw_scale(json.loads(path.read_text()), PAGE.parent / report_clustering_parts.PICTURE)


def render(page: str) -> str:
    """Fill every marked place whose result exists; the others say that they were not run."""
    for name, section in SECTIONS.items():
        path = RESULTS / f"{name}.json"
        begin, end = f"<!-- begin:{name} -->", f"<!-- end:{name} -->"
        if page.count(begin) != 1 or page.count(end) != 1:
            msg = f"{PAGE.name} must hold {begin} and {end} once each."
            raise SystemExit(msg)
        lines = ["Not measured yet."]
        if path.exists():
            result = json.loads(path.read_text())
            lines = [*section(result), "", *_footer(name, result)]
        body = "\n".join([begin, "", *lines, "", end])
        page = re.sub(
            re.escape(begin) + ".*?" + re.escape(end), lambda _, b=body: b, page, flags=re.S
        )
    return page


def _annotation(result: Result) -> list[str]:
    summary = result["summary"]
    lines = []
    for figure in ("macro_f1", "median_f1", "accuracy"):
        lines += [f"**{figure.replace('_', ' ')}**", "", *table(summary, figure), ""]
    if "margins" in summary:
        margins = summary["margins"]
        lines += [
            (
                f"Margin in macro-F1 to the best single peer, {margins['best_single_peer']}: "
                f"{margins['to_best_single_peer']:+.4f}."
            ),
            "",
            "| group | margin to its best peer |",
            "|---|---|",
            *(f"| {g} | {m:+.4f} |" for g, m in margins["to_best_peer_of_group"].items()),
            "",
            "Margin of each split to the best peer of that very split:",
            "",
            ", ".join(f"{s} {m:+.3f}" for s, m in margins["to_best_peer_of_split"].items()) + ".",
        ]
    seeds = {row["seed"] for row in result["splits"] if row["seed"] is not None}
    return [*lines, "", f"Runs of atlash per split: {len(seeds)}."]


def _calibration(result: Result) -> list[str]:
    lines = [
        "| method | ECE, equal width | ECE, equal mass | mean confidence | accuracy |",
        "|---|---|---|---|---|",
    ]
    for method, judged in result["confidence"].items():
        lines.append(
            f"| {method} | {judged['equal_width']['ece']:.4f} | {judged['equal_mass']['ece']:.4f} "
            f"| {judged['mean_confidence']:.4f} | {judged['accuracy']:.4f} |"
        )
    ours = result["confidence"][OURS]["equal_mass"]
    lines += ["", "| cells | mean confidence | share right |", "|---|---|---|"]
    for row in zip(ours["n_cells"], ours["mean_confidence"], ours["share_right"], strict=True):
        lines.append(f"| {row[0]:,} | {row[1]:.3f} | {row[2]:.3f} |")
    sets = result["sets"]
    lowest, highest = min(sets["coverage_per_donor"]), max(sets["coverage_per_donor"])
    sentence = (
        f"Sets that promise to hold the true type of {sets['stated_coverage']:.0%} of cells hold "
        f"it for {sets['coverage']:.1%} ({lowest:.1%} to {highest:.1%} by donor), with "
        f"{sets['mean_size']:.2f} types each."
    )
    lines += ["", sentence]
    return lines


def _unknown_types(result: Result) -> list[str]:
    means = result["summary"]["mean_auroc"]
    columns = list(next(iter(means.values())))
    lines = ["| mean AUROC | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for method in sorted(means, key=lambda name: -means[name]["first_three"]):
        figures = " | ".join(f"{means[method][column]:.3f}" for column in columns)
        lines.append(f"| {method} | {figures} |")
    if "margin_to_best_peer" in result["summary"]:
        margins = result["summary"]["margin_to_best_peer"].items()
        listed = ", ".join(f"{dataset} {margin:+.3f}" for dataset, margin in margins)
        lines += ["", f"Margin of atlash to the best peer: {listed}."]
    lines += [
        "",
        "| data set | held-out type | cells | AUROC | caught at 5 % of known cells lost |",
        "|---|---|---|---|---|",
    ]
    for row in result["types"]:
        if row["method"] == OURS:
            lines.append(
                f"| {row['dataset']} | {row['type']} | {row['n_unknown']:,} | {row['auroc']:.3f} "
                f"| {row['caught']:.0%} |"
            )
    return lines


def _reach(result: Result) -> list[str]:
    rows = (
        f"| {row['task']} | {row['query']} | {row['n_cells']:,} | {row['out_of_reach']:.1%} "
        f"| {row['between_types']:.1%} | {row['accuracy_of_nearest']:.1%} |"
        for row in result["runs"]
    )
    return [
        "| split | query | cells | out of reach | between types | nearest type right |",
        "|---|---|---|---|---|---|",
        *rows,
    ]


def _speed(result: Result) -> list[str]:
    annotate, build = result["annotate"], result["build_kang"]
    return [
        (
            f"{annotate['n_cells']:,} simulated cells x {annotate['n_genes']:,} genes at "
            f"{annotate['density']:.1%} density, from memory, medians of "
            f"{len(annotate['atlash_seconds'])} runs."
        ),
        "",
        "| method | seconds | cells a second |",
        "|---|---|---|",
        (
            f"| atlash | {median(annotate['atlash_seconds']):.2f} "
            f"| {annotate['atlash_cells_per_second']:,.0f} |"
        ),
        (
            f"| CellTypist | {median(annotate['celltypist_seconds']):.2f} "
            f"| {annotate['celltypist_cells_per_second']:,.0f} |"
        ),
        "",
        (
            f"atlash is {annotate['ratio']:.1f} times as fast, and "
            f"{annotate['ratio_normalised_before']:.1f} times when CellTypist's normalisation is "
            f"not counted. Building on kang ({build['n_cells']:,} cells) takes "
            f"{build['median_seconds']:.1f} s."
        ),
    ]


def _memory(result: Result) -> list[str]:
    size, tree, process = (
        result[key] / 1e9 for key in ("file_bytes", "peak_bytes_of_tree", "peak_bytes_of_process")
    )
    line = (
        f"{result['n_cells']:,} cells, a file of {size:.1f} GB: {result['seconds']:.0f} s, peak "
        f"{tree:.2f} GB over all processes ({process:.2f} GB the largest, by the kernel's count)."
    )
    return [line]


def _startup(result: Result) -> list[str]:
    names = {"import_atlash": "`import atlash`", "atlash_help": "`atlash --help`"}
    return [
        "| | median of runs |",
        "|---|---|",
        *(f"| {name} | {result[key]['median_seconds']:.2f} s |" for key, name in names.items()),
    ]


def _ablations(result: Result) -> list[str]:
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


def _footer(name: str, result: Result) -> list[str]:
    source = result["provenance"]
    versions = ", ".join(f"{package} {v}" for package, v in source["versions"].items() if v)
    command = COMMANDS.get(name, name.replace("_", "-"))
    return [
        (
            f"*`python -m benchmarks {command}`, {source['date'][:10]}, "
            f"{source['machine']['processor']}, {source['threads']} thread(s); {versions}.*"
        )
    ]


SECTIONS = {
    "annotation": _annotation,
    "calibration": _calibration,
    "unknown_types": _unknown_types,
    "reach": _reach,
    "speed": _speed,
    "memory": _memory,
    "startup": _startup,
    "ablations": _ablations,
    "development": _ablations,
    "development_loss": _ablations,
    "development_augmentation": _ablations,
    "development_tail_loss": _ablations,
    "long_tail": long_tail_report.long_tail,
    "long_tail_development": long_tail_report.development,
    **report_search.SECTIONS,
    **report_clustering.SECTIONS,
    **report_clustering_parts.SECTIONS,
    **report_hierarchy.SECTIONS,
    **report_pretraining.SECTIONS,
}
