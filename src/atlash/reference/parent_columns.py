"""Parents and types in two columns of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from atlash.errors import LabelsError
from atlash.reference.labels import read_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from atlash.data.source import CellSource
    from atlash.reference.labels import Labels

MOST_NAMED = 5
"""Names that a message lists."""


def parents_of_columns(
    sources: Sequence[CellSource],
    labels: Labels,
    keys: tuple[str, str],
) -> tuple[str, ...]:
    """Return the parent of each type, as two columns of labels tell.

    Parameters
    ----------
    sources
        The cells.
    labels
        Their types.
    keys
        Columns of the parents and of the types.

    Raises
    ------
    LabelsError
        If a cell has one label of the two, or a type has several parents.
    KeyNotFoundError
        If a source with labelled cells has no column of parents.
    """
    above = np.concatenate(
        [
            read_names([source], keys[0])
            if (own >= 0).any() or keys[0] in source.obs
            else np.full(source.n_cells, None, dtype=object)
            for source, own in labels.by_source(sources)
        ]
    )
    cells = np.concatenate([source.obs.index.to_numpy(dtype=object) for source in sources])
    _check_both(above, labels, keys, cells)
    return one_parent_each(labels.types, labels.codes, above, keys=keys, cells=cells)


def one_parent_each(
    types: Sequence[str],
    codes_of: NDArray[np.int64],
    above: NDArray[np.object_],
    *,
    keys: tuple[str, str],
    cells: NDArray[np.object_],
) -> tuple[str, ...]:
    """Return the parent that the cells of each type have.

    Parameters
    ----------
    types
        Names of the types; each has a cell.
    codes_of
        Type of each cell ``(n,)``, -1 for none.
    above
        Parent of each cell ``(n,)``; one at least of each type.
    keys
        What messages call the columns of the parents and of the types.
    cells
        Name of each cell ``(n,)``.

    Raises
    ------
    LabelsError
        If a type has several.
    """
    parents = []
    for kind, name in enumerate(types):
        rows = np.flatnonzero(codes_of == kind)
        codes, found = pd.factorize(above[rows], sort=True)
        if len(found) > 1:
            seen = [
                f"{parent!r} in {n:,} cells such as {cells[rows[(codes == k).argmax()]]!r}"
                for k, (parent, n) in enumerate(zip(found, np.bincount(codes), strict=True))
            ]
            msg = (
                f"The type {name!r} in {keys[1]!r} has {len(found)} parents in {keys[0]!r}: "
                f"{' and '.join(seen[:MOST_NAMED])}. Correct the cells, or rename the type so "
                "that each parent has its own."
            )
            raise LabelsError(msg)
        parents.append(str(found[0]))
    return tuple(parents)


def _check_both(
    above: NDArray[np.object_],
    labels: Labels,
    keys: tuple[str, str],
    cells: NDArray[np.object_],
) -> None:
    """Refuse cells with a parent but no type, and the other way round."""
    no_parent = np.array([name is None for name in above])
    odd = no_parent != (labels.codes < 0)
    if odd.any():
        first = int(odd.argmax())
        lacks, has = keys if no_parent[first] else keys[::-1]
        msg = (
            f"{int(odd.sum()):,} of {len(odd):,} cells have a label in one of {keys[0]!r} and "
            f"{keys[1]!r} only, such as {cells[first]!r}, which has {has!r} but not {lacks!r}. "
            "Fill both (a type that is not known further can bear its parent's name), or set "
            "both to NaN to leave the cells out."
        )
        raise LabelsError(msg)


def check_one_level(parents: Sequence[str], types: Sequence[str]) -> None:
    """Raise :class:`LabelsError` if a type has the name of another type's parent."""
    for name, parent in zip(types, parents, strict=True):
        if name in parents and parent != name:
            child = types[parents.index(name)]
            msg = (
                f"{name!r} is a type of the parent {parent!r}, and also the parent of {child!r}. "
                "A name stands for one level: rename the type or the parent."
            )
            raise LabelsError(msg)
