"""Batches of unlabelled cells, as a pre-trained encoder tells them apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from atlash.data.columns import has_column, one_column, text_of
from atlash.errors import KeyNotFoundError, did_you_mean
from atlash.nn.gene_transformer import UNKNOWN_DOMAIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from atlash.data.source import CellSource


@dataclass(frozen=True)
class Domains:
    """The batch of each cell.

    Attributes
    ----------
    names
        Batches in alphabetical order.
    codes
        Batch of each cell, one int64 array a source: 1 for the first name,
        :data:`UNKNOWN_DOMAIN` where the value is missing.
    """

    names: tuple[str, ...]
    codes: tuple[NDArray[np.int64], ...]


def read_domains(sources: Sequence[CellSource], batch_key: str | None) -> Domains:
    """Return the batches of cells; batches of one name in several sources are one.

    Raises
    ------
    KeyNotFoundError
        If a source has no such column.
    """
    if batch_key is None:
        none = (np.full(source.n_cells, UNKNOWN_DOMAIN, np.int64) for source in sources)
        return Domains((), tuple(none))
    for source in sources:
        if not has_column(source.obs, batch_key):
            msg = (
                f"The `obs` of {source.name} has no column {batch_key!r}; all inputs need it."
                f"{did_you_mean(batch_key, source.obs.columns)}"
            )
            raise KeyNotFoundError(msg)
    columns = [one_column(source.obs, batch_key) for source in sources]
    known = [column[column.notna()].astype(object).map(text_of) for column in columns]
    names = sorted({name for column in known for name in column.unique()})
    number = {name: 1 + k for k, name in enumerate(names)}
    codes = []
    for column, named in zip(columns, known, strict=True):
        own = np.full(len(column), UNKNOWN_DOMAIN, np.int64)
        own[column.notna().to_numpy()] = named.map(number).to_numpy(np.int64)
        codes.append(own)
    return Domains(tuple(names), tuple(codes))
