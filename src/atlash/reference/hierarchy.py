"""The parent of each type, from a second column of labels or from a hierarchy of terms."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from atlash.errors import InputError, LabelsError, did_you_mean
from atlash.keys import UNASSIGNED
from atlash.reference.hierarchy_source import key_of, read_terms
from atlash.reference.parent_columns import MOST_NAMED, check_one_level, parents_of_columns

if TYPE_CHECKING:
    from atlash.config import BuildConfig
    from atlash.data.source import CellSource
    from atlash.reference.hierarchy_source import Terms
    from atlash.reference.labels import Labels


class OrphanTypesWarning(UserWarning):
    """Types lie below no parent; each is a parent of its own."""


def split_labels_key(labels_key: str | Sequence[str]) -> tuple[str | None, str]:
    """Return the column of the parents, if there is one, and that of the types.

    Raises
    ------
    InputError
        If there are more than two columns, or none.
    """
    if isinstance(labels_key, str):
        return None, labels_key
    keys = list(labels_key) if isinstance(labels_key, Sequence) else []
    if len(keys) not in (1, 2) or not all(isinstance(key, str) for key in keys):
        msg = (
            f"`labels_key` is {labels_key!r}; give the column of the types, or two columns, the "
            "coarse one first: ['parent', 'sub']."
        )
        raise InputError(msg)
    return (None, keys[0]) if len(keys) == 1 else (keys[0], keys[1])


def read_parents(
    sources: Sequence[CellSource],
    labels: Labels,
    labels_key: str | Sequence[str],
    *,
    config: BuildConfig,
) -> tuple[str, ...]:
    """Return the name of each type's parent, or nothing where no hierarchy is given.

    Parameters
    ----------
    sources
        The cells.
    labels
        Their types.
    labels_key
        Column of the types, or columns of the parents and of the types.
    config
        May name a hierarchy of terms, and which of them are parents.

    Raises
    ------
    InputError
        If two hierarchies are given, parents without one, or one parent as plain text.
    LabelsError
        If a type has two parents or the name of another parent, a cell has one label of the two,
        the hierarchy runs in a circle, or tells fewer than two parents or no siblings apart.
    KeyNotFoundError, FileFormatError, MissingPackageError
        If a column or file does not exist or cannot be read.

    Warns
    -----
    OrphanTypesWarning
        If types lie below no parent.
    """
    parent_key, sub_key = split_labels_key(labels_key)
    if config.hierarchy is None:
        if config.parents is not None:
            msg = "`parents` names terms of a `hierarchy`, which is not given; give both."
            raise InputError(msg)
        if parent_key is None:
            return ()
        parents = parents_of_columns(sources, labels, (parent_key, sub_key))
    elif parent_key is not None:
        msg = (
            f"Parents are given twice: by the column {parent_key!r} and by `hierarchy`. Give "
            f"labels_key={sub_key!r} alone, or no `hierarchy`."
        )
        raise InputError(msg)
    else:
        named: object = config.parents
        if isinstance(named, str):
            msg = f"`parents` is {named!r}; give a list of names: [{named!r}]."
            raise InputError(msg)
        if named is not None and not (
            isinstance(named, Iterable) and all(isinstance(name, str) for name in named)
        ):
            msg = f"`parents` is {named!r}; give a list of names, such as ['T cell', 'B cell']."
            raise InputError(msg)
        parents = parents_in(read_terms(config.hierarchy), labels.types, config.parents)
    _check(parents, labels.types)
    return parents


def parents_in(terms: Terms, types: Sequence[str], named: Sequence[str] | None) -> tuple[str, ...]:
    """Return the parent of each type in a hierarchy of terms; terms in between are left out.

    Parents are the terms that are named. Else they are the roots of a table, and in an ontology,
    whose root is ``cell``, those types that lie above others and below none. A type's parent is
    the lowest of these above it, or itself.

    Raises
    ------
    LabelsError
        If the terms run in a circle, none of the types is among them, two types are one term, a
        named parent is unknown, or a type has two parents.

    Warns
    -----
    OrphanTypesWarning
        If types lie below no parent.
    """
    key = {name: terms.key_of[name] for name in types if name in terms.key_of}
    _check_found(key, terms, types)
    over = {name: _over(term, terms) for name, term in key.items()}
    if named is not None:
        roots = {key_of(name, terms, role="parent"): name for name in named}
    elif terms.is_ontology:
        lowest = {term: name for name, term in key.items()}
        roots = {k: n for k, n in lowest.items() if not (over[n] & lowest.keys()) - {k}}
    else:
        roots = {term: term for term, above in terms.above.items() if not above}
    parents, orphans = [], []
    for name in types:
        found = over.get(name, set()) & roots.keys()
        # of two parents, one above the other, the lower one counts
        higher = {term for other in found for term in _over(other, terms) - {other}}
        lowest_found = sorted(found - higher)
        if len(lowest_found) > 1:
            first, second = (roots[term] for term in lowest_found[:2])
            msg = (
                f"{name!r} has two parents: it lies below {first!r} and below {second!r}. Name "
                "the parents that you want as `parents`, no two of them above one type."
            )
            raise LabelsError(msg)
        orphans += [] if lowest_found else [name]
        parents.append(roots[lowest_found[0]] if lowest_found else name)
    if orphans:
        _warn_of_orphans(orphans, terms, types)
    return tuple(parents)


def _over(term: str, terms: Terms) -> set[str]:
    """Return a term and all terms above it."""
    found: set[str] = set()
    path = [term]
    left = [list(terms.above.get(term, ()))]
    while path:
        if not left[-1]:
            found.add(path.pop())
            left.pop()
            continue
        higher = left[-1].pop()
        if higher in path:
            circle = " -> ".join(map(repr, [*path[path.index(higher) :], higher]))
            msg = f"The hierarchy runs in a circle: {circle}. Remove one of these steps."
            raise LabelsError(msg)
        if higher not in found:
            path.append(higher)
            left.append(list(terms.above.get(higher, ())))
    return found


def _check_found(key: dict[str, str], terms: Terms, types: Sequence[str]) -> None:
    if not key:
        example = next(iter(terms.key_of), None)
        msg = (
            f"None of the {len(types)} types, such as {types[0]!r}, is in the hierarchy, which "
            f"has terms such as {example!r}. Names and ids are looked up exactly."
        )
        raise LabelsError(msg)
    first: dict[str, str] = {}
    for name, term in key.items():
        if term in first:
            msg = f"{first[term]!r} and {name!r} are one term, {term!r}. Give its cells one label."
            raise LabelsError(msg)
        first[term] = name


def _warn_of_orphans(orphans: list[str], terms: Terms, types: Sequence[str]) -> None:
    listed = ", ".join(map(repr, orphans[:MOST_NAMED])) + (", ..." * (len(orphans) > MOST_NAMED))
    others = [name for name in terms.key_of if name not in types]
    near = "" if orphans[0] in terms.key_of else did_you_mean(orphans[0], others)
    msg = (
        f"{len(orphans)} of {len(types)} types lie below no parent: {listed}. Each is a parent of "
        f"its own.{near}"
    )
    warnings.warn(msg, OrphanTypesWarning, stacklevel=4)


def _check(parents: tuple[str, ...], types: Sequence[str]) -> None:
    if UNASSIGNED in parents:
        msg = (
            f"A parent is called {UNASSIGNED!r}, which atlash gives to cells of no type. Rename "
            "the parent."
        )
        raise LabelsError(msg)
    check_one_level(parents, types)
    n_parents = len(set(parents))
    if n_parents == 1:
        msg = (
            f"All types have the parent {parents[0]!r}. A hierarchy tells parents apart, so at "
            "least two are needed; leave it out, or choose lower parents."
        )
        raise LabelsError(msg)
    if n_parents == len(types):
        msg = (
            f"Each of the {len(types)} types is the only one of its parent, such as {types[0]!r} "
            f"of {parents[0]!r}: no two are siblings. Leave the hierarchy out, or name higher "
            "terms as `parents`."
        )
        raise LabelsError(msg)
