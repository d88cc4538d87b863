"""Whether what was given is of the type that is needed."""

from __future__ import annotations

import os
import reprlib
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from atlash.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Config = TypeVar("Config", bound="DataclassInstance")


def checked_config(given: object, kind: type[Config], *, name: str = "config") -> Config:
    """Return options as they were given, and the defaults for ``None``.

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
        If it is of another type; the message has an example of what is needed.
    """
    return kind() if given is None else _checked(given, kind, name)


def _checked(given: object, kind: type[Config], name: str) -> Config:
    if not isinstance(given, kind):
        msg = (
            f"`{name}` is {reprlib.repr(given)} ({type(given).__name__}), but must be of type "
            f"{kind.__name__}, for example `{name}={_example(given, kind)}`."
        )
        raise InputError(msg)
    for option in fields(given):
        inner: object = option.default_factory
        if isinstance(inner, type) and is_dataclass(inner):
            _checked(getattr(given, option.name), inner, option.name)
    return given


def _example(given: object, kind: type[Config]) -> str:
    """Return how options are written: one of a dict's own where it names any, or a default."""
    own = given if isinstance(given, dict) else {}
    defaults = {option.name: option.default for option in fields(kind)}
    known = [(name, own[name]) for name in defaults if name in own]
    for name, value in (*known, *defaults.items()):
        if value is not None and value is not MISSING and not isinstance(value, dict):
            return f"{kind.__name__}({name}={reprlib.repr(value)})"
    return f"{kind.__name__}()"


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
        If it is no path, or names a user who has no home folder.
    """
    if not isinstance(given, str | os.PathLike):
        msg = (
            f"`{name}` is {reprlib.repr(given)} ({type(given).__name__}), but must be a path, "
            f"for example `{name}='folder/file'`."
        )
        raise InputError(msg)
    try:
        return Path(given).expanduser()
    except RuntimeError as error:
        msg = (
            f"`{name}` is {os.fspath(given)!r}, whose home folder is not known. Write the path "
            "in full."
        )
        raise InputError(msg) from error
