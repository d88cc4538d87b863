"""The sections about the parts of clustering, and about its time and memory."""

from __future__ import annotations

from itertools import product
from statistics import fmean
from typing import Any

Result = dict[str, Any]
Row = dict[str, Any]
PICTURE = "images/clustering_scale.svg"
"""Where the picture lies, seen from the page."""
ENOUGH = 100_000
"""Cells from which the ratio of seconds is a target."""
MILLION = 1_000_000
NAMES = {"atlash": "atlash", "scanpy": "scanpy", "scanpy-eigh": "scanpy, covariance_eigh"}


def clustering_ablation(result: Result) -> list[str]:
    """Lay out every variant: means, then each set."""
    rows, default = result["runs"], result["default"]
    methods = list(dict.fromkeys(row["method"] for row in rows))
    base = _by_set(rows, default, "ari")
    if not base:
        return ["Not measured yet."]
    sets = list(base)
    whole = [method for method in methods if set(sets) <= set(_by_set(rows, method, "ari"))]
    lines = [
        "| | mean ARI | to the default | sets better, worse | mean NMI | clusters | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for method in whole:
        ari = _by_set(rows, method, "ari")
        margins = [ari[name] - base[name] for name in base]
        seconds = _by_set(rows, method, "seconds")
        lines.append(
            f"| {method} | {fmean(ari.values()):.3f} | {fmean(margins):+.3f} "
            f"| {sum(m > 0 for m in margins)}, {sum(m < 0 for m in margins)} "
            f"| {fmean(_by_set(rows, method, 'nmi').values()):.3f} "
            f"| {fmean(_by_set(rows, method, 'n_clusters').values()):.1f} "
            f"| {f'{fmean(seconds.values()):.1f}' if seconds else ''} |"
        )
    for title, figure, form in (("ARI", "ari", ".3f"), ("Clusters", "n_clusters", ".3g")):
        lines += ["", f"| {title} | " + " | ".join(sets) + " |", "|---" * (len(sets) + 1) + "|"]
        for method in whole:
            own = _by_set(rows, method, figure)
            lines.append(f"| {method} | " + " | ".join(f"{own[s]:{form}}" for s in sets) + " |")
    n_seeds = len({row["seed"] for row in rows})
    missing = [method for method in methods if method not in whole]
    left = f" Not on every set yet, and left out: {', '.join(missing)}." if missing else ""
    return [*lines, "", f"Seeds: {n_seeds}.{left}"]


def _by_set(rows: list[Row], method: str, figure: str) -> dict[str, float]:
    """Mean of a figure over the seeds, by set; sets without the figure are left out."""
    own: dict[str, list[float]] = {}
    for row in rows:
        if row["method"] == method and row[figure] is not None:
            own.setdefault(row["set"], []).append(row[figure])
    return {name: fmean(values) for name, values in own.items()}


def clustering_buckets(result: Result) -> list[str]:
    """Lay out the mean ARI of simulated sets by the number of buckets, then each set."""
    rows = result["runs"]
    sets = list(dict.fromkeys(row["set"] for row in rows))
    ari = {(row["set"], row["n_buckets"]): row["ari"] for row in rows}
    lines = [f"| most buckets | mean ARI | {' | '.join(sets)} |", "|---" * (len(sets) + 2) + "|"]
    for n_buckets, mean in result["mean_ari"].items():
        each = " | ".join(f"{ari[name, int(n_buckets)]:.2f}" for name in sets)
        lines.append(f"| {int(n_buckets):,} | {mean:.3f} | {each} |")
    return [*lines, "", f"The default: {result['default']:,}. One seed."]


def clustering_depth(result: Result) -> list[str]:
    """Lay out the mean ARI of each method at each kind of depth, then each set."""
    rows = result["runs"]
    kinds, sets = (list(dict.fromkeys(row[key] for row in rows)) for key in ("depth", "set"))
    ari = {(row["method"], row["depth"], row["set"]): row["ari"] for row in rows}
    lines = [
        f"| mean ARI; by set | {' | '.join(kinds)} |",
        "|---" * (len(kinds) + 1) + "|",
    ]
    for method in dict.fromkeys(row["method"] for row in rows):
        cells = []
        for kind in kinds:
            own = [ari[method, kind, name] for name in sets if (method, kind, name) in ari]
            each = ", ".join(f"{value:.2f}" for value in own)
            cells.append(f"{fmean(own):.3f}; {each}" if own else "")
        lines.append(f"| {method} | {' | '.join(cells)} |")
    of_kind = (
        f"{kind}: {', '.join(dict.fromkeys(row['set'] for row in rows if row['depth'] == kind))}"
        for kind in kinds
    )
    return [*lines, "", f"Sets, in this order: {'; '.join(of_kind)}. One seed."]


def clustering_scale(result: Result) -> list[str]:
    """Lay out seconds, memory and agreement by size, and the targets."""
    rows = (
        f"| {row['n_cells']:,} | {NAMES[row['method']]} | {row['seconds']:.1f} "
        f"| {row['seconds_in_all']:.1f} | {row['peak_gb']:.2f} GB | {row['ari']:.3f} "
        f"| {row['nmi']:.3f} | {row['n_clusters']} |"
        for row in result["runs"]
    )
    lines = [
        "| cells | method | seconds | from file on | peak memory | ARI | NMI | clusters |",
        "|---|---|---|---|---|---|---|---|",
        *rows,
    ]
    load = max(row["load_before"] for row in result["runs"])
    lines += [
        "",
        *_steps(result["runs"]),
        f"- Load of the machine before a run: at most {load:.1f}.",
    ]
    lines += ["", *_targets(result), ""]
    return [*lines, f"![Seconds and memory against the number of cells]({PICTURE})"]


def _steps(rows: list[Row]) -> list[str]:
    """Tell where the time goes, at the largest size of each method."""
    lines = []
    for method, name in NAMES.items():
        own = [row for row in rows if row["method"] == method]
        if own:
            largest = max(own, key=lambda row: row["n_cells"])
            steps = [f"{step} {s:.1f}" for step, s in largest["steps"].items() if s >= 0.05]
            lines.append(f"- {name}, {largest['n_cells']:,} cells: {', '.join(steps)} s.")
    return lines


def _targets(result: Result) -> list[str]:
    by = {(row["method"], row["n_cells"]): row for row in result["runs"]}
    wanted = result["targets"]
    lines = []
    for n_cells, name in product(sorted({n for _, n in by}), ("scanpy", "scanpy-eigh")):
        own, peer = by.get(("atlash", n_cells)), by.get((name, n_cells))
        if own is None or peer is None:
            continue
        ratio, loss = own["seconds"] / peer["seconds"], peer["ari"] - own["ari"]
        if n_cells >= ENOUGH:
            share = f"share of the seconds of {NAMES[name]}, {n_cells:,} cells"
            lines.append(_target(share, ratio, wanted["ratio"], ".3f"))
        lines.append(_target(f"loss of ARI to {NAMES[name]}, {n_cells:,} cells", loss, 0.0, ".3f"))
    million = by.get(("atlash", MILLION))
    if million is not None:
        seconds, gb = wanted["seconds_of_million"], wanted["gb_of_million"]
        lines.append(_target("seconds, 1,000,000 cells", million["seconds"], seconds, ".0f"))
        lines.append(_target("GB, 1,000,000 cells", million["peak_gb"], gb, ".2f"))
    header = ["| target | at most | reached | |", "|---|---|---|---|"]
    return header + lines if lines else []


def _target(name: str, value: float, most: float, form: str) -> str:
    verdict = "yes" if value <= most else "**missed**"
    return f"| {name} | {most:g} | {value:{form}} | {verdict} |"


def clustering_batches(result: Result) -> list[str]:
    """Lay out what is mixed and what types keep, a row for each kind of set."""
    rows = result["rows"]
    methods = list(dict.fromkeys(row["method"] for row in rows))
    lines = [
        "| own type among the nearest; iLISI | " + " | ".join(methods) + " |",
        "|---" * (len(methods) + 1) + "|",
    ]
    for design in dict.fromkeys(row["design"] for row in rows):
        own = {row["method"]: row for row in rows if row["design"] == design}
        figures = [f"{own[name]['purity']:.3f}; {own[name]['ilisi']:.3f}" for name in methods]
        lines.append(f"| {design} | {' | '.join(figures)} |")
    seeds = f"Sets drawn of each recipe: {result['n_seeds']}; harmonypy {result['harmonypy']}."
    return [*lines, "", seeds]


SECTIONS = {
    "clustering_batches": clustering_batches,
    "clustering_ablation": clustering_ablation,
    "clustering_buckets": clustering_buckets,
    "clustering_depth": clustering_depth,
    "clustering_scale": clustering_scale,
}
