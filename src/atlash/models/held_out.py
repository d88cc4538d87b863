"""Cells of the inner folds, seen by encoders that have not learned from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from atlash.codes.similarity import similarity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from atlash.codes.similarity import Method


@dataclass(frozen=True)
class HeldOutFold:
    """The held-out cells of one fold.

    Attributes
    ----------
    z
        Their continuous codes ``(n, n_bits)``.
    labels
        Their true types ``(n,)``.
    anchors
        The fold's anchors ``(n_types, n_bits)``.
    """

    z: NDArray[np.float32]
    labels: NDArray[np.int64]
    anchors: NDArray[np.int8]

    def similarity(self, method: Method) -> NDArray[np.float32]:
        """Return the similarity of each cell to each anchor ``(n, n_types)``."""
        return similarity(self.z, self.anchors, method)
