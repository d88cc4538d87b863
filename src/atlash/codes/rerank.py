"""Ranking a short list of codes by what the bits of a query are expected to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.codes.planes import Planes


def expected_distances(
    expected: NDArray[np.float32],
    weights: NDArray[np.float32],
    planes: Planes,
    *,
    bounds: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Return in how many bits each query is expected to differ from codes of its short list.

    A bit that is hardly decided counts half, whichever it is: that keeps apart codes that the
    Hamming distance ties.

    Parameters
    ----------
    expected
        Expected bits of the queries ``(q, n_bits)``, float32 in [-1, 1].
    weights
        Weight of each bit ``(n_bits,)``, at least 0; 0 for padding.
    planes
        Codes ``(n_words, n)``, ``64 n_words = n_bits``.
    bounds
        Where each query's short list begins and ends ``(q + 1,)``, int64.
    rows
        Rows of ``planes`` in the short lists ``(bounds[-1],)``, int64.

    Returns
    -------
    ``sum_i w_i (1 - e_i s_i) / 2`` for each entry of ``rows``, float32, with ``s_i`` the code's
    bits as -1 and 1.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    from atlash.codes._rerank import add_agreements  # numba: imported when needed

    n_bits = 64 * len(planes)
    if expected.shape != (len(bounds) - 1, n_bits) or weights.shape != (n_bits,):
        msg = (
            f"Expected bits of shape {expected.shape} and weights of shape {weights.shape} do not "
            f"fit {len(bounds) - 1:,} queries and planes of {n_bits} bits."
        )
        raise ValueError(msg)
    agreement = np.empty(len(rows), dtype=np.float32)
    weighted = np.ascontiguousarray(expected * weights, dtype=np.float32)
    add_agreements(weighted, planes, bounds, rows, agreement)
    return np.asarray((weights.sum() - agreement) / 2, dtype=np.float32)
