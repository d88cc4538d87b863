"""New types: each type left out of building, then registered from a few of its training cells.

The splits are those of :mod:`benchmarks.held_out_types`. Cells of the other types are scored
without those of the new one, before and after it is registered, so that what it takes is seen.
Retraining has all training cells of the type, and shows what the few cells and the space that
has not seen the type cost.
"""

from __future__ import annotations

import argparse
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import f1_score, precision_score, recall_score

from benchmarks.held_out_types import DATASETS, held_out_types
from benchmarks.machine import write_result
from benchmarks.tasks import LABELS, Task

if TYPE_CHECKING:
    from collections.abc import Iterator

    import anndata as ad
    from numpy.typing import NDArray

    import atlash

JUDGED = ("kang", "haber")
N_CELLS, N_DRAWS = 20, 3
FAR_OUT = -np.log10(0.05)
"""Novelty above which the simplest alternative calls every cell new: what one in twenty known
cells reach."""
MEANS = (
    "f1", "precision", "recall", "retrained_f1", "others_loss", "others_loss_to_retrained",
    "novelty_f1", "novelty_others_loss",
)  # fmt: skip
Row = dict[str, Any]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks new-types", description=__doc__)
    parser.add_argument("--datasets", nargs="+", choices=DATASETS, default=list(JUDGED))
    parser.add_argument("--cells", type=int, default=N_CELLS, help="cells of the new type")
    parser.add_argument("--draws", type=int, default=N_DRAWS, help="draws of these cells")
    options = parser.parse_args(arguments)
    rows = []
    for dataset in options.datasets:
        for row in _dataset(dataset, options.cells, options.draws):
            rows.append(row)
            print(
                f"{dataset:10} {row['type']:30} F1 {row['f1']:.3f} (retrained "
                f"{row['retrained_f1']:.3f})  others {-row['others_loss']:+.4f} "
                f"({-row['others_loss_to_retrained']:+.4f} to retrained)",
                flush=True,
            )
    summary = summarise(rows)
    for dataset, figures in summary.items():
        print(dataset, {name: round(value, 4) for name, value in figures.items()})
    result = {"n_cells": options.cells, "n_draws": options.draws}
    print(write_result("new_types", result | {"types": rows, "summary": summary}))


def _dataset(dataset: str, n_cells: int, n_draws: int) -> Iterator[Row]:
    from benchmarks.product import annotate_task, build, registered

    retrained: NDArray[np.str_] | None = None
    for task in held_out_types(dataset):
        if retrained is None:
            retrained = annotate_task(_with_all_types(task), 0).outcome.labels
        name = task.name.rpartition("/")[2]
        reference = build(task.train, task.batch_key)
        before, novelty = _annotated(task.test, reference)
        pool = np.setdiff1d(np.arange(task.cells.n_obs), task.test_rows)
        pool = pool[np.asarray(task.cells.obs[LABELS], dtype=str)[pool] == name]
        far_out = np.where(novelty > FAR_OUT, name, before)
        draws = []
        for seed in range(n_draws):
            few = np.sort(np.random.default_rng(seed).permutation(pool)[:n_cells])
            taught = registered(reference, name, task.cells[few].copy())
            after = _annotated(task.test, taught)[0]
            draws.append(_figures(task.truth, name, before, after, retrained))
        yield {
            "dataset": dataset,
            "type": name,
            "n_registered_from": min(n_cells, len(pool)),
            "n_training_cells": len(pool),
            "n_test_cells": int((task.truth == name).sum()),
            **_compared(task.truth, name, before, retrained, far_out),
            **{key: fmean(draw[key] for draw in draws) for key in draws[0]},
            "draws": draws,
        }


def _with_all_types(task: Task) -> Task:
    train = np.setdiff1d(np.arange(task.cells.n_obs), task.test_rows)
    return Task(f"all-types/{task.group}", task.group, task.cells, train, task.test_rows)


def _annotated(
    query: ad.AnnData, reference: atlash.Reference
) -> tuple[NDArray[np.str_], NDArray[np.float64]]:
    from benchmarks.product import label  # loads atlash

    label(query, reference)
    obs = query.obs
    return np.asarray(obs["atlash_label"], dtype=str), np.asarray(obs["atlash_novelty"])


def _figures(
    truth: NDArray[np.str_],
    name: str,
    before: NDArray[np.str_],
    after: NDArray[np.str_],
    retrained: NDArray[np.str_],
) -> dict[str, float]:
    new, taken = truth == name, after == name
    return {
        "f1": float(f1_score(new, taken, zero_division=0)),
        "precision": float(precision_score(new, taken, zero_division=0)),
        "recall": float(recall_score(new, taken, zero_division=0)),
        "others_loss": _others(truth, name, before) - _others(truth, name, after),
        "others_loss_to_retrained": _others(truth, name, retrained) - _others(truth, name, after),
    }


def _compared(
    truth: NDArray[np.str_],
    name: str,
    before: NDArray[np.str_],
    retrained: NDArray[np.str_],
    far_out: NDArray[np.str_],
) -> dict[str, float]:
    """Return the figures that do not depend on which few cells were drawn."""
    simplest = _figures(truth, name, before, far_out, retrained)
    return {
        "others_before": _others(truth, name, before),
        "retrained_f1": float(f1_score(truth == name, retrained == name, zero_division=0)),
        "others_retrained": _others(truth, name, retrained),
        "novelty_f1": simplest["f1"],
        "novelty_others_loss": simplest["others_loss"],
    }


def _others(truth: NDArray[np.str_], name: str, labels: NDArray[np.str_]) -> float:
    """Macro-F1 of the other types over their own cells."""
    old = truth != name
    types = np.unique(truth[old])
    return float(f1_score(truth[old], labels[old], labels=types, average="macro", zero_division=0))


def summarise(rows: list[Row]) -> dict[str, dict[str, float]]:
    """Return means over the types of each data set, and the worst loss of the others."""
    summary = {}
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        own = [row for row in rows if row["dataset"] == dataset]
        summary[dataset] = {name: fmean(row[name] for row in own) for name in MEANS} | {
            "worst_others_loss": max(row["others_loss"] for row in own)
        }
    return summary
