"""Exact search that leaves out most codes: buckets around centres and the triangle inequality.

Each code belongs to its closest centre; inside a bucket codes are in order of their distance to
it. A query at distance ``d`` from a centre is at least ``|d - r|`` from every code at distance
``r``, so that whole buckets, and bands of the others, cannot hold a near code. Answers are those
of :func:`atlash.codes.scan.nearest`, ties included. How much is left out depends on the codes:
where they form clusters nearly all, where they are random nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from atlash.codes.centres import closest_centre, learn_centres
from atlash.codes.planes import check_codes, check_planes, empty_planes, make_planes
from atlash.codes.question import ask, check_weights, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from atlash.codes.planes import Planes
    from atlash.codes.question import Path

Method = Literal["flat", "pruned"]

MAX_CODES = 2**32 - 1
MAX_CENTRES = 1024
ROW_BITS = 40
N_TRIED = 32
"""Codes that are looked for when buckets are made, to learn what share is scanned."""
K_TRIED = 10
LONE_NS, BATCH_NS, PRUNED_NS, CENTRE_NS = 0.35, 0.12, 0.7, 15.0


@dataclass(frozen=True)
class Buckets:
    """Codes in order of bucket and distance to its centre.

    Attributes
    ----------
    planes
        Codes in the new order, ``(n_words, n)`` uint64.
    rows
        Their rows in the old order, ``(n,)`` uint32.
    centres
        Packed codes ``(n_centres, n_bytes)``, uint8.
    bounds
        Place of the first code at each distance from each centre or beyond, ``(n_centres,
        most + 2)`` int64, ``most`` the greatest distance; the last column is the bucket's end.
    part_weights
        Weights of the words in the distances to centres.
    expected
        Share of the codes that a query was compared with, for ten neighbours of 32 codes.
    """

    planes: Planes
    rows: NDArray[np.uint32]
    centres: NDArray[np.uint8]
    bounds: NDArray[np.int64]
    part_weights: tuple[int, ...]
    expected: float = 1.0


class Pruned(NamedTuple):
    """Codes nearest to each query, and what was compared to find them.

    Attributes
    ----------
    distances, rows
        As in :class:`atlash.codes.scan.Nearest`.
    scanned
        Share of the codes that the query was compared with, ``(q,)`` float64 in [0, 1].
    """

    distances: NDArray[np.int32]
    rows: NDArray[np.int64]
    scanned: NDArray[np.float64]


def make_buckets(
    planes: Planes,
    *,
    centres: NDArray[np.uint8] | None = None,
    n_centres: int | None = None,
    part_weights: Sequence[int] | None = None,
    random_state: int = 0,
    n_threads: int | None = None,
    _path: Path | None = None,
) -> Buckets:
    """Sort codes into buckets around centres.

    Parameters
    ----------
    planes
        Codes ``(n_words, n)``; they are copied into the new order.
    centres
        Packed codes ``(n_centres, n_bytes)``, uint8, such as anchors; ``None`` learns them from
        a sample.
    n_centres
        Centres to learn; ``None`` takes the root of the number of codes, at most 1,024.
    part_weights
        Weights of the words in distances to centres. A search with the same weights prunes
        best, and one with others is exact too. ``(1, 0)`` buckets 128-bit codes by their first
        word, which is what anchors of 64 bits, padded with zeros, are for.
    random_state
        Seed of the sample and of the first centres.
    n_threads
        Threads; ``None`` takes as many as the work is worth.
    _path
        For tests: the kernels to use.

    Returns
    -------
    Buckets, the same on any number of threads.

    Raises
    ------
    ValueError
        If planes, centres and weights do not fit, or there are too many codes or no centre.
    """
    from atlash.codes._buckets import sort_rows  # numba: imported when needed

    check_planes(planes)
    n = planes.shape[1]
    weights = check_weights(part_weights, len(planes))
    if centres is None:
        wanted = min(MAX_CENTRES, round(n**0.5)) if n_centres is None else n_centres
        centres = learn_centres(planes, wanted, weights, random_state=random_state)
    check_codes(centres, planes)
    if n > MAX_CODES or not len(centres):
        msg = f"Buckets need 1 centre and hold at most {MAX_CODES:,} codes; found {n:,} codes "
        raise ValueError(msg + f"and {len(centres):,} centres.")
    keys = closest_centre(planes, centres, part_weights=weights, n_threads=n_threads, _path=_path)
    bounds = np.zeros((len(centres), 64 * sum(weights) + 2), dtype=np.int64)
    rows = np.empty(n, dtype=np.uint32)
    sort_rows(keys, bounds, rows)
    ordered = empty_planes(n, 8 * len(planes))
    for source, target in zip(planes, ordered, strict=True):
        np.take(source, rows, out=target)
    made = Buckets(ordered, rows, centres, bounds, weights)
    return _tried(made, random_state)


def _tried(buckets: Buckets, random_state: int) -> Buckets:
    """Add the share of codes that is expected to be scanned."""
    n = len(buckets.rows)
    rng = np.random.default_rng(random_state)
    chosen = np.sort(rng.choice(n, size=min(n, N_TRIED), replace=False))
    queries = np.ascontiguousarray(buckets.planes[:, chosen].T).astype("<u8").view(np.uint8)
    scanned = nearest(queries, buckets, K_TRIED, part_weights=buckets.part_weights).scanned
    expected = float(scanned.mean()) if len(scanned) else 1.0
    return replace(buckets, expected=expected)


def nearest(
    queries: NDArray[np.uint8],
    buckets: Buckets,
    k: int,
    *,
    part_weights: Sequence[int] | None = None,
    n_threads: int | None = None,
    _path: Path | None = None,
) -> Pruned:
    """Find the k nearest codes of each query, exactly; ties go to the lower row.

    Parameters, errors, distances and rows are those of :func:`atlash.codes.scan.nearest`;
    ``rows`` count the codes in the order in which they were given to :func:`make_buckets`.
    """
    return _search(queries, buckets, k, (part_weights, n_threads, _path), walk=False)


def anchor_walk(
    queries: NDArray[np.uint8],
    buckets: Buckets,
    k: int,
    *,
    part_weights: Sequence[int] | None = None,
    n_threads: int | None = None,
    _path: Path | None = None,
) -> Pruned:
    """Find k near codes of each query, approximately: codes in buckets not visited are missed.

    The bucket of the closest centre is ranked whole; while fewer than k codes have been seen,
    the next closest follows. This is the search of scDeepHash (bioRxiv
    10.1101/2021.11.08.467820), kept for comparison. Parameters and results are those of
    :func:`nearest`, which is exact.
    """
    return _search(queries, buckets, k, (part_weights, n_threads, _path), walk=True)


def _search(
    queries: NDArray[np.uint8],
    buckets: Buckets,
    k: int,
    how: tuple[Sequence[int] | None, int | None, Path | None],
    *,
    walk: bool,
) -> Pruned:
    from atlash.codes._buckets import Shelves, search_buckets  # numba: imported when needed

    if k < 1:
        msg = f"At least one neighbour must be asked for; found k={k}."
        raise ValueError(msg)
    part_weights, n_threads, path = how
    question = ask(
        queries, buckets.planes, part_weights=part_weights, n_threads=n_threads, path=path
    )
    centres = make_planes(buckets.centres)
    weights = check_weights(part_weights, len(centres))
    start, step = centres.ctypes.data, 8 * centres.shape[1]
    shelves = Shelves(
        question.addresses,
        buckets.rows,
        tuple(start + step * word for word in range(len(centres))),
        buckets.part_weights,
        buckets.bounds,
    )
    ratio = _ratio(weights, buckets.part_weights)
    n = len(buckets.rows)
    keys = np.empty((len(queries), min(k, n)), dtype=np.int64)
    n_scanned = np.zeros(len(queries), dtype=np.int64)

    def search(part: tuple[int, int]) -> None:
        asked, found, scanned = (each[slice(*part)] for each in (question.words, keys, n_scanned))
        search_buckets(
            shelves, question.weights, asked.ctypes.data, ratio, walk, question.vector,
            found, scanned,
        )  # fmt: skip

    if n:
        parts = spread(len(queries), question.n_threads)
        question.run([partial(search, part) for part in parts])
    shape = (len(queries), k)
    answer = Pruned(
        np.full(shape, -1, np.int32), np.full(shape, -1, np.int64), n_scanned / max(n, 1)
    )
    seen = keys < 1 << 62
    answer.distances[:, : keys.shape[1]] = np.where(seen, keys >> ROW_BITS, -1)
    answer.rows[:, : keys.shape[1]] = np.where(seen, keys & ((1 << ROW_BITS) - 1), -1)
    return answer


def _ratio(weights: Sequence[int], centre_weights: Sequence[int]) -> tuple[int, int]:
    """Least factor, as a fraction, by which a distance exceeds that in the centres' weights."""
    factors = [
        Fraction(asked, made) for asked, made in zip(weights, centre_weights, strict=True) if made
    ]
    return min(factors).as_integer_ratio()


def choose_method(
    n_codes: int, n_queries: int, *, n_centres: int = 0, expected: float | None = None
) -> Method:
    """Choose between the flat scan and buckets, by the time that each was measured to take.

    Parameters
    ----------
    n_codes, n_queries
        Size of the search.
    n_centres, expected
        Of the buckets that are at hand; ``expected=None`` where there are none.

    Returns
    -------
    ``"flat"`` or ``"pruned"``.

    Notes
    -----
    Nanoseconds a query and code of 128 bits on one core: 0.35 where a lone query waits for
    memory, 0.12 in a batch that shares what is loaded, 0.7 for codes in buckets, which are
    scanned one query at a time, and 15 for a centre. Without buckets the answer is flat: making
    them takes as long as some thousand flat queries of a batch.
    """
    if expected is None:
        return "flat"
    each = BATCH_NS if n_queries >= 4 else LONE_NS
    pruned = PRUNED_NS * expected * n_codes + CENTRE_NS * n_centres
    return "pruned" if pruned < each * n_codes else "flat"
