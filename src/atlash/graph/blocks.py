"""Which cells are compared with which: blocks of queries, and spans of candidates for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from atlash.graph.work import Span

QUERIES = 4096
"""Queries of a block where all cells are compared with all."""
DISTANCES_AT_ONCE = 2**20


class Blocks(NamedTuple):
    """Blocks of queries with their candidates, as spans of places in an order of the cells.

    Attributes
    ----------
    order
        Row of the cell at each place ``(N,)``, int32; a bucket stands together.
    queries
        From and up to which place a block asks ``(n_blocks, 2)``, int64; together all places.
    bounds
        Where the spans of each block begin and end ``(n_blocks + 1,)``, int64.
    spans
        From and up to which place candidates stand ``(n_spans, 2)``, int64.
    """

    order: NDArray[np.int32]
    queries: NDArray[np.int64]
    bounds: NDArray[np.int64]
    spans: NDArray[np.int64]

    @property
    def n_candidates(self) -> NDArray[np.int64]:
        """Number of candidates of each block ``(n_blocks,)``, int64."""
        ends = np.append(0, np.cumsum(self.spans[:, 1] - self.spans[:, 0]))
        return np.diff(ends[self.bounds])

    def shares(self, n_shares: int) -> list[Span]:
        """Cut the blocks in at most ``n_shares`` spans that cost about the same."""
        cost = np.cumsum((self.queries[:, 1] - self.queries[:, 0]) * self.n_candidates)
        goals = cost[-1] * np.arange(1, n_shares) / n_shares
        cuts = np.unique(np.concatenate([[0], np.searchsorted(cost, goals), [len(cost)]]))
        return list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))


def all_with_all(n: int) -> Blocks:
    """Compare each of ``n`` cells with all."""
    starts = np.arange(0, n, QUERIES)
    queries = np.stack([starts, np.minimum(starts + QUERIES, n)], axis=1)
    spans = np.tile([[0, n]], (len(starts), 1))
    bounds = np.arange(len(starts) + 1)
    return Blocks(np.arange(n, dtype=np.int32), queries, bounds, spans)


def within_buckets(
    places: NDArray[np.float32],
    bucket: NDArray[np.int32],
    centres: NDArray[np.float32],
    *,
    n_probe: int,
    least: int,
    most: int,
) -> Blocks:
    """Compare the cells of a bucket with those of the buckets nearest to it.

    Buckets are probed, the own one first, until there are ``n_probe`` of them with cells and
    ``least`` candidates; the first ``most`` candidates are taken. A bucket with more cells than
    that is put in order along its widest axis and cut, and each piece is compared with the
    ``most`` cells about it.

    Parameters
    ----------
    places
        ``(N, d)``, float32.
    bucket
        Bucket of each cell ``(N,)``, int32.
    centres
        ``(n_buckets, d)``, float32.
    n_probe, least, most
        Numbers of buckets and of candidates, as above; ``least`` is at most ``most``.
    """
    sizes = np.bincount(bucket, minlength=len(centres)).astype(np.int64)
    order = np.argsort(bucket, kind="stable")
    ends = np.cumsum(sizes)
    starts = ends - sizes
    queries: list[Span] = []
    spans: list[NDArray[np.int64]] = []
    for own, near in _buckets_by_distance(centres, np.flatnonzero(sizes)):
        start, stop = int(starts[own]), int(ends[own])
        if stop - start > most:
            order[start:stop] = _along_widest_axis(places, order[start:stop])
            pieces = _pieces(start, stop, most)
            queries += [piece for piece, _ in pieces]
            spans += [np.array([window]) for _, window in pieces]
            continue
        total = np.cumsum(sizes[near])
        n_probed = max(n_probe, int(np.searchsorted(total, least)) + 1)
        probed, before = near[:n_probed], total[:n_probed] - sizes[near[:n_probed]]
        probed, before = probed[before < most], before[before < most]
        taken = np.minimum(sizes[probed], most - before)
        queries.append((start, stop))
        spans.append(np.stack([starts[probed], starts[probed] + taken], axis=1))
    bounds = np.append(0, np.cumsum([len(span) for span in spans]))
    return Blocks(
        order.astype(np.int32), np.array(queries, dtype=np.int64), bounds, np.concatenate(spans)
    )


def _buckets_by_distance(
    centres: NDArray[np.float32], used: NDArray[np.int64]
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield each used bucket with all of them by (distance of centres, number), itself first."""
    from atlash.graph._tiles import all_distances, padded, tiled  # numba: imported when needed

    wide = padded(centres[used])
    tiles = tiled(wide)
    step = max(1, DISTANCES_AT_ONCE // len(used))
    numbers = np.arange(len(used), dtype=np.int64)
    for first in range(0, len(used), step):
        some = numbers[first : first + step]
        squared = np.empty((len(some), len(used)), dtype=np.float32)
        all_distances(wide[some], tiles, squared)
        keys = squared.view(np.int32).astype(np.int64) << 32 | numbers
        keys[np.arange(len(some)), some] = -1  # another centre may be at the same place
        keys.sort(axis=1)
        near = keys & (2**32 - 1)
        near[:, 0] = some
        for number, row in zip(some, near, strict=True):
            yield int(used[number]), used[row]


def _along_widest_axis(places: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return rows in order of the axis along which their places reach farthest."""
    own = places[rows]
    axis = int(np.argmax(own.max(axis=0) - own.min(axis=0)))
    ordered: NDArray[np.int64] = rows[np.argsort(own[:, axis], kind="stable")]
    return ordered


def _pieces(start: int, stop: int, most: int) -> list[tuple[Span, Span]]:
    """Cut a span in pieces of at most ``most / 2``, each with a window of ``most`` about it."""
    length = max(1, most // 2)
    pieces = []
    for first in range(start, stop, length):
        last = min(first + length, stop)
        left = min(max(start, first - (most - length) // 2), stop - most)
        pieces.append(((first, last), (left, left + most)))
    return pieces
