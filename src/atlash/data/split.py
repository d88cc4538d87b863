"""Folds for honest calibration: batches stay whole, every type stays in training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def group_folds(
    labels: NDArray[Any],
    groups: NDArray[Any] | None,
    *,
    n_folds: int,
    random_state: int,
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Deal cells into folds.

    Parameters
    ----------
    labels
        Type of each cell, ``(n_cells,)``.
    groups
        Batch or donor of each cell, ``(n_cells,)``; ``None`` where there is none.
    n_folds
        Folds wanted, at least 2; with fewer groups than that there are as many as groups.
    random_state
        Seed; the same seed gives the same folds.

    Returns
    -------
    For each fold the indices of training and validation cells, ascending.

    Notes
    -----
    A group is in one fold. A type that this would take out of training (its cells are all in
    one fold) is dealt cell by cell instead; if most cells are of such types, all are. A type
    with a single cell is always in training.
    """
    if n_folds < 2:
        msg = f"At least 2 folds are needed, got {n_folds}."
        raise ValueError(msg)
    rng = np.random.default_rng(random_state)
    types = np.unique(np.asarray(labels).astype(str), return_inverse=True)[1]
    n_types = int(types.max(initial=-1)) + 1
    by_cell = _deal_cells(types, n_folds, rng)
    fold = by_cell
    if groups is not None:
        batch = np.unique(np.asarray(groups).astype(str), return_inverse=True)[1]
        n_groups = int(batch.max(initial=-1)) + 1
        if n_groups > 1:
            n_whole = min(n_folds, n_groups)
            by_group = _deal_groups(types, batch, n_whole, rng)[batch]
            n_folds_of_type = np.zeros((n_types, n_whole), dtype=bool)
            n_folds_of_type[types, by_group] = True
            spread = (n_folds_of_type.sum(axis=1) > 1)[types]
            if 2 * spread.sum() >= spread.size:
                fold = np.where(spread, by_group, _deal_cells(types, n_whole, rng))
                n_folds = n_whole
    everyone = np.arange(types.size)
    return [(everyone[fold != k], everyone[fold == k]) for k in range(n_folds)]


def _deal_cells(
    types: NDArray[np.int64], n_folds: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Deal the cells of each type evenly over folds; -1 for the only cell of a type."""
    order = rng.permutation(types.size)
    order = order[np.argsort(types[order], kind="stable")]
    sizes = np.bincount(types)
    rank = np.arange(types.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    # Each type starts at a fold of its own, so that rare types do not all meet in the first.
    first = np.repeat(rng.integers(n_folds, size=sizes.size), sizes)
    fold = np.empty(types.size, dtype=np.int64)
    fold[order] = (first + rank) % n_folds
    fold[sizes[types] == 1] = -1
    return fold


def _deal_groups(
    types: NDArray[np.int64],
    batch: NDArray[np.int64],
    n_folds: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Give each group a fold, ``(n_groups,)``, so that types spread evenly.

    Largest first, each goes where the sum over types of squared shares of the type grows
    least.
    """
    shape = int(batch.max()) + 1, int(types.max()) + 1
    share = np.zeros(shape)
    np.add.at(share, (batch, types), 1.0)
    size = share.sum(axis=1)
    share /= share.sum(axis=0)
    load = np.zeros((n_folds, shape[1]))
    fold_of_group = np.empty(shape[0], dtype=np.int64)
    order = rng.permutation(shape[0])
    for group in order[np.argsort(-size[order], kind="stable")]:
        growth = (load * share[group]).sum(axis=1)
        empty_first = np.lexsort((load.sum(axis=1), growth))
        fold_of_group[group] = empty_first[0]
        load[empty_first[0]] += share[group]
    return fold_of_group
