"""Names for columns of a result that also holds columns of the reference."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Sequence


def wanted_columns(columns: str | Sequence[str]) -> list[str]:
    """Return the columns asked for, by one name or several, each once and in order."""
    if isinstance(columns, str) or not isinstance(columns, Iterable):
        return [columns]
    return list(dict.fromkeys(columns))


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
