"""What pre-training without labels is worth where labels are few.

A Transformer is pre-trained on all gene-named shared cells for a budget of minutes. No label is
looked at; the expression of cells that are tested later is among them, as it is when somebody
pre-trains on an atlas and on new cells. Then methods learn from few labels, as in
:mod:`benchmarks.few_labels`, whose methods are here too.
"""

from __future__ import annotations

import resource
from functools import partial
from typing import TYPE_CHECKING

from atlash import PretrainConfig, TransformerConfig
from benchmarks.few_labels import (
    Method,
    means,
    measured_all,
    methods_without_encoder,
    parser,
)
from benchmarks.machine import write_result
from benchmarks.places import cache_folder
from benchmarks.product import digest_with_source, threads
from benchmarks.product_pretraining import (
    fine_tuned,
    logistic_on_embeddings,
    pretrained,
    untrained,
)

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from benchmarks.outcome import Outcome
    from benchmarks.tasks import Task


def main(arguments: list[str]) -> None:
    options = parsed(arguments)
    config = PretrainConfig(
        model=TransformerConfig(n_tokens=options.tokens),
        n_genes=options.genes,
        n_threads=threads(),
    )
    folder = cache_folder(
        f"pretraining-{options.minutes:g}-{options.tokens}-{options.genes}-{threads()}"
    )
    encoder, cost = pretrained(folder, config, minutes=options.minutes)
    methods = methods_of(
        folder / "trained",
        untrained(folder, config, "coexpression"),
        untrained(folder, config, "random"),
    )
    version = digest_with_source(encoder.fingerprint)
    chosen = {name: methods[name] for name in options.methods or methods}
    rows = measured_all(chosen, options, version)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    result = {
        "pretraining": cost
        | {"minutes": options.minutes, "tokens": options.tokens, "genes": options.genes}
        | {"losses": encoder.facts["learned"]["losses"], "peak_gb_of_this_process": memory},
        "runs": rows,
        "means": means(rows, list(chosen), options.shares),
    }
    if not options.trial:
        print(write_result("pretraining", result))


def parsed(arguments: list[str]) -> argparse.Namespace:
    found = parser("pretraining", __doc__)
    found.add_argument("--minutes", type=float, default=40.0, help="budget of pre-training")
    found.add_argument("--tokens", type=int, default=128, help="genes of a cell that are read")
    found.add_argument("--genes", type=int, default=4000, help="vocabulary")
    found.add_argument("--methods", nargs="+", help="some of the methods; all by default")
    found.add_argument("--trial", action="store_true", help="write no result")
    return found.parse_args(arguments)


def methods_of(trained: Path, started: Path, random: Path) -> dict[str, Method]:
    """Return what is compared, given a pre-trained encoder and two that have made no step.

    Parameters
    ----------
    trained
        The encoder after all steps.
    started
        Its like before the first one: embeddings of genes by co-expression, nothing else learned.
    random
        The same with embeddings of genes from noise.
    """
    encoders = {"pre-trained": trained, "before the first step": started, "from noise": random}
    methods = methods_without_encoder()
    for name, encoder in encoders.items():
        methods[f"logistic regression on embeddings, {name}"] = partial(_linear, encoder=encoder)
    for name, encoder in encoders.items():
        methods[f"Transformer, {name}"] = partial(_fine_tuned, encoder=encoder)
    return methods


def _linear(task: Task, _seed: int, *, encoder: Path) -> Outcome:
    return logistic_on_embeddings(task, encoder)


def _fine_tuned(task: Task, seed: int, *, encoder: Path) -> Outcome:
    return fine_tuned(task, encoder, seed, use_unlabelled=True)
