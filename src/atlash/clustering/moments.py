"""Sums over cells of a gene's values and their squares, whole numbers of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    Totals = NDArray[np.int64] | NDArray[np.float64]

LOG_STEPS = 12
"""Steps in which a unit of log expression is counted: sums of whole numbers have no rounding, so
that neither the order of cells nor threads change a bit of what is learned."""
LINEAR_STEPS = 64
ROOM = 2**62
"""What 64 bits hold beside what is carried over."""
LOW_BITS = 32


class Moments:
    """Sums ``(5, n_groups, n_genes)`` that are added up cell by cell.

    Squares of counts by the million, such as those of pseudobulks, outgrow 64 bits; what is above
    32 of them is carried over before that can happen.
    """

    def __init__(self, n_groups: int, n_genes: int) -> None:
        self._low = np.zeros((5, n_groups, n_genes), dtype=np.int64)
        self._high: NDArray[np.int64] | None = None
        self._room = ROOM

    def add(self, X: csr_array, group: NDArray[np.int32]) -> None:
        """Add cells.

        Parameters
        ----------
        X
            Log expression ``(n, n_genes)``, CSR float32, at least 0.
        group
            Group of each cell ``(n,)``.
        """
        from atlash.clustering._rows import add_moments

        bounds = X.indptr.astype(np.int64)
        largest = int(LINEAR_STEPS * np.expm1(float(X.data.max(initial=0)))) + 1
        at_once = max(1, ROOM // largest**2)
        for start in range(0, X.shape[0], at_once):
            stop = min(start + at_once, X.shape[0])
            needed = (stop - start) * largest**2
            if needed > self._room:
                self._carry()
            self._room -= needed
            add_moments(
                bounds[start : stop + 1], X.indices, X.data, group[start:stop], LOG_STEPS,
                LINEAR_STEPS, self._low,
            )  # fmt: skip

    def totals(self) -> Totals:
        """Return the sums of :func:`atlash.clustering._rows.add_moments`.

        They are exact in int64 where that holds them, and else rounded once, to float64.
        """
        if self._high is None:
            return self._low
        self._carry()
        return np.ldexp(self._high.astype(np.float64), LOW_BITS) + self._low

    def _carry(self) -> None:
        """Bring what is above 32 bits to where it has room."""
        above = self._low >> LOW_BITS
        self._high = above if self._high is None else self._high + above
        self._low &= 2**LOW_BITS - 1
        self._room = ROOM
