"""Compiled loops of the search for rare types; each row's sums run in a fixed order."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@numba.njit(cache=True, nogil=True)
def most_alike(  # noqa: PLR0917 - numba takes arguments by position
    cell_bounds: Integers,
    genes: NDArray[np.int32],
    of_cell: Floats,
    gene_bounds: Integers,
    cells: NDArray[np.int32],
    of_gene: Floats,
    rows: Integers,
    products: Floats,
) -> None:
    """Write, for each cell, the others of greatest inner product ``(n, k)``, best first.

    The same matrix is given by cells (CSR) and by genes (CSC). Ties go to the lower row.
    """
    n, k = rows.shape
    total = np.empty(n)
    for cell in range(n):
        total[:] = 0
        for entry in range(cell_bounds[cell], cell_bounds[cell + 1]):
            gene = genes[entry]
            for other in range(gene_bounds[gene], gene_bounds[gene + 1]):
                total[cells[other]] += of_cell[entry] * of_gene[other]
        total[cell] = -1
        for rank in range(k):
            best = 0
            for other in range(1, n):
                if total[other] > total[best]:
                    best = other
            rows[cell, rank] = best
            products[cell, rank] = total[best]
            total[best] = -1


@numba.njit(cache=True, nogil=True)
def likelihood_ratio(  # noqa: PLR0917
    bounds: Integers,
    genes: NDArray[np.int32],
    counts: Floats,
    depth: Floats,
    own: Floats,
    other: Floats,
    dispersion: float,
    ratio: Floats,
) -> None:
    """Write log likelihood ratios ``(n, 3)``: of each cell, and expected under both profiles.

    Counts are negative binomial with mean ``depth * share`` and variance
    ``mean + dispersion * mean**2``. The columns are: what the cell's counts say, what those of
    the other profile would say on average, and those of the own profile.
    """
    weight = np.empty(own.size)
    for cell in range(depth.size):
        never, expected_other, expected_own = 0.0, 0.0, 0.0
        for gene in range(own.size):
            a, b = depth[cell] * own[gene], depth[cell] * other[gene]
            spread = np.log((1 + dispersion * a) / (1 + dispersion * b))
            weight[gene] = np.log(own[gene] / other[gene]) - spread
            never -= spread / dispersion
            expected_other += b * weight[gene]
            expected_own += a * weight[gene]
        seen = 0.0
        for entry in range(bounds[cell], bounds[cell + 1]):
            seen += counts[entry] * weight[genes[entry]]
        ratio[cell, 0] = never + seen
        ratio[cell, 1] = never + expected_other
        ratio[cell, 2] = never + expected_own
