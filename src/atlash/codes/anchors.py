"""One binary anchor per cell type, mutually far apart.

Up to ``2 K`` types in ``K`` bits are rows of ``[H; -H]``, ``H`` a Hadamard matrix of order
``K``: pairwise distances are ``K / 2`` (or ``K`` for a row and its opposite). Few types get
balanced splits, which are further apart still. Beyond ``2 K`` types, or where no Hadamard
matrix is at hand, anchors are words of dual BCH codes, whose least distance is measured.
Predefined anchors follow scDeepHash (bioRxiv 10.1101/2021.11.08.467820).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, cycle, islice

import numpy as np
from numpy.typing import NDArray

from atlash.codes.bch import dual_bch_words, n_dual_bch_words
from atlash.codes.hadamard import hadamard

Signs = NDArray[np.int8]
Construction = Callable[[int, int, np.random.Generator], Signs]

MAX_SPLIT_TYPES = 8
"""Up to here all balanced splits of the types are few enough to be cycled through."""
N_TRIES = 256
MAX_SEARCHED_TYPES = 128
"""Beyond this many types one draw is kept: measuring is quadratic and draws differ little."""


@dataclass(frozen=True)
class AnchorReport:
    """What was measured on a set of anchors.

    Attributes
    ----------
    n_types, n_bits
        Shape of the set.
    min_distance
        Least Hamming distance between two anchors, in bits; ``n_bits`` for one anchor.
    n_dead
        Bits that are alike in all anchors.
    n_duplicate
        Bits that repeat an earlier bit or its opposite.
    max_imbalance
        Greatest share by which the ones of a bit depart from half the types, in [0, 0.5].
    construction
        ``"splits"``, ``"hadamard"`` or ``"bch"``.
    """

    n_types: int
    n_bits: int
    min_distance: int
    n_dead: int
    n_duplicate: int
    max_imbalance: float
    construction: str


def choose_n_bits(n_types: int) -> int:
    """Return the least of 64, 128 and 256 bits whose Hadamard rows suffice, or 256."""
    return next((n_bits for n_bits in (64, 128) if n_types <= 2 * n_bits), 256)


def make_anchors(
    n_types: int, n_bits: int, *, random_state: int = 0
) -> tuple[Signs, AnchorReport]:
    """Return ``n_types`` anchors of ``n_bits`` bits, far apart, without dead bits.

    Parameters
    ----------
    n_types
        Number of cell types, at least 2.
    n_bits
        Code length, a multiple of 8.
    random_state
        Seed; the same seed gives the same anchors.

    Returns
    -------
    Anchors ``(n_types, n_bits)``, int8, entries -1 or +1, and what was measured on them.

    Raises
    ------
    ValueError
        If the lengths are impossible: fewer than 2 types, bits that are no multiple of 8, or
        more types than ``n_bits`` can hold.
    """
    _check(n_types, n_bits)
    rng = np.random.default_rng(random_state)
    best: tuple[Signs, AnchorReport] | None = None
    for construction, draw in _constructions(n_types, n_bits).items():
        for _ in range(N_TRIES if n_types <= MAX_SEARCHED_TYPES else 1):
            anchors = draw(n_types, n_bits, rng)
            report = measure_anchors(anchors, construction=construction)
            if best is None or _rank(report) < _rank(best[1]):
                best = anchors, report
    assert best is not None  # there is always a construction
    return best


def measure_anchors(anchors: Signs, *, construction: str = "given") -> AnchorReport:
    """Measure distances and bits of anchors ``(n_types, n_bits)`` of -1 and +1."""
    n_types, n_bits = anchors.shape
    inner = anchors.astype(np.float32) @ anchors.T.astype(np.float32)
    np.fill_diagonal(inner, -n_bits)
    columns = anchors * anchors[0]  # a bit and its opposite look alike
    n_dead = int((columns == columns[0]).all(axis=0).sum())
    return AnchorReport(
        n_types=n_types,
        n_bits=n_bits,
        min_distance=int(round(n_bits - float(inner.max())) // 2),
        n_dead=n_dead,
        n_duplicate=n_bits - len(np.unique(columns, axis=1).T),
        max_imbalance=float(np.abs(anchors.mean(axis=0, dtype=np.float64)).max() / 2),
        construction=construction,
    )


def _check(n_types: int, n_bits: int) -> None:
    if n_bits < 8 or n_bits % 8:
        msg = f"Codes of {n_bits} bits are not possible: give a multiple of 8, such as 64."
        raise ValueError(msg)
    if n_types < 2:
        msg = f"Anchors tell types apart, so at least 2 types are needed; found {n_types}."
        raise ValueError(msg)
    if hadamard(n_bits) is None or n_types > 2 * n_bits:
        most = n_dual_bch_words(n_bits)
        if n_types > most:
            msg = (
                f"{n_bits} bits hold at most {most:,} anchors, and there are {n_types:,} types. "
                f"Give more bits, for example n_bits={max(256, 2 * n_bits)}."
            )
            raise ValueError(msg)


def _rank(report: AnchorReport) -> tuple[float, ...]:
    return report.n_dead, -report.min_distance, report.max_imbalance, report.n_duplicate


def _constructions(n_types: int, n_bits: int) -> dict[str, Construction]:
    """Return the constructions that can hold the types, best first."""
    found: dict[str, Construction] = {}
    if n_types <= MAX_SPLIT_TYPES:
        found["splits"] = _balanced_splits
    if n_types <= 2 * n_bits and hadamard(n_bits) is not None:
        found["hadamard"] = _hadamard_rows
    return found or {"bch": dual_bch_words}


def _balanced_splits(n_types: int, n_bits: int, rng: np.random.Generator) -> Signs:
    """Cycle through all ways to split the types in halves, one bit a split.

    Two types are parted by more than half of all such splits, so few types are further
    apart than rows of a Hadamard matrix, and no bit is dead.
    """
    halves = np.array(list(combinations(range(n_types), n_types // 2)))
    order = rng.permutation(len(halves))
    anchors = np.full((n_types, n_bits), -1, dtype=np.int8)
    for bit, half in enumerate(islice(cycle(order), n_bits)):
        anchors[halves[half], bit] = 1
    return anchors


def _hadamard_rows(n_types: int, n_bits: int, rng: np.random.Generator) -> Signs:
    """Draw rows of ``[H; -H]`` with random column signs; opposites only when rows run out."""
    matrix = hadamard(n_bits)
    assert matrix is not None  # the caller looked
    rows = rng.permutation(n_bits)
    signs = rng.choice(np.array([-1, 1], dtype=np.int8), size=n_bits)
    drawn = np.concatenate([signs[:, None] * matrix[rows], -signs[:, None] * matrix[rows]])
    flips = rng.choice(np.array([-1, 1], dtype=np.int8), size=n_bits)
    return np.ascontiguousarray(drawn[:n_types] * flips, dtype=np.int8)
