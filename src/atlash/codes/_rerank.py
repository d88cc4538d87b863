"""The compiled part of asymmetric scores; imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@numba.njit(cache=True, nogil=True)
def _fill_tables(weighted: NDArray[np.float32], tables: NDArray[np.float32]) -> None:
    """Write what each value of each byte adds to the score of a query."""
    for place in range(tables.shape[0]):
        table, bits = tables[place], weighted[8 * place : 8 * place + 8]
        table[0] = -bits.sum()
        for bit in range(8):
            # with this bit set, the table repeats itself
            half = 1 << bit
            for value in range(half):
                table[half + value] = table[value] + 2 * bits[bit]


@numba.njit(cache=True, nogil=True)
def add_agreements(  # noqa: PLR0917
    weighted: NDArray[np.float32],
    planes: NDArray[np.uint64],
    bounds: NDArray[np.int64],
    rows: NDArray[np.int64],
    span: tuple[int, int],
    out: NDArray[np.float32],
) -> None:
    """Write the weighted agreement of expected bits with codes, for a span of the queries."""
    n_words = planes.shape[0]
    tables = np.empty((8 * n_words, 256), dtype=np.float32)
    for query in range(span[0], span[1]):
        first, last = bounds[query], bounds[query + 1]
        if first == last:
            continue
        _fill_tables(weighted[query], tables)
        for hit in range(first, last):
            total = np.float32(0)
            for word in range(n_words):
                bits = planes[word, rows[hit]]
                for byte in range(8):
                    value = (bits >> np.uint64(8 * byte)) & np.uint64(255)
                    total += tables[8 * word + byte, value]
            out[hit] = total


@numba.njit(cache=True, nogil=True)
def sort_hits(
    scores: NDArray[np.float32],
    bounds: NDArray[np.int64],
    span: tuple[int, int],
    out: NDArray[np.int64],
) -> None:
    """Write the places of each query's hits, the least score first; equal ones stay in order."""
    for query in range(span[0], span[1]):
        first, last = bounds[query], bounds[query + 1]
        out[first:last] = first + np.argsort(scores[first:last], kind="mergesort")
