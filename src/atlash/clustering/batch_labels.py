"""Batches of cells as ``obs`` names them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from atlash.checks import check_name
from atlash.data.columns import one_column, text_of, without_point
from atlash.errors import InputError, KeyNotFoundError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

N_NAMED = 3
"""Most batches that a message names."""
LEAST_A_BATCH = 5
"""Cells a batch on average, below which a column is hardly one of batches."""


class UnknownBatchesWarning(UserWarning):
    """Cells are of batches that the clusterer does not know, and are placed as they are."""


class NoBatchesWarning(UserWarning):
    """A column that is to hold batches hardly does, so that nothing is brought together."""


class Batches(NamedTuple):
    """The batch of each cell.

    Attributes
    ----------
    names
        In the order of Python's text, each once.
    of_cell
        Place in ``names`` ``(n,)``, int32.
    """

    names: tuple[str, ...]
    of_cell: NDArray[np.int32]


def batches_of(obs: pd.DataFrame, key: str) -> Batches:
    """Return the batch of each cell; 1, 1.0 and ``"1"`` are one batch.

    Raises
    ------
    KeyNotFoundError
        If there is no such column.
    InputError
        If ``key`` is no name or that of several columns, or a cell has no batch.
    """
    check_name(key, "batch_key")
    if key not in obs:
        msg = f"`obs` has no column {key!r} to take batches from.{did_you_mean(key, obs.columns)}"
        raise KeyNotFoundError(msg)
    column = one_column(obs, key)
    missing = column.isna().to_numpy()
    if missing.any():
        msg = (
            f"{int(missing.sum()):,} cells have no value in `obs[{key!r}]`, the first in row "
            f"{int(missing.argmax())}. Give each a batch, or leave those cells out."
        )
        raise InputError(msg)
    codes, values = pd.factorize(column)
    names, of_value = np.unique([text_of(value) for value in values], return_inverse=True)
    return Batches(tuple(names.tolist()), of_value.astype(np.int32)[codes])


def warn_of_no_batches(batches: Batches, key: str) -> None:
    """Warn of a column that is none of batches: one value, or nearly as many as cells."""
    n_cells, n_batches = len(batches.of_cell), len(batches.names)
    if 1 < n_batches <= n_cells / LEAST_A_BATCH:
        return
    values = "one value" if n_batches == 1 else f"{n_batches:,} values"
    msg = (
        f"`batch_key` is {key!r}, which has {values} for {n_cells:,} cells "
        f"({_some(batches.names)}), so that next to nothing is brought together. Name the column "
        "of the batches, or leave `batch_key` away."
    )
    warnings.warn(msg, NoBatchesWarning, stacklevel=3)


def known_batches(obs: pd.DataFrame, key: str | None, known: Sequence[str]) -> NDArray[np.int32]:
    """Return the place of each cell's batch among known ones ``(n,)``, int32; -1 if unknown.

    Parameters
    ----------
    obs
        Of the cells.
    key
        Column with their batches; ``None`` where they are not told.
    known
        Names of the known batches; none where batches were not brought together.

    Raises
    ------
    KeyNotFoundError
        If there is no such column.
    InputError
        If a cell has no batch, or batches are told and none are known.

    Warns
    -----
    UnknownBatchesWarning
        If batches are known, and those of some cells are not told or not among them.
    """
    if key is None:
        if known:
            msg = (
                f"The clusterer has brought {len(known):,} batches together ({_some(known)}), and "
                "`batch_key` does not say of which batch the cells are. They are placed as they "
                "are, and what their batch adds may put them into other clusters. Give "
                "`batch_key`."
            )
            warnings.warn(msg, UnknownBatchesWarning, stacklevel=3)
        return np.full(len(obs), -1, dtype=np.int32)
    if not known:
        msg = (
            f"`batch_key` is {key!r}, but this clusterer knows no batches: it was fitted without "
            "`batch_key`, or saved by an atlash that did not keep them. Leave `batch_key` away, "
            "or fit with it."
        )
        raise InputError(msg)
    found = batches_of(obs, key)
    exact = {name: number for number, name in enumerate(known)}
    place = {without_point(name): number for name, number in exact.items()} | exact
    places = [exact.get(name, place.get(without_point(name), -1)) for name in found.names]
    of_cell: NDArray[np.int32] = np.array(places, dtype=np.int32)[found.of_cell]
    new = [name for name, number in zip(found.names, places, strict=True) if number < 0]
    if new:
        msg = (
            f"{int((of_cell < 0).sum()):,} cells are of {len(new):,} batches that the clusterer "
            f"was not fitted to ({_some(new)}; it knows {_some(known)}). They are placed as they "
            "are, and what their batch adds may put them into other clusters. Fit with these "
            "batches to bring them together."
        )
        warnings.warn(msg, UnknownBatchesWarning, stacklevel=3)
    return of_cell


def _some(names: Sequence[str]) -> str:
    """Return the first few names."""
    return ", ".join(map(repr, names[:N_NAMED])) + (", ..." if len(names) > N_NAMED else "")
