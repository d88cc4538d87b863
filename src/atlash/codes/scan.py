"""Exact search: every code is compared with every query.

Distances are Hamming distances, or sums over the 64-bit words of ``part_weights`` times differing
bits: weights ``(65, 1)`` rank 128-bit codes by their first 64 bits, then by their last. Answers
are in order of (distance, row), and are the same on any number of threads and any processor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from atlash.codes.question import ask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from atlash.codes.planes import Planes
    from atlash.codes.question import Path, Question

STATE_BYTES = 2**26
"""Memory for the candidates of the queries that one thread has under way."""
WORTH_TABLES = 32
"""Queries of a thread for which laying codes out for tables pays: it takes as long as some 15."""


class Nearest(NamedTuple):
    """Codes nearest to each query.

    Attributes
    ----------
    distances
        ``(q, k)`` int32, ascending; -1 where there are fewer than k codes.
    rows
        ``(q, k)`` int64, ascending where distances are equal; -1 where there are fewer.
    """

    distances: NDArray[np.int32]
    rows: NDArray[np.int64]


class Within(NamedTuple):
    """All codes near each query: those of query ``i`` are at ``bounds[i]:bounds[i + 1]``.

    Attributes
    ----------
    bounds
        ``(q + 1,)`` int64.
    rows
        ``(n_hits,)`` int64, in order of (distance, row) for each query.
    distances
        ``(n_hits,)`` int32.
    """

    bounds: NDArray[np.int64]
    rows: NDArray[np.int64]
    distances: NDArray[np.int32]


def nearest(
    queries: NDArray[np.uint8],
    planes: Planes,
    k: int,
    *,
    part_weights: Sequence[int] | None = None,
    n_threads: int | None = None,
    _path: Path | None = None,
) -> Nearest:
    """Find the k nearest codes of each query, exactly; ties go to the lower row.

    Parameters
    ----------
    queries
        Packed codes ``(q, n_bytes)``, uint8.
    planes
        Codes to search, ``(n_words, n)``; see :mod:`atlash.codes.planes`.
    k
        Codes wanted for each query, at least 1.
    part_weights
        Weight of each 64-bit word, whole numbers; ``None`` weighs all bits alike.
    n_threads
        Threads; ``None`` takes as many as the work is worth.
    _path
        For tests: the kernels to use.

    Returns
    -------
    Distances and rows ``(q, k)``; where there are fewer than k codes the rest is -1.

    Raises
    ------
    ValueError
        If queries, planes and weights do not fit, or k is less than 1.
    """
    from atlash.codes._scan import scan_nearest  # numba: imported when needed
    from atlash.codes._table_scan import scan_by_tables

    if k < 1:
        msg = f"At least one neighbour must be asked for; found k={k}."
        raise ValueError(msg)
    scan = ask(queries, planes, part_weights=part_weights, n_threads=n_threads, path=_path)
    n_found, n_distances = min(k, planes.shape[1]), scan.most + 1
    shape = (len(scan.spans()), len(queries), n_found)
    distances, rows = np.full(shape, -1, np.int32), np.full(shape, -1, np.int64)
    size = STATE_BYTES // (16 * n_found + 4 * n_distances + 256 * len(planes) + 512)
    by_tables = _takes_tables(scan, size, _path)

    def search(block: slice, span: tuple[int, int], number: int) -> None:
        asked = scan.words[block].ctypes.data
        found = distances[number, block], rows[number, block]
        if by_tables:
            scan_by_tables(scan.addresses, asked, span, n_distances, *found)
        else:
            scan_nearest(
                scan.addresses, scan.weights, asked, span, n_distances, scan.vector, *found
            )

    scan.share_out(search, size)
    return _merge(distances, rows, k)


def _takes_tables(scan: Question, size: int, path: Path | None) -> bool:
    """Tell whether to look distances up: bits weigh alike, and blocks of queries are large."""
    from atlash.codes._tables import are_faster

    if scan.weights or path not in {None, "tables"}:
        return False
    worth = min(size, len(scan.words) // scan.n_threads) >= WORTH_TABLES
    return path == "tables" or (scan.vector and worth and are_faster())


def _merge(distances: NDArray[np.int32], rows: NDArray[np.int64], k: int) -> Nearest:
    """Merge the answers ``(n_spans, q, n_found)`` of successive spans, and pad them to k."""
    n_spans, n_queries, n_found = distances.shape
    shape = (n_queries, k)
    merged = Nearest(np.full(shape, -1, np.int32), np.full(shape, -1, np.int64))
    if n_spans == 1 and n_found == k:
        return Nearest(distances[0], rows[0])
    if n_spans:
        flat_rows = rows.transpose(1, 0, 2).reshape(n_queries, n_spans * n_found)
        flat = (
            distances.transpose(1, 0, 2).reshape(n_queries, n_spans * n_found).view(np.uint32)
        )  # -1 is last
        order = np.argsort(flat, axis=1, kind="stable")[:, :n_found]
        merged.rows[:, :n_found] = np.take_along_axis(flat_rows, order, axis=1)
        merged.distances[:, :n_found] = np.take_along_axis(flat, order, axis=1).view(np.int32)
    return merged


def within(
    queries: NDArray[np.uint8],
    planes: Planes,
    radius: int,
    *,
    part_weights: Sequence[int] | None = None,
    n_threads: int | None = None,
    _path: Path | None = None,
) -> Within:
    """Find all codes at most ``radius`` from each query, in order of (distance, row).

    The codes are passed over twice, once to count and once to write, so that no memory is taken
    but that of the answer, 12 bytes an entry, and of one count for each query and distance.

    Parameters
    ----------
    queries, planes
        As in :func:`nearest`.
    radius
        Greatest distance of a hit, not negative; in weighted bits where there are weights.
    part_weights, n_threads, _path
        As in :func:`nearest`.

    Returns
    -------
    Bounds of each query's hits, their rows and their distances.

    Raises
    ------
    ValueError
        If queries, planes and weights do not fit, or the radius is negative.
    """
    from atlash.codes._radius import count_hits, place_hits  # numba: imported when needed

    scan = ask(queries, planes, part_weights=part_weights, n_threads=n_threads, path=_path)
    limit = _limit(radius, scan.most)
    spans = scan.spans()
    counts = np.zeros((len(spans), len(queries), limit), dtype=np.int64)
    nothing = np.empty(0, dtype=np.int32)

    def count(block: slice, span: tuple[int, int], number: int) -> None:
        asked, each = scan.words[block], counts[number, block]
        count_hits(
            scan.addresses, scan.weights, asked.ctypes.data, span, limit, scan.vector,
            nothing, each,
        )  # fmt: skip

    size = max(1, STATE_BYTES // (8 * limit))
    scan.share_out(count, size)
    in_order = counts.transpose(1, 2, 0).reshape(-1)
    ends = np.cumsum(in_order)
    bounds = np.zeros(len(queries) + 1, dtype=np.int64)
    if len(spans):
        bounds[1:] = ends[limit * len(spans) - 1 :: limit * len(spans)]
    starts = (ends - in_order).reshape(len(queries), limit, len(spans))
    places = np.ascontiguousarray(starts.transpose(2, 0, 1))
    rows, distances = np.empty(bounds[-1], np.int64), np.empty(bounds[-1], np.int32)

    def place(block: slice, span: tuple[int, int], number: int) -> None:
        asked, each = scan.words[block], places[number, block]
        place_hits(
            scan.addresses, scan.weights, asked.ctypes.data, span, scan.vector, each,
            distances, rows,
        )  # fmt: skip

    scan.share_out(place, size)
    return Within(bounds, rows, distances)


def count_within(
    queries: NDArray[np.uint8],
    planes: Planes,
    radius: int,
    *,
    groups: NDArray[np.int32] | None = None,
    n_groups: int = 1,
    part_weights: Sequence[int] | None = None,
    n_threads: int | None = None,
    _path: Path | None = None,
) -> NDArray[np.int64]:
    """Count the codes at most ``radius`` from each query, group by group, in one pass.

    Parameters
    ----------
    queries, planes, radius
        As in :func:`within`.
    groups
        Group of each code, ``(n,)`` int32 in ``[-1, n_groups)``; -1 is counted nowhere.
        ``None`` counts all codes as one group.
    n_groups
        Number of groups.
    part_weights, n_threads, _path
        As in :func:`within`.

    Returns
    -------
    Counts ``(q, n_groups)``, int64.

    Raises
    ------
    ValueError
        If queries, planes, weights and groups do not fit, or the radius is negative.
    """
    from atlash.codes._radius import count_hits  # numba: imported when needed

    scan = ask(queries, planes, part_weights=part_weights, n_threads=n_threads, path=_path)
    limit = _limit(radius, scan.most)
    wide = limit if groups is None else n_groups
    group_of = np.empty(0, np.int32) if groups is None else _checked(groups, n_groups, planes)
    counts = np.zeros((len(scan.spans()), len(queries), wide), dtype=np.int64)

    def count(block: slice, span: tuple[int, int], number: int) -> None:
        asked, each = scan.words[block], counts[number, block]
        count_hits(
            scan.addresses, scan.weights, asked.ctypes.data, span, limit, scan.vector,
            group_of, each,
        )  # fmt: skip

    scan.share_out(count, max(1, STATE_BYTES // (8 * max(1, wide))))
    total: NDArray[np.int64] = counts.sum(axis=0)
    return total if groups is not None else total.sum(axis=1, keepdims=True)


def _limit(radius: int, most: int) -> int:
    if radius < 0:
        msg = f"A radius cannot be negative; found {radius}."
        raise ValueError(msg)
    return min(radius, most) + 1


def _checked(groups: NDArray[np.int32], n_groups: int, planes: Planes) -> NDArray[np.int32]:
    n = planes.shape[1]
    if groups.shape != (n,) or groups.dtype != np.int32:
        msg = f"Groups must be int32 ({n},), one a code; found {groups.dtype} {groups.shape}."
        raise ValueError(msg)
    if n and not -1 <= groups.min() <= groups.max() < n_groups:
        msg = (
            f"Groups must be from -1 to {n_groups - 1}; found {groups.min()} to {groups.max()}. "
            "-1 stands for no group."
        )
        raise ValueError(msg)
    return np.ascontiguousarray(groups)
