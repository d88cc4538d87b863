"""Values that no scale allows: NaN, infinite, negative and beyond all measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from atlash.errors import InvalidValuesError

if TYPE_CHECKING:
    import scipy.sparse as sp
    from numpy.typing import NDArray

    from atlash.data.source import CellSource

_LARGEST = 1e30
"""No expression value is larger, and no sum of values up to this leaves float32."""


_LEAST_SUM = 1e-30
"""No cell that expresses anything sums to less."""


def check_values(
    chunk: sp.csr_array,
    rows: slice | NDArray[np.int64],
    source: CellSource,
    *,
    most: float = np.inf,
) -> None:
    """Raise unless every value is finite, not negative and at most ``most``.

    Parameters
    ----------
    chunk
        Some cells of ``source``.
    rows
        Their positions in it.
    source
        Where they are from, for the names in the message.
    most
        Largest value that makes sense, for logarithms.

    Raises
    ------
    InvalidValuesError
        Names the first offending cell and gene.
    """
    values = chunk.data
    # NaN fails both comparisons, so two reductions check everything.
    if values.size == 0 or (values.min() >= 0 and values.max() <= min(most, _LARGEST)):
        return
    report_first(chunk, rows, source, bad=~((values >= 0) & (values <= min(most, _LARGEST))))


def check_finite(chunk: sp.csr_array, rows: slice | NDArray[np.int64], source: CellSource) -> None:
    """Raise `InvalidValuesError` unless every value is finite; negative ones may be."""
    values = chunk.data
    # NaN fails both comparisons, so two reductions check everything.
    if values.size == 0 or (values.min() >= -_LARGEST and values.max() <= _LARGEST):
        return
    report_first(chunk, rows, source, bad=~(np.abs(values) <= _LARGEST))


def check_library(
    library: NDArray[np.float64], rows: slice | NDArray[np.int64], source: CellSource
) -> None:
    """Raise `InvalidValuesError` if a cell sums to next to nothing, by which none can divide.

    Parameters
    ----------
    library
        Sums of the linear values of some cells of ``source`` ``(n,)``; empty cells are allowed.
    rows
        Their positions in it.
    source
        Where they are from, for the names in the message.
    """
    small = (library < _LEAST_SUM) & (library > 0)
    if small.any():
        row = int(small.argmax())
        position = _position(rows, row)
        msg = (
            f"{source.name}: the values of cell {source.obs.index[position]!r} (row {position:,}) "
            f"sum to {library[row]:g}, too little for expression. Counts or log-normalised values "
            "are needed. Mend or leave out such cells."
        )
        raise InvalidValuesError(msg)


def _position(rows: slice | NDArray[np.int64], row: int) -> int:
    return int(rows.start + row if isinstance(rows, slice) else rows[row])


def report_first(
    chunk: sp.csr_array,
    rows: slice | NDArray[np.int64],
    source: CellSource,
    *,
    bad: NDArray[np.bool_],
) -> None:
    """Raise `InvalidValuesError` for the first value marked in ``bad``, ``(n_stored,)``."""
    entry = int(bad.argmax())
    row = int(np.searchsorted(chunk.indptr, entry, side="right")) - 1
    position = _position(rows, row)
    value = float(chunk.data[entry])
    what = "NaN" if np.isnan(value) else f"{value:g}"
    if 0 <= value < np.inf:
        what += ", too large for expression on this scale"
    msg = (
        f"{source.name}: the value of gene {source.var.index[int(chunk.indices[entry])]!r} in "
        f"cell {source.obs.index[position]!r} (row {position:,}) is {what}. Counts or "
        "log-normalised values, finite and at least 0, are needed. Mend or leave out such cells."
    )
    raise InvalidValuesError(msg)
