"""The sections of the benchmark page that are about clustering."""

from __future__ import annotations

from typing import Any

Result = dict[str, Any]
OURS = "atlash"
DEFAULT = "scanpy at 1"
SHOWN = {
    OURS: "atlash",
    DEFAULT: "scanpy",
    "scanpy at 0.3": "scanpy at .3",
    "scanpy, best of seven": "best of seven*",
    "scanpy, best of ten": "best of ten*",
    "k-means": "k-means",
    "k-means buckets at 0.3": "buckets at .3",
    "k-means buckets at 1": "buckets at 1",
}
MOVED = 0.02
"""Change of ARI that is listed."""
MIXING_SLACK = 0.05
"""By how much mixing may be below Harmony's."""
CHOSEN_WITH_LABELS = ("scanpy, best of seven", "scanpy, best of ten")


def clustering(result: Result) -> list[str]:
    """Lay out agreement with the types, numbers of clusters, stability, and targets."""
    lines = []
    for figure in ("ari", "nmi"):
        lines += [f"**{figure.upper()}**", "", *_agreement(result, figure), ""]
    lines += ["**Numbers of clusters, and agreement of seeds (ARI; in brackets the least)**", ""]
    return [*lines, *_stability(result), "", *_targets(result)]


def _agreement(result: Result, figure: str) -> list[str]:
    lines = [
        "| set | " + " | ".join(SHOWN.values()) + " |",
        "|---" * (len(SHOWN) + 1) + "|",
    ]
    for name, methods in result["sets"].items():
        cells = " | ".join(f"{methods[method][figure]:.3f}" for method in SHOWN)
        lines.append(f"| {name} | {cells} |")
    means = result["summary"]["means"]
    cells = " | ".join(f"{means[method][figure]:.3f}" for method in SHOWN)
    return [*lines, f"| **mean** | {cells} |"]


def _stability(result: Result) -> list[str]:
    methods = [method for method in SHOWN if method not in CHOSEN_WITH_LABELS][:4]
    lines = [
        "| set | types | clusters | scanpy's | "
        + " | ".join(SHOWN[method] for method in methods)
        + " | seconds | scanpy's |",
        "|---" * (len(methods) + 6) + "|",
    ]
    for name, own in result["sets"].items():
        cells = " | ".join(
            f"{own[method]['stability']:.3f} ({own[method]['least_stability']:.3f})"
            for method in methods
        )
        lines.append(
            f"| {name} | {own[OURS]['n_types']} | {_range(own[OURS]['n_clusters'])} "
            f"| {_range(own[DEFAULT]['n_clusters'])} | {cells} | {own[OURS]['seconds']:.1f} "
            f"| {own[DEFAULT]['seconds']:.1f} |"
        )
    return lines


def _range(numbers: list[int]) -> str:
    least, most = min(numbers), max(numbers)
    return str(least) if least == most else f"{least} to {most}"


def _targets(result: Result) -> list[str]:
    names = {
        "mean_ari": "mean ARI",
        "mean_nmi": "mean NMI",
        "least_margin": "worst margin in ARI to scanpy's default",
        "least_stability": "least mean agreement of seeds",
    }
    lines = ["| target | at least | reached | |", "|---|---|---|---|"]
    for key, least in result["targets"].items():
        value = result["summary"]["reached"][key]
        verdict = "yes" if value >= least else "**missed**"
        lines.append(f"| {names[key]} | {least:.2f} | {value:.3f} | {verdict} |")
    margins = result["summary"]["margins_to_default"].items()
    listed = ", ".join(f"{name} {margin:+.3f}" for name, margin in margins)
    left_out = result["summary"]["scanpy_left_out"]
    sentence = (
        f"Margins to scanpy's default: {listed}. Seeds: {result['n_seeds']}. scanpy at the "
        f"resolution that is best on the other seven sets, for each set: mean ARI {left_out:.3f}."
    )
    return [*lines, "", sentence]


def clustering_rare(result: Result) -> list[str]:
    """Lay out how well the best cluster holds each planted type."""
    lines = [
        "| markers hold | type | atlash | by set | scanpy | by set | ceiling |",
        "|---|---|---|---|---|---|---|",
    ]
    for means in result["means"]:
        own = [
            row
            for row in result["runs"]
            if (row["strength"], row["type"]) == (means["strength"], means["type"])
        ]
        cells = []
        for method in (OURS, DEFAULT):
            each = ", ".join(f"{row['f1']:.2f}" for row in own if row["method"] == method)
            cells += [f"{means[method]:.3f}", each]
        lines.append(
            f"| {means['strength']:.0%} | {means['type']} | {' | '.join(cells)} "
            f"| {means['ceiling']:.3f} |"
        )
    return lines


def clustering_rare_batches(result: Result) -> list[str]:
    """Lay out how well the best cluster holds each planted type, and what else was called rare."""
    lines = [
        "| drawn from | markers hold | type | F1 | by set | without looking for rare types |",
        "|---|---|---|---|---|---|",
    ]
    for means in result["means"]:
        name = means["dataset"], means["strength"], means["type"]
        own = [r for r in result["runs"] if (r["dataset"], r["strength"], r["type"]) == name]
        each = ", ".join(f"{row['f1']:.2f}" for row in own)
        lines.append(
            f"| {name[0]} | {name[1]:.0%} | {name[2]} | {means['f1']:.3f} | {each} "
            f"| {means['f1_without']:.3f} |"
        )
    sets = {
        (r["dataset"], r["strength"], r["seed"]): r["others_called_rare"] for r in result["runs"]
    }
    return [
        *lines,
        "",
        f"Other clusters called rare in the {len(sets)} sets: {sum(sets.values())}.",
    ]


def trajectory(result: Result) -> list[str]:
    """Lay out the correlation of pseudotime with the order of stages."""
    columns = {
        "spearman": "chosen root",
        "spearman_median_root": "median of roots",
        "spearman_tenth_of_roots": "a tenth of roots below",
        "spearman_worst_root": "worst root",
        "spearman_best_root": "best root",
    }
    lines = [
        "| Spearman's correlation | " + " | ".join(columns.values()) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for method, means in result["means"].items():
        cells = " | ".join(f"{means[column]:.3f}" for column in columns)
        lines.append(f"| {method} | {cells} |")
    seeds = len({row["seed"] for row in result["runs"]})
    sentence = (
        f"{result['n_cells']:,} cells of seven stages, {result['n_roots']} of them possible "
        f"roots. From the chosen root, means of {seeds} seeds; from every root, the first seed."
    )
    return [*lines, "", sentence]


def clustering_development(result: Result) -> list[str]:
    """Lay out the grid on simulated and on real sets, and what is left when a set is left out."""
    lines = []
    for kind in ("simulated", "real"):
        means = result[kind]["means"]
        distances = list(dict.fromkeys(point.split(", ")[2] for point in means))
        rows = list(dict.fromkeys(tuple(point.split(", ")[:2]) for point in means))
        lines += [
            f"| mean ARI, {kind} sets: neighbours, kappa | " + " | ".join(distances) + " |",
            "|---" * (len(distances) + 1) + "|",
        ]
        for neighbours, kappa in rows:
            points = [f"{neighbours}, {kappa}, {distance}" for distance in distances]
            cells = " | ".join(f"{means[point]['ari']:.3f}" for point in points)
            lines.append(f"| {neighbours.split()[0]}, {kappa} | {cells} |")
        best = result[kind]
        default = means[result["default"]]["ari"]
        sentence = (
            f"Best on {kind} sets: {best['best']}, {best['best_ari']:.3f}. The default "
            f"({result['default']}): {default:.3f}."
        )
        lines += ["", sentence, ""]
    chosen = result["simulated"]["best"]
    falls = [
        f"{name} {grid[result['default']]['ari']:.3f} to {grid[chosen]['ari']:.3f}"
        for name, grid in result["sets"].items()
        if name in {row["set"] for row in result["left_out"]["rows"]}
        and abs(grid[chosen]["ari"] - grid[result["default"]]["ari"]) >= MOVED
    ]
    moved = ", ".join(falls) or f"no set moves by {MOVED:g} or more"
    sentence = (
        f"What is best on simulated sets gives {result['real']['means'][chosen]['ari']:.3f} on "
        f"the real ones; against the default, {moved}."
    )
    return [*lines, sentence, "", *_left_out(result)]


def _left_out(result: Result) -> list[str]:
    lines = [
        "| set left out | chosen on the other seven | ARI | with the default |",
        "|---|---|---|---|",
    ]
    default = result["default"]
    for row in result["left_out"]["rows"]:
        own = result["sets"][row["set"]][default]["ari"]
        chosen = row["chosen"].partition(", ")[2]
        lines.append(f"| {row['set']} | {chosen} | {row['ari']:.3f} | {own:.3f} |")
    mean = result["real"]["means"][default]["ari"]
    return [*lines, f"| **mean** | | {result['left_out']['mean_ari']:.3f} | {mean:.3f} |"]


def integration(result: Result) -> list[str]:
    """Lay out agreement with the types and mixing of batches, and what was to be reached."""
    columns = {
        "ari": "ARI",
        "nmi": "NMI",
        "n_clusters": "clusters",
        "ilisi": "iLISI",
        "entropy_within_types": "entropy within types",
        "accepted": "kBET accepted",
        "kept_neighbours": "neighbours kept",
    }
    lines = [
        "| set | places moved by | " + " | ".join(columns.values()) + " |",
        "|---" * (len(columns) + 2) + "|",
    ]
    for row in result["rows"]:
        cells = " | ".join(
            f"{row[name]:.1f}" if name == "n_clusters" else f"{row[name]:.3f}" for name in columns
        )
        lines.append(f"| {row['dataset']} | {row['method']} | {cells} |")
    lines += [
        "",
        f"| set | ARI over the better | from 0 | iLISI over Harmony's | from {-MIXING_SLACK} |",
        "|---" * 5 + "|",
    ]
    for claim in result["claims"]:
        ari, mixing = claim["ari_over_better_peer"], claim["ilisi_over_harmonypy"]
        lines.append(
            f"| {claim['dataset']} | {ari:+.3f} | {_verdict(ari >= 0)} | {mixing:+.3f} "
            f"| {_verdict(mixing >= -MIXING_SLACK)} |"
        )
    sentence = f"Seeds: {result['n_seeds']}; harmonypy {result['harmonypy']}."
    return [*lines, "", sentence]


def _verdict(reached: bool) -> str:  # noqa: FBT001
    return "yes" if reached else "**missed**"


SECTIONS = {
    "clustering": clustering,
    "integration": integration,
    "clustering_rare": clustering_rare,
    "clustering_rare_batches": clustering_rare_batches,
    "trajectory": trajectory,
    "clustering_development": clustering_development,
}
