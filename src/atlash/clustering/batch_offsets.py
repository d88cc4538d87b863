"""What moves a cell of a known batch to where the other batches have such cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from atlash.graph.work import as_places, run_spans, spread
from atlash.progress import n_threads_or_all

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from atlash.graph.work import Span

    Doubles = NDArray[np.float64]

PARTS_A_THREAD = 8
BLOCK = 4096
"""Cells that are moved at a time."""


@dataclass(frozen=True)
class BatchOffsets:
    """What moves a cell of a known batch.

    Attributes
    ----------
    centres
        Directions of the soft clusters ``(n_rounds, K, d)``, float64, unit vectors.
    log_weights
        Of each batch in each cluster ``(n_rounds, n_batches, K)``, float64.
    sharpness
        What the cosine is multiplied with ``(n_rounds,)``, float64.
    offsets
        ``(n_rounds, n_batches, K, d)``, float64.
    """

    centres: Doubles
    log_weights: Doubles
    sharpness: Doubles
    offsets: Doubles

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Doubles]) -> BatchOffsets:
        """Return what :meth:`arrays` was taken from."""
        names = ("centres", "log_weights", "sharpness", "offsets")
        return cls(*(np.ascontiguousarray(arrays[name], dtype=np.float64) for name in names))

    @property
    def n_batches(self) -> int:
        """Number of batches that offsets are known of."""
        return int(self.offsets.shape[1])

    def arrays(self) -> dict[str, Doubles]:
        """Return all that was learned, by name."""
        return {
            "centres": self.centres,
            "log_weights": self.log_weights,
            "sharpness": self.sharpness,
            "offsets": self.offsets,
        }

    def apply(
        self, Z: ArrayLike, batches: ArrayLike, *, n_threads: int | None = None
    ) -> NDArray[np.float32]:
        """Move cells; each depends on its own place and batch alone, to the last bit.

        Parameters
        ----------
        Z
            Places of cells ``(n, d)``, finite, on the axes that were learned from.
        batches
            Batch of each cell ``(n,)``, whole numbers below ``n_batches``; -1 for a cell of an
            unknown batch, which stays.
        n_threads
            Threads; ``None`` takes all cores.

        Returns
        -------
        ``(n, d)``, float32.

        Raises
        ------
        ValueError
            If shapes do not fit, or a batch is out of range.
        EmptyInputError
            If there is no cell.
        InvalidValuesError
            If a place is NaN or infinite.
        """
        from atlash.clustering._batches import move  # numba: imported when needed

        places = as_places(Z)
        _check_axes(places, self.centres.shape[2])
        of_cell = check_batches(batches, len(places), least=-1, most=self.n_batches - 1)
        columns = np.ascontiguousarray(self.centres.transpose(0, 2, 1))
        corrected = np.empty_like(places)

        def work(span: Span) -> None:
            for start in range(*span, BLOCK):
                rows = slice(start, min(start + BLOCK, span[1]))
                moved = places[rows].astype(np.float64)
                move(
                    places[rows], of_cell[rows], columns, self.log_weights, self.sharpness,
                    self.offsets, moved,
                )  # fmt: skip
                corrected[rows] = moved

        threads = n_threads_or_all(n_threads)
        run_spans(work, spread(len(places), PARTS_A_THREAD * threads), threads)
        return corrected


def _check_axes(places: NDArray[np.float32], n_axes: int) -> None:
    if places.shape[1] != n_axes:
        msg = (
            f"Cells have {places.shape[1]} axes, and offsets were learned on {n_axes}; both must "
            "lie in one space. Place the cells on the axes that were learned from."
        )
        raise ValueError(msg)


def check_batches(
    batches: ArrayLike, n_cells: int, *, least: int, most: int | None
) -> NDArray[np.int32]:
    """Return the batch of each cell ``(n_cells,)``, int32, checked.

    Raises
    ------
    ValueError
        If there is not one whole number a cell, or one is not in ``[least, most]``.
    """
    given = np.asarray(batches)
    if given.shape != (n_cells,) or not np.issubdtype(given.dtype, np.integer):
        msg = (
            f"One batch a cell is needed, {n_cells:,} whole numbers, for example the codes of a "
            f"categorical column; found shape {given.shape} of {given.dtype}."
        )
        raise ValueError(msg)
    top = int(given.max()) if most is None else most
    if given.min() < least or given.max() > top:
        msg = (
            f"Batches must be whole numbers from {least}{'' if most is None else f' to {most}'}; "
            f"found {given.min()} to {given.max()}. Number them from 0 on, for example with "
            "`pandas.factorize`."
        )
        raise ValueError(msg)
    return np.ascontiguousarray(given, dtype=np.int32)
