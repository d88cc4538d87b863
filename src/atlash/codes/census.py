"""Looking through all codes of a reference, a chunk at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Nearest(NamedTuple):
    """Where codes lie among anchors.

    Attributes
    ----------
    first, second
        Nearest and second nearest anchor ``(n,)``, int32; ties go to the earlier one, and -1
        stands where there is none.
    to_first, to_second, to_own
        Hamming distance to these and to the cell's own anchor ``(n,)``, int32; -1 where there
        is none.
    """

    first: NDArray[np.int32]
    second: NDArray[np.int32]
    to_first: NDArray[np.int32]
    to_second: NDArray[np.int32]
    to_own: NDArray[np.int32]


def nearest_anchors(
    words: NDArray[np.uint64], anchors: NDArray[np.uint64], own: NDArray[np.int32]
) -> Nearest:
    """Compare codes with all anchors.

    Parameters
    ----------
    words
        Codes ``(n, n_words)``, uint64; see :func:`atlash.codes.pack.as_words`.
    anchors
        ``(n_types, n_words)``, uint64.
    own
        Type of each cell ``(n,)``, int32; one that is no row of ``anchors`` has no anchor.
    """
    from atlash.codes._census import two_nearest  # numba: imported when needed

    kinds = np.empty((len(words), 2), dtype=np.int32)
    distances = np.empty((len(words), 3), dtype=np.int32)
    two_nearest(words, anchors, own, kinds, distances)
    return Nearest(kinds[:, 0], kinds[:, 1], *distances.T)


def code_keys(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return a number for each code ``(n,)``, uint64, the same for the same code.

    Codes ``(n, n_words)`` of one word get different numbers. Of longer ones two different codes
    get one number with a probability of 2**-64: among 10 million codes, some pair does with
    one of 3e-6.
    """
    from atlash.codes._census import mix_words  # numba: imported when needed

    keys = np.empty(len(words), dtype=np.uint64)
    mix_words(words, keys)
    return keys


def count_ones(
    words: NDArray[np.uint64], groups: NDArray[np.int32], ones: NDArray[np.int64]
) -> None:
    """Add the number of codes that have each bit to ``ones``.

    Parameters
    ----------
    words
        Codes ``(n, n_words)``, uint64.
    groups
        Group of each code ``(n,)``, int32, in ``[0, n_groups)``.
    ones
        ``(n_groups, 64 n_words)``, int64; changed in place.
    """
    from atlash.codes._census import add_ones  # numba: imported when needed

    add_ones(words, groups, ones)
