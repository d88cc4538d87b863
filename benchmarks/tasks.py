"""The splits: which cells train, which are tested, and how labels are scored.

A query never carries its labels or batches: ``Task.test`` has an empty ``obs``, so no method can
look. Test cells of a type that training has never seen are left out of the scores of annotation
(no method could be right on them) and are what :mod:`benchmarks.unknown_types` is about.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.model_selection import StratifiedKFold

from benchmarks.places import data_root

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

LABELS = "cell_type"
BATCH = "batch"
FILES = {
    "pbmc_cross": "pbmc_cross.h5ad",
    "kang": "kang_pbmc_12k_1287g.h5ad",
    "sc_mixology": "sc_mixology_cell_lines.h5ad",
    "haber": "haber_intestine_demo.h5ad",
    "paul15": "paul15.h5ad",
    "cbmc": "cbmc_cite_top2000.h5ad",
}
GROUPS = ("zheng_to_pbmc3k", "pbmc3k_to_zheng", "kang", "sc_mixology", "haber")


@dataclass(frozen=True)
class Task:
    """One split of one data set.

    Parameters
    ----------
    name, group
        Name of the split, and of the group over which figures are averaged.
    cells
        All cells of the data set; ``obs`` has ``cell_type`` and, with several batches, ``batch``.
    train_rows, test_rows
        Rows of ``cells``, disjoint, dtype int64.
    """

    name: str
    group: str
    cells: ad.AnnData
    train_rows: NDArray[np.int64]
    test_rows: NDArray[np.int64]

    @property
    def train(self) -> ad.AnnData:
        """Training cells with their labels and batches, a copy."""
        return self.cells[self.train_rows].copy()

    @property
    def test(self) -> ad.AnnData:
        """Test cells as a user would bring them: counts and gene names, an empty ``obs``."""
        rows = self.test_rows
        obs = pd.DataFrame(index=self.cells.obs_names[rows])
        return ad.AnnData(self.cells.X[rows].copy(), obs=obs, var=self.cells.var.copy())

    @property
    def labels(self) -> NDArray[np.str_]:
        """Types of the training cells, ``(n_train,)``."""
        return np.asarray(self.cells.obs[LABELS], dtype=str)[self.train_rows]

    @property
    def truth(self) -> NDArray[np.str_]:
        """Types of the test cells, ``(n_test,)``; for scoring only."""
        return np.asarray(self.cells.obs[LABELS], dtype=str)[self.test_rows]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Test cells whose type occurs in training, ``(n_test,)``."""
        return np.isin(self.truth, np.unique(self.labels))

    @property
    def batch_key(self) -> str | None:
        """Column of batches when training holds at least two, else ``None``."""
        if BATCH not in self.cells.obs:
            return None
        batches = np.unique(np.asarray(self.cells.obs[BATCH], dtype=str)[self.train_rows])
        return BATCH if len(batches) > 1 else None

    @property
    def fingerprint(self) -> str:
        """Digest of the data and the split: a cached result of another split is refused."""
        digest = sha256(self.name.encode())
        for part in (self.cells.X.data, self.cells.X.indices, self.train_rows, self.test_rows):
            digest.update(np.ascontiguousarray(part).tobytes())
        digest.update("|".join(self.cells.obs[LABELS].astype(str)).encode())
        return digest.hexdigest()[:16]


@lru_cache(maxsize=1)
def load(dataset: str) -> ad.AnnData:
    """Read one data set; ``X`` is CSR float32 counts. Treat the result as read-only."""
    cells = ad.read_h5ad(data_root() / FILES[dataset])
    cells.X = sp.csr_matrix(cells.X, dtype=np.float32)
    return cells


def held_out_batches(dataset: str) -> Iterator[Task]:
    """Every batch of a data set tested in turn, the others training."""
    cells = load(dataset)
    batches = np.asarray(cells.obs[BATCH], dtype=str)
    for batch in np.unique(batches):
        train, test = np.flatnonzero(batches != batch), np.flatnonzero(batches == batch)
        yield Task(f"{dataset}/{batch}", dataset, cells, train, test)


def cross_study(train: str, test: str, group: str) -> Iterator[Task]:
    """Train on one study of ``pbmc_cross`` and test on the other."""
    cells = load("pbmc_cross")
    batches = np.asarray(cells.obs[BATCH], dtype=str)
    yield Task(
        group, group, cells, np.flatnonzero(batches == train), np.flatnonzero(batches == test)
    )


def stratified_folds(dataset: str) -> Iterator[Task]:
    """Five folds, stratified by type, shuffled with seed 0."""
    cells = load(dataset)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    for fold, (train, test) in enumerate(folds.split(np.zeros(cells.n_obs), cells.obs[LABELS])):
        yield Task(f"{dataset}/fold{fold}", dataset, cells, train, test)


def annotation_tasks(groups: tuple[str, ...] = GROUPS) -> Iterator[Task]:
    """Yield the twenty splits of the annotation benchmark, group by group."""
    makers = {
        "zheng_to_pbmc3k": lambda: cross_study("zheng_facs", "pbmc3k", "zheng_to_pbmc3k"),
        "pbmc3k_to_zheng": lambda: cross_study("pbmc3k", "zheng_facs", "pbmc3k_to_zheng"),
        "kang": lambda: held_out_batches("kang"),
        "sc_mixology": lambda: held_out_batches("sc_mixology"),
        "haber": lambda: stratified_folds("haber"),
    }
    unknown = set(groups) - set(makers)
    if unknown:
        msg = f"There is no group {sorted(unknown)}; the groups are {', '.join(GROUPS)}."
        raise SystemExit(msg)
    for group in groups:
        yield from makers[group]()
