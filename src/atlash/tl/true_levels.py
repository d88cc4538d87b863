"""True types and true parents of a query's cells."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atlash.errors import InputError, LabelsError
from atlash.reference.parent_columns import MOST_NAMED, check_one_level, one_parent_each
from atlash.tl.truth import check_overlap, read_truth

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from atlash.tl.taxonomy import Taxonomy


class OtherParentsWarning(UserWarning):
    """Types of the query have other parents than in the reference."""


def true_levels(
    obs: pd.DataFrame,
    columns: tuple[str | None, str],
    rename: Mapping[str, str | None] | None,
    *,
    known: Taxonomy,
) -> list[tuple[str, NDArray[Any]]]:
    """Return the true names of each cell at each level, the coarse one first.

    Without a hierarchy there is the level of types alone. Parents are those in the query's own
    column. Without that the reference tells them: a type that it does not know has no known
    parent, and a cell that bears the name of a parent is of that parent and of no known type.

    Parameters
    ----------
    obs
        Table of the cells, ``n`` rows.
    columns
        Columns of the parents, if there is one, and of the types.
    rename
        See :func:`atlash.tl.truth.read_truth`.
    known
        Types and parents of the reference.

    Returns
    -------
    What each level is called, and names ``(n,)``, ``None`` where there is none.

    Raises
    ------
    KeyNotFoundError
        If there is no such column.
    LabelsError
        If the types or parents are of no use; if a cell has a type but no parent, a type two
        parents, or one name stands for a type and for the parent of another.
    InputError
        If two columns are named and there is no hierarchy, or one column twice.

    Warns
    -----
    OtherParentsWarning
        If types have other parents than in the reference.
    LikeNamesWarning, UnusedNamesWarning
    """
    parent_key, key = columns
    _check_columns(columns, known)
    truth = read_truth(obs, [name for name in columns if name is not None], rename)
    if not known.parents:
        check_overlap(truth[0], known.types, key)
        return [(key, truth[0])]
    types = truth[-1]
    if parent_key is None:
        above, name = _mapped(types, lambda name: _parent_in(known, name)), f"parent of {key}"
    else:
        above, name = truth[0], parent_key
        _check_parents(above, types, (parent_key, key), obs.index.to_numpy(dtype=object))
        _compare_parents(above, types, known)
    coarse = set(known.parents) - set(known.types)
    types = _mapped(types, lambda name: None if name in coarse else name)
    for level, names in ((key, types), (name, above)):
        if set(names) <= {None}:
            msg = (
                f"No cell has a true {'parent' if names is above else 'type'} in {key!r}, whose "
                f"names are {_some(truth[-1])}; the reference has the types "
                f"{_some(known.types)}, below the parents {_some(known.parents)}. Name a column "
                "with types, or two columns: ['parent', 'sub']."
            )
            raise LabelsError(msg)
        check_overlap(names, known.parents if names is above else known.types, level)
    return [(name, above), (key, types)]


def _check_columns(columns: tuple[str | None, str], known: Taxonomy) -> None:
    parent_key, key = columns
    if parent_key is not None and not known.parents:
        msg = (
            f"`labels_key` names two columns, {parent_key!r} and {key!r}, but the answers have no "
            "level of parents: they come from a reference without a hierarchy. Name the column of "
            f"the types alone, such as {key!r}, or build the reference with both columns."
        )
        raise InputError(msg)
    if parent_key == key:
        msg = f"`labels_key` names the column {key!r} twice; name that of the parents first."
        raise InputError(msg)


def _check_parents(
    above: NDArray[Any], types: NDArray[Any], keys: tuple[str, str], cells: NDArray[Any]
) -> None:
    """Refuse types without a parent, with several, or with the name of a parent."""
    codes, names = pd.factorize(types)
    lacks = (codes >= 0) & pd.isna(above)
    if lacks.any():
        msg = (
            f"{int(lacks.sum()):,} of {len(lacks):,} cells have a type in {keys[1]!r} but no "
            f"parent in {keys[0]!r}, such as {cells[int(lacks.argmax())]!r}. Fill both, or set "
            "both to NaN to leave the cells out; a parent without a type is allowed."
        )
        raise LabelsError(msg)
    check_one_level(
        one_parent_each(list(names), codes.astype(np.int64), above, keys=keys, cells=cells),
        list(names),
    )


def _compare_parents(above: NDArray[Any], types: NDArray[Any], known: Taxonomy) -> None:
    pairs = pd.DataFrame({"type": types, "parent": above}).dropna().drop_duplicates()
    other = [
        f"{name!r} (below {parent!r}, there {wanted!r})"
        for name, parent in sorted(pairs.itertuples(index=False))
        if (wanted := known.parent_of.get(name, parent)) != parent
    ]
    if other:
        msg = (
            f"{len(other)} of the query's types have other parents than in the reference: "
            f"{', '.join(other[:MOST_NAMED])}{', ...' * (len(other) > MOST_NAMED)}. Right answers "
            "to their cells count as wrong at the level of parents. Map the names with `rename`, "
            "or name the column of the types alone to take the reference's parents."
        )
        warnings.warn(msg, OtherParentsWarning, stacklevel=4)


def _parent_in(known: Taxonomy, name: str) -> str | None:
    return known.parent_of.get(name, name if name in known.parents else None)


def _mapped(names: NDArray[Any], new: Callable[[str], str | None]) -> NDArray[Any]:
    """Return names changed one by one; ``None`` stays."""
    codes, found = pd.factorize(names)
    return np.array([*map(new, found), None], dtype=object)[codes]


def _some(names: NDArray[Any] | list[str], most: int = 4) -> str:
    listed = list(dict.fromkeys(name for name in names if name is not None))
    return ", ".join(map(repr, listed[:most])) + (", ..." * (len(listed) > most))
