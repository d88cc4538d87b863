"""Whether options, paths and names are of the type that is needed."""

from __future__ import annotations

import os
import reprlib
from dataclasses import MISSING, fields, is_dataclass, replace
from functools import cache
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import numpy as np

import atlash.config
from atlash.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Config = TypeVar("Config", bound="DataclassInstance")

_MOST_SEED = 2**63
"""What torch takes."""
_NEEDED: dict[Any, tuple[tuple[type, ...], str]] = {
    bool: ((bool, np.bool_), "True or False"),
    int: ((Integral,), "a whole number"),
    float: ((Real,), "a number"),
    NoneType: ((NoneType,), "None"),
}
"""What an option of a type may hold, and what that is called."""


def checked_config(given: object, kind: type[Config], *, name: str = "config") -> Config:
    """Return options as they were given, numbers of NumPy as Python's, the defaults for ``None``.

    Parameters
    ----------
    given
        What the user gave, which may be anything.
    kind
        The dataclass that is needed; its options that are dataclasses are looked at as well.
    name
        The argument that it was given as.

    Raises
    ------
    InputError
        If it is of another type, or one of its options is, where that is a number, a truth value,
        a text or one of a few texts; the message has an example of what is needed.
    """
    return kind() if given is None else _checked(given, kind, name)


def checked_path(given: object, *, name: str = "path") -> Path:
    """Return a path as it was given, with ``~`` replaced by the home folder.

    Parameters
    ----------
    given
        What the user gave, which may be anything.
    name
        The argument that it was given as.

    Raises
    ------
    InputError
        If it is neither text nor a path, has a character that no path may have, or names a user
        whose home folder is not known.
    """
    path = os.fspath(given) if isinstance(given, os.PathLike) else given
    if not isinstance(path, str) or "\0" in path:
        msg = (
            f"`{name}` is {reprlib.repr(given)} ({type(given).__name__}), but must be a path, for "
            f"example `{name}='pbmc.atlash'`."
        )
        raise InputError(msg)
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        msg = f"`{name}` is {path!r}, whose home folder is not known. Write the path in full."
        raise InputError(msg) from error


def check_name(given: object, name: str, *, example: str = "name") -> None:
    """Refuse what cannot name a column or layer, such as a list of names; ``None`` may stand.

    Parameters
    ----------
    given
        What the user gave, which may be anything.
    name
        The argument that it was given as.
    example
        A name that could stand there.

    Raises
    ------
    InputError
        If it cannot be looked up.
    """
    try:
        hash(given)
    except TypeError as error:
        msg = (
            f"`{name}` is {reprlib.repr(given)} ({type(given).__name__}), but must be one name, "
            f"for example `{name}={example!r}`."
        )
        raise InputError(msg) from error


def checked_seed(given: object) -> int:
    """Return a seed as a whole number of Python's.

    Raises
    ------
    InputError
        If it is no whole number that all generators take.
    """
    if _is(given, int) and 0 <= given < _MOST_SEED:  # type: ignore[operator]
        return int(given)  # type: ignore[call-overload, no-any-return]
    msg = (
        f"`random_state` is {reprlib.repr(given)}, but must be a whole number from 0 to below "
        "2**63, such as 1."
    )
    raise InputError(msg)


def check_threads(given: object) -> None:
    """Refuse what is no number of threads; ``None`` stands for all cores.

    Raises
    ------
    InputError
        If it is no whole number, or below 1, such as the -1 of scikit-learn.
    """
    if given is None or (_is(given, int) and given >= 1):  # type: ignore[operator]
        return
    msg = (
        f"`n_threads` is {reprlib.repr(given)}, but must be a whole number, at least 1, or None "
        "for all cores."
    )
    raise InputError(msg)


def check_option(given: object, hint: Any, name: str) -> None:  # noqa: ANN401 (types have none)
    """Refuse a value that is not of its type.

    Parameters
    ----------
    given
        What the user gave, which may be anything.
    hint
        Its type: ``bool``, ``int``, ``float``, a ``Literal`` of texts, or one of several of these
        and ``None``. Nothing is refused where it is another.
    name
        The option that it was given as.

    Raises
    ------
    InputError
        If it is of another type.
    """
    wanted = _refused(given, hint)
    if wanted:
        msg = f"`{name}` is {reprlib.repr(given)}, but must be {wanted}."
        raise InputError(msg)


def _checked(given: object, kind: type[Config], name: str) -> Config:
    if not isinstance(given, kind):
        msg = (
            f"`{name}` is {reprlib.repr(given)} ({type(given).__name__}), but must be of type "
            f"{kind.__name__}, for example `{name}={_example(given, kind)}`."
        )
        raise InputError(msg)
    plain: dict[str, Any] = {}
    for option in fields(given):
        value = getattr(given, option.name)
        inner: object = option.default_factory
        if isinstance(inner, type) and is_dataclass(inner):
            plain[option.name] = _checked(value, inner, option.name)
        else:
            check_option(value, _hints(kind)[option.name], option.name)
            plain[option.name] = value.item() if isinstance(value, np.generic) else value
    check_threads(getattr(given, "n_threads", None))
    same = all(plain[name] is getattr(given, name) for name in plain)
    return given if same else replace(given, **plain)


@cache
def _hints(kind: type[DataclassInstance]) -> dict[str, Any]:
    """Return the type of each option."""
    # modules of options import some of their types for checkers alone
    return get_type_hints(kind, localns={**vars(atlash.config), "HierarchySource": object})


def _refused(value: object, hint: Any) -> str:  # noqa: ANN401 (types have no common type)
    """Return what an option must be if it is something else; of other types nothing."""
    wanted: list[str] = []
    texts: tuple[Any, ...] = ()
    for kind in get_args(hint) if get_origin(hint) in {Union, UnionType} else (hint,):
        texts = get_args(kind) if get_origin(kind) is Literal else ()
        if not texts and kind not in _NEEDED:
            return ""
        wanted += map(repr, texts) if texts else [_NEEDED[kind][1]]
        if (value in texts) if isinstance(value, str) else _is(value, kind):
            return ""
    return f"one of {', '.join(wanted)}" if texts else " or ".join(wanted)


def _is(value: object, kind: Any) -> bool:  # noqa: ANN401
    """Tell whether a value is of a type; a truth value is no number."""
    of = _NEEDED.get(kind, ((), ""))[0]
    return isinstance(value, of) and (kind is bool or not isinstance(value, bool))


def _example(given: object, kind: type[Config]) -> str:
    """Return how options are written: one of a dict's own where it names any, or a default."""
    own = given if isinstance(given, dict) else {}
    defaults = {option.name: option.default for option in fields(kind)}
    known = [(name, own[name]) for name in defaults if name in own]
    for name, value in (*known, *defaults.items()):
        if value is not None and value is not MISSING and not isinstance(value, dict):
            return f"{kind.__name__}({name}={reprlib.repr(value)})"
    return f"{kind.__name__}()"
