"""The compiled part of rank sums; imported on first use."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Rows = tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int64]]


@numba.njit(cache=True, nogil=True)
def count_values(
    rows: Rows,
    group: NDArray[np.int32],
    per_unit: float,
    counts: NDArray[np.int32],
    sums: NDArray[np.int64],
    *,
    unit: float,
) -> None:
    """Count each value above 0 in the bin of its group and gene, and add it up.

    ``rows`` are a CSR's three arrays, ``group`` is -1 for cells that are left out, ``counts``
    is ``(n_groups, n_genes, n_bins)``, ``sums`` is ``(n_groups, n_genes)`` in units of
    ``1 / unit``: whole numbers, so that their sum does not depend on the order of cells.
    """
    values, columns, bounds = rows
    last = counts.shape[2] - 1
    for row in range(bounds.size - 1):
        own = group[row]
        if own < 0:
            continue
        for entry in range(bounds[row], bounds[row + 1]):
            value = np.float64(values[entry])
            place = min(1 + np.int64(value * per_unit), last)
            counts[own, columns[entry], place] += 1
            sums[own, columns[entry]] += np.int64(value * unit)
