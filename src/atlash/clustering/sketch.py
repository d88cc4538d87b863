"""Some cells kept in memory with their counts, drawn by what they hold and not by their rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from atlash.clustering.places import Places
    from atlash.data.normalize import BoundSource, Projected

NEARLY_WHOLE = 1e-3
"""How far, relative to itself, a count recovered from its logarithm may be from a whole number."""


@dataclass(frozen=True)
class Sketch:
    """Cells in memory.

    Attributes
    ----------
    rows
        Where they stand in the source ``(n,)``.
    key
        A number for what each holds ``(n,)``, uint64; cells that hold the same have the same.
    counts
        Counts of the features ``(n, n_features)``, CSR float32.
    logged
        Their normalised log expression, entry by entry ``(n, n_features)``, CSR float32.
    factor
        What a count is multiplied with before the logarithm ``(n,)``, float32.
    """

    rows: NDArray[np.int64]
    key: NDArray[np.uint64]
    counts: sp.csr_array
    logged: sp.csr_array
    factor: NDArray[np.float32]

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.rows)

    def __getitem__(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Sketch:
        """Return some of the cells."""
        counts, logged = self.counts[chosen], self.logged[chosen]
        return Sketch(self.rows[chosen], self.key[chosen], counts, logged, self.factor[chosen])

    def folds(self, n_folds: int) -> NDArray[np.int64]:
        """Deal the cells out over folds ``(n,)``, by their keys."""
        return ((self.key >> np.uint64(20)) % np.uint64(n_folds)).astype(np.int64)

    def halves(
        self, places: Places, split: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Deal each cell's counts into two halves at random, and return the places of both.

        Parameters
        ----------
        places
            What brings expression onto axes.
        split
            Number of the split; another one deals anew. The same cell is dealt the same way
            whichever cells are beside it.

        Returns
        -------
        Places ``(n, n_axes)`` of the first and of the second halves, each normalised as a cell of
        half the depth.
        """
        factor = np.repeat(2 * self.factor, np.diff(self.counts.indptr))
        first, second = self._dealt(split)
        return (
            places.of(self._with(np.log1p(factor * first))),
            places.of(self._with(np.log1p(factor * second))),
        )

    def thinned(self, places: Places, sixteenths: int) -> NDArray[np.float32]:
        """Return the places ``(n, n_axes)`` of copies that keep a share of the molecules.

        Parameters
        ----------
        places
            What brings expression onto axes.
        sixteenths
            The share, 1 to 15. Which molecules a cell keeps is up to what it holds.
        """
        from atlash.clustering._rows import thin

        bounds = self.counts.indptr.astype(np.int64)
        kept = np.empty_like(self.counts.data)
        thin(bounds, self.counts.indices, self.counts.data, self.key, sixteenths, kept)
        factor = np.repeat(self.factor * np.float32(16 / sixteenths), np.diff(bounds))
        return places.of(self._with(np.log1p(factor * kept)))

    def second_half(self, split: int) -> sp.csr_array:
        """Return the counts of the second halves ``(n, n_features)``, CSR float32."""
        return self._with(self._dealt(split)[1])

    def _dealt(self, split: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the entries of both halves ``(n_stored,)`` each."""
        from atlash.clustering._rows import halve

        bounds = self.counts.indptr.astype(np.int64)
        first = np.empty_like(self.counts.data)
        halve(bounds, self.counts.indices, self.counts.data, self.key, split, first)
        return first, self.counts.data - first

    def _with(self, entries: NDArray[np.float32]) -> sp.csr_array:
        """Return other entries in the places of the counts."""
        bounds = self.counts.indptr.astype(np.int64)
        return sp.csr_array((entries, self.counts.indices, bounds), self.counts.shape)


def keys_of(X: sp.csr_array) -> NDArray[np.uint64]:
    """Return a number for what each cell holds ``(n,)``, of log expression ``(n, n_features)``."""
    from atlash.clustering._rows import hash_rows

    return np.asarray(hash_rows(X.indptr.astype(np.int64), X.indices, X.data))


def draw_share(part: Projected, key: NDArray[np.uint64], share: float) -> NDArray[np.bool_]:
    """Choose about a share of the cells that have counts, by their keys ``(n,)``."""
    drawn = (key >> np.uint64(11)).astype(np.float64) < share * 2.0**53
    return drawn & (part.library > 0)


def keep(
    bound: BoundSource, part: Projected, *, key: NDArray[np.uint64], chosen: NDArray[np.bool_]
) -> Sketch:
    """Keep the chosen cells of a chunk, with their counts.

    Where the data are no counts, the least value of a cell stands for one molecule.
    """
    picked = np.flatnonzero(chosen)
    rows = part.rows.start + picked if isinstance(part.rows, slice) else part.rows[picked]
    logged = part.X[picked]
    unit = bound.target / part.library[picked]
    linear = np.expm1(logged.data.astype(np.float64))
    per_cell = np.diff(logged.indptr)
    if bound.scale.name != "counts":
        least = np.full(len(picked), np.inf)
        np.minimum.at(least, np.repeat(np.arange(len(picked)), per_cell), linear)
        unit = np.where(np.isfinite(least), least, unit)
    counts = linear / np.repeat(unit, per_cell)
    whole = np.rint(counts)
    near = np.abs(counts - whole) <= NEARLY_WHOLE * np.maximum(counts, 1)
    counts = np.where(near | (bound.scale.name != "counts"), whole, counts).astype(np.float32)
    matrix = sp.csr_array((counts, logged.indices, logged.indptr), logged.shape)
    return Sketch(rows, key[picked], matrix, logged, unit.astype(np.float32))


def join(parts: Sequence[Sketch]) -> Sketch:
    """Return the cells of several sketches in the order of their keys."""
    key = np.concatenate([part.key for part in parts])
    order = np.argsort(key, kind="stable")
    counts, logged = (
        sp.csr_array(sp.vstack([getattr(part, name) for part in parts], format="csr"))[order]
        for name in ("counts", "logged")
    )
    rows = np.concatenate([part.rows for part in parts])[order]
    factor = np.concatenate([part.factor for part in parts])[order]
    return Sketch(rows, key[order], counts, logged, factor)
