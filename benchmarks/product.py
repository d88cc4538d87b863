"""The only file that calls atlash: names that change there change here and nowhere else."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

import atlash
from benchmarks.outcome import Cached, Outcome, cached
from benchmarks.tasks import LABELS, Task

if TYPE_CHECKING:
    import anndata as ad

STATED_COVERAGE = 0.95
"""Of the sets in ``obsm["atlash_sets"]``."""
COMMAND = [sys.executable, "-c", "from atlash.cli.app import main; main()"]


@dataclass(frozen=True)
class Settings:
    """What a benchmark may change: options of learning by name, and how bits are compared."""

    train: tuple[tuple[str, object], ...] = ()
    method: str = "asymmetric"


@dataclass(frozen=True)
class Labelled:
    """Test cells of a task as atlash annotated them, and the seconds that it took."""

    query: ad.AnnData
    fit_seconds: float
    predict_seconds: float

    @property
    def outcome(self) -> Outcome:
        """Labels, calibrated confidences and novelty scores."""
        obs = self.query.obs
        return Outcome(
            labels=np.asarray(obs["atlash_label"], dtype=str),
            confidence=np.asarray(obs["atlash_confidence"], dtype=np.float64),
            novelty=np.asarray(obs["atlash_novelty"], dtype=np.float64),
            fit_seconds=self.fit_seconds,
            predict_seconds=self.predict_seconds,
            sets=np.asarray(self.query.obsm["atlash_sets"], dtype=bool),
            types=np.asarray(self.query.uns["atlash"]["types"], dtype=str),
        )


def labelled(task: Task, seed: int, settings: Settings | None = None) -> Labelled:
    """Build a reference from a task's training cells and label its test cells."""
    chosen = settings or Settings()
    start = perf_counter()
    reference = build(task.train, task.batch_key, seed=seed, settings=chosen)
    built = perf_counter()
    query = task.test
    label(query, reference, method=chosen.method)
    return Labelled(query, built - start, perf_counter() - built)


def annotate_task(task: Task, seed: int, settings: Settings | None = None) -> Cached:
    """Return what atlash says of a task; computed anew whenever atlash's source has changed."""
    chosen = settings or Settings()
    digest = sha256(repr((seed, chosen)).encode())
    for path in sorted(Path(atlash.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    method = f"atlash-{digest.hexdigest()[:16]}"
    return cached(method, task, lambda task: labelled(task, seed, chosen).outcome)


def build(
    cells: ad.AnnData, batch_key: str | None, *, seed: int = 0, settings: Settings | None = None
) -> atlash.Reference:
    """Build a reference with as many threads as the benchmark was given."""
    train = replace(atlash.TrainConfig(), **dict((settings or Settings()).train))
    return atlash.Reference.build(
        cells,
        labels_key=LABELS,
        batch_key=batch_key,
        config=atlash.BuildConfig(train=train, n_threads=threads(), progress=False),
        random_state=seed,
    )


def label(query: ad.AnnData, reference: atlash.Reference, *, method: str = "asymmetric") -> None:
    """Annotate in place, with a label for every cell."""
    config = atlash.AnnotateConfig(method=method, n_threads=threads(), progress=False)
    atlash.tl.annotate(query, reference, force=True, config=config)


def save(reference: atlash.Reference, path: Path) -> None:
    """Save a reference where the command line can read it."""
    reference.save(path, overwrite=True)


def annotate_command(query: Path, reference: Path, output: Path) -> list[str]:
    """Spell the command line that annotates one file."""
    return [*COMMAND, "annotate", str(query), "-r", str(reference), "-o", str(output)]


def threads() -> int:
    """Threads that ``python -m benchmarks`` was given."""
    return int(os.environ["OMP_NUM_THREADS"])
