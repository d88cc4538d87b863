"""Parent and sub types: macro-F1 at both levels, with and without a hierarchy.

Options are chosen by inner validation (``--inner``, which ``hierarchy-development`` stands for):
on the inner splits of :mod:`benchmarks.development`, where no reported cell has a say.
"""

from __future__ import annotations

import argparse
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import f1_score

from benchmarks.development import inner_tasks
from benchmarks.machine import write_result
from benchmarks.product import Settings, build, label
from benchmarks.scores import agreement
from benchmarks.tasks import annotation_tasks

if TYPE_CHECKING:
    import anndata as ad
    from numpy.typing import NDArray

    import atlash
    from benchmarks.tasks import Task

PARENTS = {
    "haber": {
        "stem and TA": ("Stem", "TA.Early", "TA.G1", "TA.G2"),
        "enterocyte lineage": (
            "Enterocyte.Progenitor.Early",
            "Enterocyte.Progenitor.Late",
            "Enterocyte.Progenitor",
            "Enterocyte.Immature.Proximal",
            "Enterocyte.Immature.Distal",
            "Enterocyte.Mature.Proximal",
            "Enterocyte.Mature.Distal",
        ),
        "secretory": ("Goblet", "Paneth", "Endocrine", "Tuft"),
    },
    "kang": {
        "lymphoid": ("CD4 T cells", "CD8 T cells", "NK cells", "B cells"),
        "myeloid": ("CD14+ Monocytes", "FCGR3A+ Monocytes", "Dendritic cells"),
        "megakaryocytes": ("Megakaryocytes",),
    },
}
FLAT, FULL = "without a hierarchy", "with a hierarchy"
VARIANTS: dict[str, tuple[tuple[str, object], ...] | None] = {
    FLAT: None,
    FULL: (),  # the defaults
    "answers alone": (("parent_bits", 0.0), ("parent_weight", 0.0)),
    "loss alone": (("parent_bits", 0.0), ("parent_weight", 0.5)),
    "loss of weight 1 alone": (("parent_bits", 0.0), ("parent_weight", 1.0)),
    "anchors alone, a quarter of the bits": (("parent_bits", 0.25), ("parent_weight", 0.0)),
    "an eighth of the bits, and loss": (("parent_bits", 0.125), ("parent_weight", 0.5)),
    "a quarter of the bits, and loss": (("parent_bits", 0.25), ("parent_weight", 0.5)),
    "half of the bits, and loss": (("parent_bits", 0.5), ("parent_weight", 0.5)),
}
LEVELS = ("sub", "parent")
REPORTED = (FLAT, FULL, "answers alone")
Row = dict[str, Any]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks hierarchy", description=__doc__)
    parser.add_argument("--inner", action="store_true", help="choose options, on inner splits")
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS))
    parser.add_argument("--groups", nargs="+", choices=list(PARENTS), default=list(PARENTS))
    parser.add_argument("--seeds", type=int, default=3, help="runs of each, seeds 0, 1, ...")
    options = parser.parse_args(arguments)
    variants = options.variants or (list(VARIANTS) if options.inner else list(REPORTED))
    tasks = inner_tasks if options.inner else annotation_tasks
    name = "hierarchy_development" if options.inner else "hierarchy"
    rows: list[Row] = []
    for seed in range(options.seeds):
        for task in tasks(tuple(options.groups)):
            for variant in variants:
                rows.append(_run(task, variant, seed))
                figures = (f"{rows[-1][level]:.4f}" for level in LEVELS)
                print(f"{seed} {task.name:30} {variant:24}", *figures, flush=True)
            means = summarise(rows, variants)  # whatever ends the run, what was measured stays
            place = write_result(name, {"runs": rows, "means": means})
    print(place)


def _run(task: Task, variant: str, seed: int) -> Row:
    parent_of = {child: p for p, children in PARENTS[task.group].items() for child in children}
    options = VARIANTS[variant]
    settings = Settings()
    if options is not None:
        settings = Settings(train=options, hierarchy=tuple(parent_of.items()))
    reference = build(task.train, task.batch_key, seed=seed, settings=settings)
    query = task.test
    label(query, reference)
    given = np.asarray(query.obs["atlash_label"], dtype=str)
    truth, parents = (
        np.array([parent_of[name] for name in names]) for names in (task.truth, given)
    )
    row = {
        "task": task.name,
        "group": task.group,
        "variant": variant,
        "seed": seed,
        "sub": agreement(task, given).macro_f1,
        "parent": _macro_f1(truth[task.known], parents[task.known]),
    }
    return row | (_levels(task, query, reference, parent_of) if options is not None else {})


def _levels(
    task: Task, query: ad.AnnData, reference: atlash.Reference, parent_of: dict[str, str]
) -> Row:
    """Compare the answers of both levels, with a label for every cell and without."""
    truth = np.array([parent_of[name] for name in task.truth])
    forced = query.obs[["atlash_label", "atlash_parent"]].astype(str)
    label(query, reference, force=False)
    free = query.obs[["atlash_label", "atlash_parent"]].astype(str)
    status = query.obs["atlash_status"].to_numpy(dtype=str)
    typed, backed_off = status == "assigned", status == "parent only"
    wrong = (forced["atlash_label"].map(parent_of) != forced["atlash_parent"]).to_numpy()
    expected = free["atlash_label"].map(parent_of).where(typed, free["atlash_label"])
    wrong |= (expected != free["atlash_parent"]).to_numpy()
    right = free["atlash_parent"].to_numpy() == truth
    return {
        "inconsistent": float(wrong.mean()),
        "assigned": float(typed.mean()),
        "n_backed_off": int(backed_off.sum()),
        "n_backed_off_right": int((right & backed_off).sum()),
        "n_cells": len(truth),
    }


def _macro_f1(truth: NDArray[np.str_], given: NDArray[np.str_]) -> float:
    labels = np.unique(truth)
    return float(f1_score(truth, given, labels=labels, average="macro", zero_division=0))


def summarise(rows: list[Row], variants: list[str]) -> dict[str, dict[str, float]]:
    """Mean figures of each variant, a data set and over both."""
    groups = list(dict.fromkeys(row["group"] for row in rows))
    table: dict[str, dict[str, float]] = {}
    for variant in variants:
        own = [row for row in rows if row["variant"] == variant]
        figures = {
            f"{group} {level}": fmean(row[level] for row in own if row["group"] == group)
            for group in groups
            for level in LEVELS
        }
        for level in LEVELS:
            figures[level] = fmean(figures[f"{group} {level}"] for group in groups)
        table[variant] = figures
    return table
