"""Splits for cells of unknown types: every type of a data set left out of training in turn.

The rows that may train and those that are tested are fixed per data set, and every type occurs
among the tested:

- kang: six donors train, donors 101 and 1015 are tested;
- pbmc_cross: 70 % train and 30 % are tested, stratified by batch and type;
- sc_mixology: Drop-seq and the third CEL-seq2 plate of five lines are tested (Drop-seq lacks two
  of the lines), the other three batches train;
- haber: 70 % train and 30 % are tested, stratified by type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.model_selection import train_test_split

from benchmarks.tasks import BATCH, LABELS, Task, load

if TYPE_CHECKING:
    from collections.abc import Iterator

    import anndata as ad
    from numpy.typing import NDArray

DATASETS = ("kang", "pbmc_cross", "sc_mixology", "haber")
TEST_BATCHES = {
    "kang": ("101", "1015"),
    "sc_mixology": ("sc_dropseq", "sc_celseq2_5cl_p3"),
}
TEST_SHARE = 0.3


def held_out_types(dataset: str) -> Iterator[Task]:
    """Yield one task a type, with no cell of that type among the training rows."""
    cells = load(dataset)
    types = np.asarray(cells.obs[LABELS], dtype=str)
    train, test = _rows(dataset, cells, types)
    for held_out in np.unique(types):
        name = f"unknown/{dataset}/{held_out}"
        yield Task(name, dataset, cells, train[types[train] != held_out], test)


def _rows(
    dataset: str, cells: ad.AnnData, types: NDArray[np.str_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if dataset in TEST_BATCHES:
        tested = np.isin(np.asarray(cells.obs[BATCH], dtype=str), TEST_BATCHES[dataset])
        return np.flatnonzero(~tested), np.flatnonzero(tested)
    strata = types
    if BATCH in cells.obs:
        strata = np.char.add(types, np.asarray(cells.obs[BATCH], dtype=str))
    train, test = train_test_split(
        np.arange(cells.n_obs), test_size=TEST_SHARE, stratify=strata, random_state=0
    )
    return np.sort(train), np.sort(test)
