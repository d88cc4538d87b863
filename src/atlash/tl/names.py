"""Names for columns of a result that also holds columns of the reference."""

from __future__ import annotations

import reprlib
from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, Any

from atlash.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Container, Sequence


def wanted_columns(columns: str | Sequence[str], argument: str) -> list[str]:
    """Return the columns asked for, by one name or several, each once and in order.

    Raises
    ------
    InputError
        If one of several cannot be a name, such as a list within a list.
    """
    if isinstance(columns, str) or not isinstance(columns, Iterable):
        return [columns]
    names: list[Any] = list(columns)
    for name in names:
        if not isinstance(name, Hashable):
            msg = (
                f"`{argument}` holds {reprlib.repr(name)} ({type(name).__name__}), but must name "
                f"columns, for example `{argument}=['label', 'donor']`."
            )
            raise InputError(msg)
    return list(dict.fromkeys(names))


def beside(columns: Sequence[str], taken: Container[str]) -> list[str]:
    """Return names for columns of the reference, no two of them alike.

    Those that are taken begin with ``obs_``: with as many as it takes, where a column is called
    ``obs_rank`` itself.
    """
    found = {name for name in columns if name not in taken}
    names = []
    for name in columns:
        free = name
        if name in taken:
            while free in taken or free in found:
                free = f"obs_{free}"
            found.add(free)
        names.append(free)
    return names
