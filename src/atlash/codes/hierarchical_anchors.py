"""Anchors of sub types that lie nearer to their siblings than to all other types.

An anchor is the word of the parent followed by a word of the sub type. Siblings share the first
part. Their second parts are rows of a Hadamard matrix, apart in exactly half the places, under
a pattern of signs that all children of a parent share (a coset), or each type has a row of its
own. So siblings are apart by half the second part, and strangers by more: where a draw does not
give that, the parent's part grows; once it is the longer one it alone keeps strangers apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atlash.codes.anchors import (
    MAX_SEARCHED_TYPES,
    N_TRIES,
    AnchorReport,
    Signs,
    make_anchors,
    measure_anchors,
)
from atlash.codes.hadamard import hadamard

Parents = NDArray[np.int64]
CONSTRUCTION = "hierarchical"
STEP = 8
"""Bits by which the parent's part grows, and the least length of either part."""


@dataclass(frozen=True)
class FamilyReport:
    """Distances within and between families.

    Attributes
    ----------
    n_parents
        Number of parents.
    n_parent_bits
        Leading bits that are alike in all siblings of every family.
    max_sibling_distance
        Greatest Hamming distance between two types of one parent, in bits; 0 without siblings.
    min_stranger_distance
        Least Hamming distance between types of two parents, in bits.
    """

    n_parents: int
    n_parent_bits: int
    max_sibling_distance: int
    min_stranger_distance: int


def choose_hierarchical_n_bits(parents: Parents, share: float) -> int:
    """Return the least of 64, 128 and 256 bits that give each type a row of its own, or 256."""
    n_types = len(parents)
    return next((n for n in (64, 128) if n_types <= n - _parent_bits(n, share)), 256)


def make_hierarchical_anchors(
    parents: Parents, n_bits: int, *, share: float = 0.25, random_state: int = 0
) -> tuple[Signs, AnchorReport]:
    """Return an anchor for each type, nearer to those of its siblings than to all others.

    Parameters
    ----------
    parents
        Parent of each type ``(n_types,)``, from 0 up without gaps, at least 2 of them.
    n_bits
        Code length, a multiple of 8, at least 16; from 24 on there always is a solution that
        holds ``(n_bits - 8) / 2`` parents of up to 8 children, and usually many more.
    share
        Share of the bits that tell the parent, in (0, 1), rounded to 8 bits; more are taken
        where siblings would not be nearer.
    random_state
        Seed; the same seed gives the same anchors.

    Returns
    -------
    Anchors ``(n_types, n_bits)``, int8, entries -1 or +1, and what was measured on them. With
    ``p`` bits for the parent the least distance is ``(n_bits - p) / 2`` where there are
    siblings. Strangers are further apart than any two siblings, and no bit is dead.

    Raises
    ------
    ValueError
        If there are fewer than 2 parents, their numbers have gaps, or the bits do not suffice.
    """
    _check(parents, n_bits)
    rng = np.random.default_rng(random_state)
    for n_parent_bits in range(_parent_bits(n_bits, share), n_bits - STEP + 1, STEP):
        found = _best(parents, n_parent_bits, n_bits, rng)
        if found is not None:
            return found
    largest = int(np.bincount(parents).max())
    msg = (
        f"{n_bits} bits do not hold {len(parents):,} types of {parents.max() + 1:,} parents, of "
        f"which one has {largest:,}. Give more bits, for example n_bits={max(128, 2 * n_bits)}."
    )
    raise ValueError(msg)


def measure_family(anchors: Signs, parents: Parents) -> FamilyReport:
    """Measure distances of anchors ``(n_types, n_bits)`` within and between families."""
    siblings = parents[:, None] == parents
    distance = _distances(anchors)
    first = np.unique(parents, return_index=True)[1]
    alike = (anchors == anchors[first][np.unique(parents, return_inverse=True)[1]]).all(axis=0)
    return FamilyReport(
        n_parents=len(first),
        n_parent_bits=int(np.logical_and.accumulate(alike).sum()),
        max_sibling_distance=int(distance[siblings].max()),
        min_stranger_distance=int(distance[~siblings].min()),
    )


def _check(parents: Parents, n_bits: int) -> None:
    n_parents = len(np.unique(parents))
    if n_bits < 2 * STEP or n_bits % STEP:
        msg = (
            f"Codes of {n_bits} bits cannot hold parents and sub types: give a multiple of 8 "
            "from 16 on, such as 64."
        )
        raise ValueError(msg)
    if n_parents < 2:
        msg = f"A hierarchy tells parents apart, so at least 2 are needed; found {n_parents}."
        raise ValueError(msg)
    if parents.min() != 0 or parents.max() != n_parents - 1:
        msg = f"Parents are numbered from 0 to {n_parents - 1} without gaps; found {parents}."
        raise ValueError(msg)


def _parent_bits(n_bits: int, share: float) -> int:
    return int(np.clip(STEP * round(share * n_bits / STEP), STEP, n_bits - STEP))


def _best(
    parents: Parents, n_parent_bits: int, n_bits: int, rng: np.random.Generator
) -> tuple[Signs, AnchorReport] | None:
    """Return the best of many draws with so long a parent part; ``None`` if none will do."""
    n_sub_bits = n_bits - n_parent_bits
    rows = hadamard(n_sub_bits)
    if rows is None or np.bincount(parents).max() > n_sub_bits:
        return None
    try:
        of_parent, _ = make_anchors(
            int(parents.max()) + 1, n_parent_bits, random_state=int(rng.integers(2**32))
        )
    except ValueError:
        return None  # too many parents for so few bits
    draws = [_cosets] + [_own_rows] * (len(parents) <= n_sub_bits)
    best: tuple[Signs, AnchorReport] | None = None
    for draw in draws:
        for _ in range(N_TRIES if len(parents) <= MAX_SEARCHED_TYPES else 1):
            anchors = np.hstack([of_parent[parents], draw(parents, rows, rng)])
            report = measure_anchors(anchors, construction=CONSTRUCTION)
            if best is not None and _rank(report) >= _rank(best[1]):
                continue
            if report.n_dead == 0 and _is_ordered(anchors, parents):
                best = anchors, report
    return best


def _rank(report: AnchorReport) -> tuple[float, ...]:
    return -report.min_distance, report.max_imbalance, report.n_duplicate


def _is_ordered(anchors: Signs, parents: Parents) -> bool:
    siblings = parents[:, None] == parents
    distance = _distances(anchors)
    return bool(distance[siblings].max() < distance[~siblings].min())


def _distances(anchors: Signs) -> NDArray[np.int64]:
    """Return the Hamming distance of all pairs ``(n_types, n_types)``."""
    inner = anchors.astype(np.float32) @ anchors.T.astype(np.float32)
    return np.asarray((anchors.shape[1] - inner.astype(np.int64)) // 2)


def _cosets(parents: Parents, rows: Signs, rng: np.random.Generator) -> Signs:
    """Draw rows for the children of each parent, under signs that all of them share.

    Each parent's signs are set against the sum of those before. So no bit is dead: where the
    first family is of one sign, the next one either is not, or has the other sign.
    """
    words = np.empty((len(parents), len(rows)), dtype=np.int8)
    total = np.zeros(len(rows), dtype=np.int64)
    for parent in rng.permutation(int(parents.max()) + 1):
        children = np.flatnonzero(parents == parent)
        drawn = rows[rng.permutation(len(rows))[: len(children)]]
        sums = drawn.sum(axis=0, dtype=np.int64)
        chance = rng.choice(np.array([-1, 1]), size=len(rows))
        signs = np.where(total * sums == 0, chance, -np.sign(total * sums))
        words[children] = drawn * signs
        total += sums * signs
    return words


def _own_rows(parents: Parents, rows: Signs, rng: np.random.Generator) -> Signs:
    """Draw a row for each type: strangers' second parts are as far apart as siblings'."""
    flips = rng.choice(np.array([-1, 1], dtype=np.int8), size=len(rows))
    return np.asarray(rows[rng.permutation(len(rows))[: len(parents)]] * flips)
