"""Hamming distances between packed codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from atlash.codes.pack import as_words

if TYPE_CHECKING:
    from numpy.typing import NDArray


def hamming(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Count the bits in which each code of ``a`` differs from each code of ``b``.

    Parameters
    ----------
    a, b
        Packed codes ``(n, n_bytes)`` and ``(m, n_bytes)``, uint8.

    Returns
    -------
    Distances ``(n, m)``, int32, in ``[0, 8 n_bytes]``.

    Raises
    ------
    ValueError
        If the codes are not packed bytes of one width.
    """
    for codes in (a, b):
        if codes.ndim != 2 or codes.dtype != np.uint8:
            msg = f"Codes must be uint8 (n, n_bytes); found {codes.dtype} {codes.shape}."
            raise ValueError(msg)
    if a.shape[1] != b.shape[1]:
        msg = f"Codes of {8 * a.shape[1]} bits cannot be compared with {8 * b.shape[1]} bits."
        raise ValueError(msg)
    out = np.empty((len(a), len(b)), dtype=np.int32)
    from atlash.codes._popcount import pairwise_distances  # numba: imported when needed

    pairwise_distances(as_words(a), as_words(b), out)
    return out
