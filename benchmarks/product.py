"""The only file that calls atlash: names that change there change here and nowhere else."""

from __future__ import annotations

import os
import sys
import warnings
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import atlash
from atlash.reference.columns import cells_table, codes_of
from atlash.reference.search import ANCHOR_WEIGHT
from atlash.tl.queries import encode_queries
from benchmarks.outcome import Cached, Outcome, cached
from benchmarks.tasks import LABELS, Task

if TYPE_CHECKING:
    import anndata as ad

STATED_COVERAGE = 0.95
"""Of the sets in ``obsm["atlash_sets"]``."""
DEFAULT_RANKING = atlash.SearchConfig().ranking
COMMAND = [sys.executable, "-c", "from atlash.cli.app import main; main()"]


@dataclass(frozen=True)
class Settings:
    """What a benchmark may change: options of learning by name, how bits are compared, parents."""

    train: tuple[tuple[str, object], ...] = ()
    method: str = "asymmetric"
    hierarchy: tuple[tuple[str, str], ...] = ()


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
    method = f"atlash-{digest_with_source(seed, chosen)}"
    return cached(method, task, lambda task: labelled(task, seed, chosen).outcome)


def digest_with_source(*options: object) -> str:
    """Return a digest of options and of all of atlash's source."""
    digest = sha256(repr(options).encode())
    for path in sorted(Path(atlash.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def build(
    cells: ad.AnnData, batch_key: str | None, *, seed: int = 0, settings: Settings | None = None
) -> atlash.Reference:
    """Build a reference with as many threads as the benchmark was given."""
    chosen = settings or Settings()
    train = replace(atlash.TrainConfig(), **dict(chosen.train))
    return atlash.Reference.build(
        cells,
        labels_key=LABELS,
        batch_key=batch_key,
        config=atlash.BuildConfig(
            train=train,
            hierarchy=dict(chosen.hierarchy) or None,
            n_threads=threads(),
            progress=False,
        ),
        random_state=seed,
    )


def label(
    query: ad.AnnData,
    reference: atlash.Reference,
    *,
    method: str = "asymmetric",
    force: bool = True,
) -> None:
    """Annotate in place, by default with a label for every cell."""
    config = atlash.AnnotateConfig(method=method, n_threads=threads(), progress=False)
    atlash.tl.annotate(query, reference, force=force, config=config)


def save(reference: atlash.Reference, path: Path) -> None:
    """Save a reference where the command line can read it."""
    reference.save(path, overwrite=True)


def annotate_command(query: Path, reference: Path, output: Path) -> list[str]:
    """Spell the command line that annotates one file."""
    return [*COMMAND, "annotate", str(query), "-r", str(reference), "-o", str(output)]


def threads() -> int:
    """Threads that ``python -m benchmarks`` was given."""
    return int(os.environ["OMP_NUM_THREADS"])


def many_cells(reference: atlash.Reference, n_cells: int, seed: int) -> atlash.Reference:
    """Return a reference with the same encoder and so many cells, in memory.

    Codes are those of the reference's own cells, with one bit in ten of the detail part and one
    in a hundred of the anchor part flipped; the other columns are drawn at random.
    """
    rng = np.random.default_rng(seed)
    own = reference.cells
    codes, labels = codes_of(own), own["label"].to_pandas().to_numpy()
    chosen = rng.integers(0, len(codes), n_cells)
    n_anchor = reference.annotator.n_bits // 8
    noise = np.zeros((n_cells, codes.shape[1]), dtype=np.uint8)
    for bit in range(8 * codes.shape[1]):
        share = 0.01 if bit < 8 * n_anchor else 0.1
        noise[:, bit // 8] |= (rng.random(n_cells) < share).astype(np.uint8) << (bit % 8)
    table = cells_table(
        [f"cell{row}" for row in range(n_cells)],
        codes[chosen] ^ noise,
        pd.Categorical(labels[chosen]),
        obs=pd.DataFrame(
            {
                "tissue": pd.Categorical.from_codes(
                    rng.integers(0, 50, n_cells), [f"tissue{n:02}" for n in range(50)]
                ),
                "donor": pd.Categorical.from_codes(
                    rng.integers(0, 200, n_cells), [f"donor{n:03}" for n in range(200)]
                ),
                "n_genes": rng.integers(200, 5000, n_cells).astype(np.int32),
            }
        ),
    )
    return replace(reference, cells=table, meta=reference.meta | {"n_cells": n_cells})


def search(
    query: ad.AnnData,
    reference: atlash.Reference,
    k: int,
    *,
    where: str | None = None,
    ranking: str = DEFAULT_RANKING,
) -> atlash.tl.Hits:
    """Search with as many threads as the benchmark was given."""
    config = atlash.SearchConfig(ranking=ranking, n_threads=threads(), progress=False)
    return atlash.tl.search(query, reference, k, where=where, config=config)


def add(reference: atlash.Reference, cells: ad.AnnData | Path) -> None:
    """Add cells; those whose id is there take the place of the old ones."""
    reference.add(cells, on_duplicate="replace", n_threads=threads(), progress=False)


def registered(reference: atlash.Reference, name: str, cells: ad.AnnData) -> atlash.Reference:
    """Return a reference that has been taught a type; the given one stays as it is."""
    taught = replace(reference)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a type can hardly be told is what is measured
        taught.register_type(name, cells)
    return taught


def load_reference(path: Path, *, verify: bool) -> atlash.Reference:
    """Open a saved reference."""
    return atlash.Reference.load(path, verify=verify)


def query_codes(query: ad.AnnData, reference: atlash.Reference) -> np.ndarray:
    """Return packed codes of query cells, which are annotated in passing."""
    label(query, reference)
    return np.asarray(query.obsm["atlash_codes"])


def codes_in(reference: atlash.Reference, rows: np.ndarray) -> np.ndarray:
    """Return packed codes of some of the cells."""
    return codes_of(reference.index.cells.take(rows, ["code"]))


@dataclass(frozen=True)
class Bits:
    """Expected bits of queries in [-1, 1], a reference's as -1 and +1, and what each counts.

    All float32: ``(n_query, n_bits)``, ``(n_reference, n_bits)`` and ``(n_bits,)``.
    """

    expected: np.ndarray
    reference: np.ndarray
    weights: np.ndarray


def bits_of(query: ad.AnnData, reference: atlash.Reference) -> Bits:
    """Return the codes that the default ranking of a search compares."""
    config = atlash.SearchConfig(n_threads=threads(), progress=False)
    expected = encode_queries(query, reference, config).asked.expected
    bits = np.unpackbits(codes_of(reference.cells), axis=1, bitorder="little")
    anchor = np.arange(bits.shape[1]) < reference.annotator.n_bits
    weights = np.where(anchor, ANCHOR_WEIGHT, 1).astype(np.float32)
    return Bits(expected, np.where(bits, 1, -1).astype(np.float32), weights)
