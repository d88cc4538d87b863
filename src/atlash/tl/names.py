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
    """Return names for columns of the reference; those that are taken begin with ``obs_``."""
    return [f"obs_{name}" if name in taken else name for name in columns]
