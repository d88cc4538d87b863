"""True types of a query's cells, as its authors name them, brought to the reference's names."""

from __future__ import annotations

import difflib
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atlash.data.columns import one_column, text_of
from atlash.errors import InputError, KeyNotFoundError, LabelsError, did_you_mean
from atlash.keys import UNASSIGNED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

_ALIKE = 0.85
"""Similarity above which two names may be spellings of one, see :mod:`difflib`."""
_COMPARED = 50
"""Names of each side among which an example is looked for."""


class UnusedNamesWarning(UserWarning):
    """A renaming names types that the cells do not have."""


class LikeNamesWarning(UserWarning):
    """A type that the reference does not know is called much like one that it knows."""


def read_truth(
    obs: pd.DataFrame, columns: Sequence[str], rename: Mapping[str, str | None] | None
) -> list[NDArray[Any]]:
    """Return the true names of each cell, ``None`` where there is none.

    Parameters
    ----------
    obs
        Table of the cells, ``n`` rows.
    columns
        Columns with names of types. Missing and blank entries are no names; spaces around a name
        are dropped, as they are when a reference is built.
    rename
        The reference's name of types that the cells call otherwise, in whichever column; ``None``
        or an empty name leaves the cells of a type out, of all columns.

    Returns
    -------
    Names ``(n,)``, an array a column.

    Raises
    ------
    KeyNotFoundError
        If there is no such column.
    LabelsError
        If no cell has a name in a column, a type has a reserved name, or no cell has a type that
        is to be renamed.
    InputError
        If ``rename`` is no mapping of names to names.

    Warns
    -----
    UnusedNamesWarning
        If some of the types to be renamed do not occur.
    """
    read = [_names(obs, column) for column in columns]
    mapping: dict[str, str | None] = {}
    if rename:
        mapping = _checked(
            rename, list(dict.fromkeys(name for _, names in read for name in names))
        )
    found, left_out = [], np.zeros(len(obs), dtype=bool)
    for codes, names in read:
        new = [None if name is None else mapping.get(name, name) for name in names]
        found.append(np.array([*new, None], dtype=object)[codes])  # the last is what -1 takes
        gone = [was is not None and name is None for was, name in zip(names, new, strict=True)]
        left_out |= np.array([*gone, False])[codes]
    for column, truth in zip(columns, found, strict=True):
        truth[left_out] = None
        _check_names(truth, column)
    return found


def _names(obs: pd.DataFrame, column: str) -> tuple[NDArray[np.intp], list[str | None]]:
    """Return the names in a column, and which of them each cell has, -1 for none."""
    if column not in obs:
        columns = [str(name) for name in obs.columns]
        listed = ", ".join(map(repr, columns)) or "no columns"
        msg = (
            f"There is no column {column!r} in obs, which has {listed}."
            f"{did_you_mean(column, columns, most=3)}"
        )
        raise KeyNotFoundError(msg)
    codes, found = pd.factorize(one_column(obs, column))
    names = [text_of(name).strip() or None for name in found]
    return codes, names


def _check_names(truth: NDArray[Any], column: str) -> None:
    names = set(truth)
    if names <= {None}:
        msg = (
            f"None of the {len(truth):,} cells has a type in {column!r}. Evaluation compares "
            "labels with known types; name the column that holds them."
        )
        raise LabelsError(msg)
    if UNASSIGNED in names:
        msg = (
            f"{column!r} has the type {UNASSIGNED!r}, which atlash gives to cells of no type. "
            "Set those labels to NaN to leave the cells out, or rename the type."
        )
        raise LabelsError(msg)


def check_overlap(truth: NDArray[Any], types: Sequence[str], labels_key: str) -> None:
    """Raise unless some cell has a type that the reference knows.

    Parameters
    ----------
    truth
        True type of each cell ``(n,)``, ``None`` where there is none.
    types
        Types of the reference.
    labels_key
        What messages call the column.

    Raises
    ------
    LabelsError
        If the two have no type in common.

    Warns
    -----
    LikeNamesWarning
        If names differ so little that they may be spellings of one type.
    """
    found = sorted({name for name in truth if name is not None})
    unknown = sorted(set(found) - set(types))
    if len(unknown) == len(found):
        old, new = _nearest_pair(found, types)
        msg = (
            f"The types in {labels_key!r} ({_some(found)}) and those of the reference "
            f"({_some(types)}) have no name in common. Choose another column, or map the names: "
            f"`rename={{{old!r}: {new!r}, ...}}` in Python, "
            "`--rename FILE.csv` on the command line."
        )
        raise LabelsError(msg)
    absent = sorted(set(types) - set(found))
    alike = [(name, other) for name in unknown for other in _spellings(name, absent)]
    if alike:
        pairs = ", ".join(f"{name!r} and {other!r}" for name, other in alike[:3])
        msg = (
            f"Some types of the query are called much like types of the reference: {pairs}. If "
            "they are the same, map the names with `rename`; now they "
            "count as different."
        )
        warnings.warn(msg, LikeNamesWarning, stacklevel=4)


def _checked(
    rename: Mapping[str, str | None], names: Sequence[str | None]
) -> dict[str, str | None]:
    """Return a renaming without spaces around names; ``names`` are those that cells have."""
    if not hasattr(rename, "items"):
        msg = f"`rename` is a {type(rename).__name__}; a mapping of names to names is needed."
        raise InputError(msg)
    mapping = {text_of(old).strip(): _name(new) for old, new in rename.items()}
    unused = [old for old in mapping if old not in names]
    if unused:
        known = [name for name in names if name is not None]
        hint = did_you_mean(unused[0], known)
        msg = f"`rename` names {_some(unused)}, which no cell has; there are {_some(known)}.{hint}"
        if len(unused) == len(mapping):
            raise LabelsError(msg)
        warnings.warn(msg, UnusedNamesWarning, stacklevel=5)
    return mapping


def _name(value: Any) -> str | None:  # noqa: ANN401
    """Return a name as text; ``None`` for a missing or an empty one."""
    return None if pd.isna(value) else text_of(value).strip() or None


def _spellings(name: str, others: Iterable[str]) -> list[str]:
    plain = {other: _plain(other) for other in others}
    near = difflib.get_close_matches(_plain(name), plain.values(), n=1, cutoff=_ALIKE)
    # 'CD4 T' and 'CD8 T' differ in a digit that means something
    return [other for other, text in plain.items() if text in near and _same(name, other)][:1]


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _same(name: str, other: str) -> bool:
    """Tell whether two names have the same digits."""
    digits = ["".join(filter(str.isdigit, text)) for text in (name, other)]
    return digits[0] == digits[1]


def _nearest_pair(names: Sequence[str], types: Sequence[str]) -> tuple[str, str]:
    """Return a name and a type that resemble each other, as an example."""
    pairs = [(name, other) for name in names[:_COMPARED] for other in types[:_COMPARED]]
    return max(pairs, key=lambda pair: difflib.SequenceMatcher(None, *pair).ratio())


def _some(names: Sequence[str], most: int = 4) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + rest
