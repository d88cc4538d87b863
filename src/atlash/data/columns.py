"""Columns of tables, by names that may be anything."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def has_column(frame: pd.DataFrame, given: object) -> bool:
    """Tell whether a table has a column of that name, which may be anything."""
    return isinstance(given, Hashable) and given in frame
