"""Columns of tables, by names that may be anything."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np

from atlash.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

_WHOLE = re.compile(r"(-?\d+)\.0+")


def has_column(frame: pd.DataFrame, given: object) -> bool:
    """Tell whether a table has a column of that name, which may be anything."""
    return isinstance(given, Hashable) and given in frame


def one_column(frame: pd.DataFrame, name: Hashable) -> pd.Series[Any]:
    """Return the column of a name.

    Raises
    ------
    InputError
        If several columns have that name, as after joining tables.
    """
    places = np.flatnonzero(frame.columns == name)
    if len(places) > 1:
        msg = (
            f"{len(places)} columns are called {name!r}, so it does not say which is meant. Keep "
            "one, for example with `obs = obs.loc[:, ~obs.columns.duplicated()]`."
        )
        raise InputError(msg)
    return frame[name]


def text_of(value: object) -> str:
    """Return the text of a value, of a whole number without a point: 7, 7.0, "7" are one."""
    if isinstance(value, float | np.floating):
        value = float(value)
        value = int(value) if value.is_integer() else value
    return str(value)


def without_point(name: str) -> str:
    """Return the text of a whole number without a point, and any other text as it is."""
    match = _WHOLE.fullmatch(name)
    return match[1] if match else name
