"""Names of cells, each given once."""

from __future__ import annotations

import warnings

import pandas as pd


class DuplicateCellsWarning(UserWarning):
    """Several cells had one name and were given new ones."""


def unique_ids(ids: pd.Index) -> list[str]:
    """Give every cell a name of its own.

    Parameters
    ----------
    ids
        Names ``(n,)``; files that were joined often share barcodes.

    Returns
    -------
    The same names; of those that repeat, the second and later ones with ``-1``, ``-2``, ...

    Warns
    -----
    DuplicateCellsWarning
        If names were changed.
    """
    names = pd.Series(ids.astype(str))
    repeated = names.duplicated()
    if not repeated.any():
        return names.tolist()
    example = names[repeated].iloc[0]
    taken = set(names)
    unique = names.tolist()
    last: dict[str, int] = {}
    for place in repeated.to_numpy().nonzero()[0]:
        name = unique[place]
        number = last.get(name, 0) + 1
        while f"{name}-{number}" in taken:
            number += 1
        last[name] = number
        unique[place] = f"{name}-{number}"
        taken.add(unique[place])
    msg = (
        f"{int(repeated.sum()):,} of {len(names):,} cells have the name of an earlier cell, for "
        f"example {example!r}; they are kept as {example + '-1'!r} and so on. Make the names "
        "unique before, for example with a prefix for each sample, to find them again."
    )
    warnings.warn(msg, DuplicateCellsWarning, stacklevel=4)
    return unique
