"""Learned cells kept to set new types against: a reference holds no expression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.models.pc_space import PCSpace

MAX_EXEMPLARS, MIN_OF_TYPE = 3000, 40
"""About how many cells are kept, and of how many no type gives any up."""
MAX_OF_NEW = 500
"""Most cells of a registered type that are kept."""


@dataclass(frozen=True)
class Exemplars:
    """Cells kept to set new types against.

    Attributes
    ----------
    white
        Their places on the first axes, whitened within types ``(n, n_middle)``, float32.
    labels
        Their types ``(n,)``, int32; registered types follow the learned ones.
    """

    white: NDArray[np.float32]
    labels: NDArray[np.int32]


def fit_exemplars(
    places: NDArray[np.float32],
    labels: NDArray[np.int64],
    space: PCSpace,
    *,
    random_state: int,
) -> Exemplars:
    """Keep some learned cells: about 3,000, and of each type at least 40 where it has them.

    Parameters
    ----------
    places
        Learned cells on the axes ``(n, n_axes)``, float32.
    labels
        Their types ``(n,)``, in ``[0, n_types)``.
    space
        The space they are in.
    random_state
        Seed.
    """
    rng = np.random.default_rng(random_state)
    counts = np.bincount(labels)
    share = min(1.0, MAX_EXEMPLARS / len(labels))
    quota = np.maximum(np.ceil(share * counts), np.minimum(counts, MIN_OF_TYPE)).astype(int)
    kept = np.sort(
        np.concatenate(
            [
                rng.permutation(np.flatnonzero(labels == kind))[: quota[kind]]
                for kind in range(len(counts))
            ]
        )
    )
    return Exemplars(whitened(places[kept], space), labels[kept].astype(np.int32))


def joined(
    known: Exemplars, few: NDArray[np.float32], kind: int, rng: np.random.Generator
) -> Exemplars:
    """Return the known cells and at most 500 of a new type, numbered ``kind``."""
    kept = few[np.sort(rng.permutation(len(few))[:MAX_OF_NEW])]
    labels = np.full(len(kept), kind, dtype=np.int32)
    return Exemplars(np.concatenate([known.white, kept]), np.concatenate([known.labels, labels]))


def whitened(places: NDArray[np.float32], space: PCSpace) -> NDArray[np.float32]:
    """Return places on the first axes, whitened within types ``(n, n_middle)``, float32."""
    from atlash.models._registered_kernels import multiply  # numba: imported when needed

    out = np.empty((len(places), len(space.middle)), dtype=np.float32)
    multiply(np.ascontiguousarray(places, dtype=np.float32), space.middle, out)
    return out
