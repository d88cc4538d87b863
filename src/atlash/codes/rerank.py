"""Ranking a short list of codes by what the bits of a query are expected to be."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from atlash.codes.question import spread
from atlash.progress import n_threads_or_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from atlash.codes.planes import Planes

WORTH_A_THREAD = 64
"""Queries that a thread must have to itself: fewer take less time than starting it."""


def expected_distances(
    expected: NDArray[np.float32],
    weights: NDArray[np.float32],
    planes: Planes,
    *,
    bounds: NDArray[np.int64],
    rows: NDArray[np.int64],
    n_threads: int | None = None,
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
    n_threads
        Threads; ``None`` takes all cores.

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

    def work(span: tuple[int, int]) -> None:
        add_agreements(weighted, planes, bounds, rows, span, agreement)

    _share_out(work, len(expected), n_threads)
    return np.asarray((weights.sum() - agreement) / 2, dtype=np.float32)


def ascending(
    scores: NDArray[np.float32], bounds: NDArray[np.int64], *, n_threads: int | None = None
) -> NDArray[np.int64]:
    """Return the order of each query's hits by score; equal ones stay in order.

    Parameters
    ----------
    scores
        ``(n_hits,)`` float32.
    bounds
        Where each query's hits begin and end ``(q + 1,)``, int64.
    n_threads
        Threads; ``None`` takes all cores.

    Returns
    -------
    Places ``(n_hits,)``, int64; those of a query stay within its bounds.
    """
    from atlash.codes._rerank import sort_hits  # numba: imported when needed

    order = np.empty(len(scores), dtype=np.int64)
    _share_out(lambda span: sort_hits(scores, bounds, span, order), len(bounds) - 1, n_threads)
    return order


def _share_out(
    work: Callable[[tuple[int, int]], None], n_queries: int, n_threads: int | None
) -> None:
    """Run ``work`` on spans of the queries, on as many threads as these are worth."""
    n_useful = min(n_threads_or_all(n_threads), max(1, n_queries // WORTH_A_THREAD))
    spans = spread(n_queries, n_useful)
    if len(spans) <= 1:
        for span in spans:
            work(span)
        return
    with ThreadPoolExecutor(n_useful) as pool:
        for done in [pool.submit(work, span) for span in spans]:
            done.result()
