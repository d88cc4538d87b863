"""Centres of binary codes: the closest one of each code, and learning them from a sample."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from atlash.codes.pack import unpack
from atlash.codes.planes import make_planes
from atlash.codes.question import ask, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from atlash.codes.planes import Planes
    from atlash.codes.question import Path

SAMPLE_OF_EACH = 64
"""Sampled codes for each centre that is learned."""
N_ROUNDS = 6
CENTRE_MASK = 2**32 - 1


def closest_centre(
    planes: Planes,
    centres: NDArray[np.uint8],
    *,
    part_weights: Sequence[int] | None = None,
    n_threads: int | None = None,
    _path: Path | None = None,
) -> NDArray[np.int64]:
    """Return ``distance * 2^32 + centre`` of each code's closest centre; ties go to the first.

    Parameters
    ----------
    planes
        Codes ``(n_words, n)``.
    centres
        Packed codes ``(n_centres, n_bytes)``, uint8, at least one.
    part_weights, n_threads, _path
        As in :func:`atlash.codes.scan.nearest`.
    """
    from atlash.codes._buckets import assign  # numba: imported when needed

    question = ask(centres, planes, part_weights=part_weights, n_threads=n_threads, path=_path)
    keys = np.empty(planes.shape[1], dtype=np.int64)

    def close(span: tuple[int, int]) -> None:
        assign(
            question.addresses, question.weights, question.words.ctypes.data, len(centres), span,
            question.vector, keys,
        )  # fmt: skip

    parts = spread(planes.shape[1], question.n_threads)
    question.run([partial(close, part) for part in parts])
    return keys


def learn_centres(
    planes: Planes,
    n_centres: int,
    part_weights: Sequence[int] | None = None,
    *,
    random_state: int = 0,
) -> NDArray[np.uint8]:
    """Learn centres from a sample by k-modes: each bit of a centre is that of most of its codes.

    Parameters
    ----------
    planes
        Codes ``(n_words, n)``, at least one.
    n_centres
        Centres wanted, at least 1; fewer are returned where codes are few or alike.
    part_weights
        As in :func:`atlash.codes.scan.nearest`.
    random_state
        Seed of the sample and of the first centres, which are codes of the sample.

    Returns
    -------
    Packed codes ``(n_centres, 8 n_words)``, uint8, all different.

    Raises
    ------
    ValueError
        If there is no code or no centre is wanted.
    """
    n = planes.shape[1]
    if n < 1 or n_centres < 1:
        msg = (
            "Centres are learned from at least one code, and at least one is needed; found "
            f"{n:,} codes and n_centres={n_centres}."
        )
        raise ValueError(msg)
    rng = np.random.default_rng(random_state)
    rows = np.sort(rng.choice(n, size=min(n, SAMPLE_OF_EACH * n_centres), replace=False))
    sample = np.ascontiguousarray(planes[:, rows].T).astype("<u8").view(np.uint8)
    sampled, bits = make_planes(sample), unpack(sample)
    first = np.sort(rng.choice(len(rows), size=min(len(rows), n_centres), replace=False))
    centres: NDArray[np.uint8] = np.unique(sample[first], axis=0)
    for _ in range(N_ROUNDS):
        keys = closest_centre(sampled, centres, part_weights=part_weights)
        centre = keys & CENTRE_MASK
        order = np.argsort(centre, kind="stable")
        used, starts, sizes = np.unique(centre[order], return_index=True, return_counts=True)
        ones = np.add.reduceat(bits[order], starts, axis=0, dtype=np.int64)
        moved = centres.copy()
        moved[used] = np.packbits(2 * ones > sizes[:, None], axis=1, bitorder="little")
        centres = np.unique(moved, axis=0)
    return centres
