"""What is asked of a search, and what it finds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.config import SearchMethod


class Asked(NamedTuple):
    """Codes to look for.

    Attributes
    ----------
    codes
        Packed codes ``(q, n_bytes)``, uint8.
    expected
        Expected bits ``(q, n_bits)``, float32 in [-1, 1].
    """

    codes: NDArray[np.uint8]
    expected: NDArray[np.float32]


class Found(NamedTuple):
    """Cells near to each query, and how they were found.

    Attributes
    ----------
    bounds
        Where each query's cells begin and end ``(q + 1,)``, int64.
    rows
        Positions among the reference's cells ``(n_hits,)``, int64, the nearest first.
    distances
        Bits in which codes differ ``(n_hits,)``, int32.
    scores
        What cells are ranked by, ascending for each query ``(n_hits,)``, float32.
    method
        ``"flat"``, ``"pruned"`` or ``"anchor-walk"``.
    scanned
        Mean share of the cells that may be found with which a query was compared, in [0, 1].
    """

    bounds: NDArray[np.int64]
    rows: NDArray[np.int64]
    distances: NDArray[np.int32]
    scores: NDArray[np.float32]
    method: SearchMethod
    scanned: float

    def only(self, kept: NDArray[np.bool_]) -> Found:
        """Return some of the hits, marked ``(n_hits,)``."""
        before = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
        return self._replace(
            bounds=before[self.bounds],
            rows=self.rows[kept],
            distances=self.distances[kept],
            scores=self.scores[kept],
        )

    def first(self, k: int) -> Found:
        """Return the first k hits of each query."""
        rank = np.arange(len(self.rows)) - np.repeat(self.bounds[:-1], np.diff(self.bounds))
        return self.only(rank < k)
