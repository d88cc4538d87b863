"""Batches of cells as ``obs`` names them."""

from __future__ import annotations

import warnings
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from atlash.errors import InputError, KeyNotFoundError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

N_NAMED = 3
"""Most batches that a message names."""


class UnknownBatchesWarning(UserWarning):
    """Cells are of batches that the clusterer does not know, and are placed as they are."""


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
    """Return the batch of each cell; 1 and ``"1"`` are one batch.

    Raises
    ------
    KeyNotFoundError
        If there is no such column.
    InputError
        If a cell has no batch, or the key is no name.
    """
    given: Any = key
    if not isinstance(given, Hashable):
        msg = f"`batch_key` is {key!r}, but must be the name of one column, for example 'donor'."
        raise InputError(msg)
    if key not in obs:
        msg = f"`obs` has no column {key!r} to take batches from.{did_you_mean(key, obs.columns)}"
        raise KeyNotFoundError(msg)
    missing = obs[key].isna().to_numpy()
    if missing.any():
        msg = (
            f"{int(missing.sum()):,} cells have no value in `obs[{key!r}]`, the first in row "
            f"{int(missing.argmax())}. Give each a batch, or leave those cells out."
        )
        raise InputError(msg)
    names, of_cell = np.unique(obs[key].astype(str).to_numpy(dtype=str), return_inverse=True)
    return Batches(tuple(names.tolist()), of_cell.astype(np.int32))


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
    place = {name: number for number, name in enumerate(known)}
    numbers = np.array([place.get(name, -1) for name in found.names], dtype=np.int32)
    of_cell: NDArray[np.int32] = numbers[found.of_cell]
    new = [name for name in found.names if name not in place]
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
