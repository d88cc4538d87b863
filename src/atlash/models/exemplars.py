"""Learned cells kept to set new types against: a type's codes do not tell how it varies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from atlash.models.pc_space import UPPER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.models.pc_space import PCSpace

MAX_EXEMPLARS, MIN_OF_TYPE = 2000, 100
"""About how many cells are kept, and of how many no type gives any up."""
MAX_OF_NEW = 500
"""Most cells of a registered type that are kept."""
NO_BATCH = -1
"""The batch of a cell whose batch is not known."""
STEPS = 25
"""Steps in which a unit of log expression is kept; ``log1p(1e4)`` takes 230 of 255."""


@dataclass(frozen=True)
class Exemplars:
    """Cells as rows of a CSR matrix of small integers.

    Attributes
    ----------
    data
        Normalised log expression in steps of 1/25 ``(n_entries,)``, uint8.
    indices
        Feature of each entry ``(n_entries,)``, unsigned.
    indptr
        First entry of each cell, and the end ``(n + 1,)``, int64.
    labels
        Types of the cells ``(n,)``, int32; registered types follow the learned ones.
    batches
        Batches of the cells ``(n,)``, int32; -1 where it is not known.
    """

    data: NDArray[np.uint8]
    indices: NDArray[np.unsignedinteger]
    indptr: NDArray[np.int64]
    labels: NDArray[np.int32]
    batches: NDArray[np.int32]

    def expression(self, n_features: int) -> sp.csr_array:
        """Return normalised log expression ``(n, n_features)``, CSR float32."""
        values = self.data.astype(np.float32) / STEPS
        parts = (values, self.indices.astype(np.int32), self.indptr)
        return sp.csr_array(parts, shape=(len(self.labels), n_features))

    def joined(self, X: sp.csr_array, kind: int, rng: np.random.Generator) -> Exemplars:
        """Return these cells and at most 500 of a new type, numbered ``kind``."""
        kept = X[np.sort(rng.permutation(X.shape[0])[:MAX_OF_NEW])]
        of_kind = np.full(kept.shape[0], kind, dtype=np.int32)
        new = _kept(kept, of_kind, np.full_like(of_kind, NO_BATCH))
        return Exemplars(
            np.concatenate([self.data, new.data]),
            np.concatenate([self.indices, new.indices]),
            np.concatenate([self.indptr, self.indptr[-1] + new.indptr[1:]]),
            np.concatenate([self.labels, new.labels]),
            np.concatenate([self.batches, new.batches]),
        )


def fit_exemplars(
    X: sp.csr_array,
    labels: NDArray[np.int64],
    batches: NDArray[np.int64] | None = None,
    *,
    random_state: int,
) -> Exemplars:
    """Keep some learned cells: about 2,000, and of each type at least 100 where it has them.

    Parameters
    ----------
    X
        Normalised log expression of the features ``(n, n_features)``, CSR float32.
    labels
        Types of the cells ``(n,)``, in ``[0, n_types)``.
    batches
        Batches of the cells ``(n,)``, at least 0; ``None`` if they are not known.
    random_state
        Seed.
    """
    rng = np.random.default_rng(random_state)
    counts = np.bincount(labels)
    share = min(1.0, MAX_EXEMPLARS / len(labels))
    quota = np.maximum(np.ceil(share * counts), np.minimum(counts, MIN_OF_TYPE)).astype(int)
    drawn = [
        rng.permutation(np.flatnonzero(labels == kind))[:most] for kind, most in enumerate(quota)
    ]
    kept = np.sort(np.concatenate(drawn))
    own = np.full(len(kept), NO_BATCH) if batches is None else batches[kept]
    return _kept(X[kept], labels[kept].astype(np.int32), own.astype(np.int32))


def _kept(X: sp.csr_array, labels: NDArray[np.int32], batches: NDArray[np.int32]) -> Exemplars:
    data = np.clip(np.rint(X.data * STEPS), 0, 255).astype(np.uint8)
    indices = X.indices.astype(np.min_scalar_type(X.shape[1]))
    return Exemplars(data, indices, X.indptr.astype(np.int64), labels, batches)


@dataclass(frozen=True)
class Described:
    """Cells as a detector sees them.

    Attributes
    ----------
    white
        Places on the first axes, whitened within types ``(n, n_middle)``, float32.
    standard
        Standardised expression ``(n, n_features)``, float32, dense; features that are not
        measured are 0.
    """

    white: NDArray[np.float32]
    standard: NDArray[np.float32]

    def __getitem__(self, mask: NDArray[np.bool_]) -> Described:
        """Return some of the cells."""
        return Described(self.white[mask], self.standard[mask])


def describe(X: sp.csr_array, measured: NDArray[np.bool_], space: PCSpace) -> Described:
    """Describe some hundreds or thousands of cells in memory."""
    standard = np.minimum((X.toarray() - space.mean) * space.inverse_scale, np.float32(UPPER))
    standard[:, ~measured] = 0
    places = standard @ space.axes[:, : len(space.middle)]
    return Described((places @ space.middle).astype(np.float32), standard.astype(np.float32))
