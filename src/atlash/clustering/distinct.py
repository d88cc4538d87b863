"""Clusters that do not differ enough on held-out counts become one.

Stability alone divides real cells too finely: a gradient is cut in two as reproducibly as two
types are told apart. So two clusters are compared on the two halves of their counts, which share
no noise. They are *distinct* if a line between them calls both halves of a cell alike: Cohen's
kappa (1960) of the two calls. They are *far* if the squared distance of their middles, which the
product of the halves gives without the bias of noise, is a large enough part of all the variance
that halves share. Clusters that are neither are joined, the closest first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Halves = tuple["NDArray[np.float64]", "NDArray[np.float64]"]

MIN_TO_TEST = 3
"""Cells that each group needs for a test."""
ROUNDING = 1e-9
"""Spread, relative to the greatest value, that is rounding."""
RIDGE = 0.1
"""Share of its mean variance that is added to each axis of the spread within clusters."""


@dataclass(frozen=True)
class Evidence:
    """Cells by which clusters are compared.

    Attributes
    ----------
    rows
        Where they stand in the source ``(n,)``.
    places
        ``(n, n_axes)``, float64.
    halves
        Places of both halves of their counts, a pair for each split, ``(n, n_axes)`` each.
    variance
        Variance that the halves of a cell share, summed over axes: the yardstick of distance.
        Where they share none, all clusters count as near.
    """

    rows: NDArray[np.int64]
    places: NDArray[np.float64]
    halves: Sequence[Halves]
    variance: float


@dataclass(frozen=True)
class Join:
    """One step of joining.

    Attributes
    ----------
    kept, joined
        The lower and the higher number of the two clusters; the former stays.
    agreement
        Cohen's kappa of the two halves' calls, at most 1.
    distance
        Squared distance of the middles over the shared variance; about 0 for equal clusters.
    p_value
        That the two groups into which one half divides the cells are equal in the other half
        (Welch's test on the line; twice the median over splits, Meinshausen et al., 2009). A
        small one tells a difference, not a large one.
    """

    kept: int
    joined: int
    agreement: float
    distance: float
    p_value: float


def shared_variance(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the variance that two halves ``(n, n_axes)`` of the same cells share."""
    a, b = first - first.mean(axis=0), second - second.mean(axis=0)
    return float((a * b).sum() / len(a))


def join_clusters(
    evidence: Evidence,
    labels: NDArray[np.int32],
    *,
    least_agreement: float,
    least_distance: float,
    n_clusters: int | None = None,
) -> tuple[NDArray[np.int32], list[Join]]:
    """Join clusters that are neither distinct nor far.

    Parameters
    ----------
    evidence
        The cells.
    labels
        Cluster of each ``(n,)``, int32, at least 0.
    least_agreement
        Kappa from which clusters are distinct.
    least_distance
        Distance from which clusters are far, in units of the shared variance.
    n_clusters
        Go on joining the closest two until so many are left, whatever the evidence.

    Returns
    -------
    Number of the cluster that each old one belongs to ``(labels.max() + 1,)``, and the steps.
    """
    of_cluster = np.arange(labels.max(initial=-1) + 1, dtype=np.int32)
    members = {int(k): np.flatnonzero(labels == k) for k in np.unique(labels)}
    middles = {k: _middles(evidence, rows) for k, rows in members.items()}
    known: dict[tuple[int, int], tuple[float, float]] = {}
    steps: list[Join] = []
    while len(members) > 1:
        step = _next(evidence, members, middles, known, (least_agreement, least_distance))
        if n_clusters is not None:
            step = None if len(members) <= n_clusters else _closest(evidence, members, middles)
        if step is None:
            break
        kept, joined = step.kept, step.joined
        members[kept] = np.union1d(members[kept], members.pop(joined))
        middles[kept] = _middles(evidence, members[kept])
        del middles[joined]
        known = {pair: value for pair, value in known.items() if kept not in pair}
        of_cluster[of_cluster == joined] = kept
        steps.append(step)
    return of_cluster, steps


def compare(
    evidence: Evidence, first: NDArray[np.int64], second: NDArray[np.int64]
) -> tuple[float, float]:
    """Return Cohen's kappa of the calls of two halves over two clusters' rows, and a p-value.

    The line is Fisher's, from whole cells; where it divides the halves is the middle between
    their means, moved towards the smaller cluster as equal normal distributions ask. The p-value
    is that of :class:`Join`.
    """
    direction = _fisher(evidence.places[first], evidence.places[second])
    kappas, p_values = [], []
    for pair in evidence.halves:
        on_line = [(half[first] @ direction, half[second] @ direction) for half in pair]
        calls = [_calls(*groups) for groups in on_line]
        kappas.append(kappa_of(*calls))
        p_values.append(p_value_of(np.concatenate(on_line[1]), calls[0]))
    return float(np.mean(kappas)), min(1.0, 2 * float(np.median(p_values)))


def _next(
    evidence: Evidence,
    members: dict[int, NDArray[np.int64]],
    middles: dict[int, NDArray[np.float64]],
    known: dict[tuple[int, int], tuple[float, float]],
    least: tuple[float, float],
) -> Join | None:
    """Return the closest two clusters that are neither distinct nor far."""
    for distance, a, b in _by_distance(evidence, middles):
        if distance >= least[1]:
            break
        if (a, b) not in known:
            known[a, b] = compare(evidence, members[a], members[b])
        kappa, p_value = known[a, b]
        if kappa < least[0]:
            return Join(a, b, kappa, distance, p_value)
    return None


def _closest(
    evidence: Evidence,
    members: dict[int, NDArray[np.int64]],
    middles: dict[int, NDArray[np.float64]],
) -> Join:
    """Return the two clusters whose joining adds least spread, as Ward (1963) joins."""

    def cost(found: tuple[float, int, int]) -> float:
        distance, a, b = found
        n, m = len(members[a]), len(members[b])
        return distance * n * m / (n + m)

    distance, a, b = min(_by_distance(evidence, middles), key=cost)
    kappa, p_value = compare(evidence, members[a], members[b])
    return Join(a, b, kappa, distance, p_value)


def _by_distance(
    evidence: Evidence, middles: dict[int, NDArray[np.float64]]
) -> list[tuple[float, int, int]]:
    """Return the distance of each two clusters, and their numbers, the closest first."""
    numbers = sorted(middles)
    stacked = np.stack([middles[k] for k in numbers])  # cluster, split, half, axis
    step = stacked[:, None] - stacked[None]
    distance = (step[..., 0, :] * step[..., 1, :]).sum(axis=-1).mean(axis=-1)
    distance /= evidence.variance if evidence.variance > 0 else np.inf
    lower, upper = np.triu_indices(len(numbers), 1)
    found = zip(distance[lower, upper].tolist(), lower.tolist(), upper.tolist(), strict=True)
    return sorted((value, numbers[a], numbers[b]) for value, a, b in found)


def _middles(evidence: Evidence, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean of both halves in each split ``(n_splits, 2, n_axes)``."""
    return np.array([[half[rows].mean(axis=0) for half in pair] for pair in evidence.halves])


def _fisher(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the direction that tells two groups apart best, ``(n_axes,)``."""
    step = second.mean(axis=0) - first.mean(axis=0)
    a, b = first - first.mean(axis=0), second - second.mean(axis=0)
    within = (a.T @ a + b.T @ b) / (len(a) + len(b))
    ridge = RIDGE * np.trace(within) / len(within)
    if ridge > 0:
        step = np.linalg.solve(within + ridge * np.eye(len(within)), step)
    return np.asarray(step)


def _calls(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which cells, along a direction, lie on the side of the second group."""
    n, m = len(first), len(second)
    step = second.mean() - first.mean()
    variance = (first.var() * n + second.var() * m) / (n + m)
    border = (first.mean() + second.mean()) / 2
    if step > 0:
        border += variance * np.log(n / m) / step
    return np.asarray(np.concatenate([first, second]) > border)


def p_value_of(values: NDArray[np.float64], second: NDArray[np.bool_]) -> float:
    """Return the p-value of Welch's test of two groups of values; 1 where one is too small."""
    from scipy.stats import ttest_ind_from_stats

    groups = values[second], values[~second]
    if min(len(group) for group in groups) < MIN_TO_TEST:
        return 1.0
    spread = [group.std(ddof=1) for group in groups]
    if max(spread) <= ROUNDING * np.abs(values).max():  # nothing but copies of two cells
        return float(np.ptp(values) <= ROUNDING * np.abs(values).max())
    told = [(group.mean(), s, len(group)) for group, s in zip(groups, spread, strict=True)]
    return float(ttest_ind_from_stats(*told[0], *told[1], equal_var=False).pvalue)


def kappa_of(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Return Cohen's kappa of two calls; 0 where chance alone explains them."""
    p, q = first.mean(), second.mean()
    chance = p * q + (1 - p) * (1 - q)
    return float(((first == second).mean() - chance) / (1 - chance)) if chance < 1 else 0.0
