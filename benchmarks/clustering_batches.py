"""Simulated batches of known types: what bringing them together mixes, and what it costs types.

Batches differ from hardly to very much, hold types evenly or not, and are few or many; half of a
batch's effect is its own in each type. The options of integration are chosen here, never on real
batches. Types are scored by the nearest cells, as numbers of clusters jump.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd

from benchmarks.cluster_simulated import DISCRETE, Batching, Discrete, batched_cells
from benchmarks.integration import mixing_of, read
from benchmarks.machine import version_of, write_result
from benchmarks.peers.harmony import harmony
from benchmarks.tasks import BATCH, LABELS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmarks.integration import Cells

    Mover = Callable[[Cells], NDArray[np.float32]]

FEW = (
    Discrete(n_types=1, n_cells=1500),
    Discrete(n_types=2, n_cells=2500),
    Discrete(n_types=3, n_cells=2500, depth=2000),
)
MANY = (DISCRETE[0], DISCRETE[3], DISCRETE[4], DISCRETE[6])
N_NEAR = 15


@dataclass(frozen=True)
class Design:
    """Sets of one kind."""

    name: str
    recipes: tuple[Discrete, ...]
    batching: Batching


DESIGNS = (
    Design("many types, 8 batches that do not differ", MANY, Batching(8, 3.0, 0.0)),
    Design("many types, 8 batches that hardly differ", MANY, Batching(8, 3.0, 0.1)),
    Design("many types, 8 batches that differ", MANY, Batching(8, 3.0, 0.2)),
    Design("many types, uneven, 5 batches that hardly differ", MANY, Batching(5, 0.5, 0.1)),
    Design("many types, uneven, 5 batches that differ", MANY, Batching(5, 0.5, 0.25)),
    Design("many types, 2 batches that differ much", MANY, Batching(2, 1.0, 0.5)),
    Design("up to 3 types, 2 batches that differ", FEW, Batching(2, 10.0, 0.3)),
    Design("up to 3 types, 5 batches that differ", FEW, Batching(5, 3.0, 0.3)),
    Design("up to 3 types, 5 batches that differ very much", FEW, Batching(5, 3.0, 0.8)),
)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks clustering-batches", description=__doc__
    )
    parser.add_argument("--seeds", type=int, default=2, help="sets of each recipe and design")
    options = parser.parse_args(arguments)
    rows = []
    for design in DESIGNS:
        sets = [
            drawn(recipe, design.batching, seed)
            for recipe in design.recipes
            for seed in range(options.seeds)
        ]
        for method, move in movers().items():
            scores = [scored(cells, move(cells)) for cells in sets]
            row = {"design": design.name, **asdict(design.batching), "method": method}
            row |= {name: fmean(score[name] for score in scores) for name in scores[0]}
            rows.append(row)
            print(row, flush=True)
    result = {"n_seeds": options.seeds, "harmonypy": version_of("harmonypy"), "rows": rows}
    print(write_result("clustering_batches", result))


def drawn(recipe: Discrete, batching: Batching, seed: int) -> Cells:
    """Draw a set, and place its cells as clustering does."""
    counts, kinds, batch = batched_cells(recipe, batching, np.random.default_rng([7, seed]))
    obs = {LABELS: [f"t{kind}" for kind in kinds], BATCH: [f"b{number}" for number in batch]}
    names = [f"c{row}" for row in range(len(kinds))]
    genes = pd.DataFrame(index=[f"g{column}" for column in range(counts.shape[1])])
    return read(ad.AnnData(counts, obs=pd.DataFrame(obs, index=names), var=genes))


def movers() -> dict[str, Mover]:
    """Return what moves cells, by name."""
    from atlash.clustering.batch_estimates import BatchConfig
    from atlash.clustering.batches import correct

    def ours(config: BatchConfig) -> Mover:
        return lambda cells: (
            correct(cells.places, cells.batches, config=config, n_threads=1).places
        )

    return {
        "none": lambda cells: cells.places,
        "harmonypy": lambda cells: harmony(cells.places, cells.batches, 0),
        "atlash, caution 0": ours(BatchConfig(caution=0.0)),
        "atlash": ours(BatchConfig()),
        "atlash, caution 3": ours(BatchConfig(caution=3.0)),
        "atlash, caution 10": ours(BatchConfig(caution=10.0)),
        "atlash, theta 0": ours(BatchConfig(theta=0.0)),
    }


def scored(cells: Cells, places: NDArray[np.float32]) -> dict[str, Any]:
    """Return iLISI, and the share of nearest cells that are of the own type, a mean over types."""
    from atlash.graph.neighbours import nearest

    near = nearest(places, n_neighbors=N_NEAR, n_threads=1).rows
    same = (cells.types[near] == cells.types[:, None]).mean(axis=1)
    purity = fmean(same[cells.types == kind].mean() for kind in np.unique(cells.types))
    return {"purity": purity, "ilisi": mixing_of(places, cells.batches).ilisi}
