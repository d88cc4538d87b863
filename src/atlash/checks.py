"""Whether options are of the type that is needed."""

from __future__ import annotations

import reprlib
from dataclasses import MISSING, fields, is_dataclass
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
