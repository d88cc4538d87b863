"""What batches add to places, estimated from the sums of their cells over soft clusters.

Sums are of the cells of each batch in each cluster: ``mass (n_batches, K)`` their number, ``sums
(n_batches, K, d)`` their places, ``squares (n_batches, K)`` their squared lengths; ``sizes
(n_batches,)`` are the cells of each batch in all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]

TINY = 1e-12


@dataclass(frozen=True)
class BatchConfig:
    """How batches are brought together; chosen on simulated batches, not on real ones.

    Parameters
    ----------
    n_clusters
        Soft clusters, at most one for each 30 cells of a batch of mean size.
    sigma
        Width of a soft cluster in the last rounds, in squared distance of directions.
    first_sigma
        Width in the first round; it halves from round to round.
    theta
        How strongly a batch is held off clusters that it fills too much; 0 not at all.
    ridge
        Least weight of the prior of an offset, in cells.
    caution
        The weight is so many times the noise of a round, the variance of cells over that of
        offsets as its clusters show them, and ``theta`` is divided by as much and one. Once is
        right where cells of a cluster are all alike; more keeps types apart that batches hold
        unevenly within it, and mixes less.
    expected_ridge
        The same, as a share of the cells that the batch would have in the cluster were it mixed
        well: where it has far fewer, its few cells are not asked.
    mean_ridge
        Weight of the prior, no offset, of a batch's mean offset, in cells.
    n_rounds, n_steps
        Most rounds, and steps of k-means in each.
    tolerance
        Rounds end when cells move by less than this share of what they have moved in all.
    n_buckets
        Buckets whose means are learned from; up to so many cells, each stands for itself.
    """

    n_clusters: int = 50
    sigma: float = 0.2
    first_sigma: float = 3.2
    theta: float = 2.0
    ridge: float = 10.0
    caution: float = 1.0
    expected_ridge: float = 0.2
    mean_ridge: float = 50.0
    n_rounds: int = 10
    n_steps: int = 10
    tolerance: float = 0.03
    n_buckets: int = 2000


def noise_of(mass: Doubles, sums: Doubles, squares: Doubles) -> float:
    """Return the variance of cells over that of offsets, both estimated from the clusters.

    It is the weight, in cells, of the prior of an offset. Where the means of batches differ by no
    more than the chance of their cells lets them, there is no offset. By moments, as DerSimonian
    & Laird, Controlled Clinical Trials 1986, over all clusters together: within a cluster of
    ``N`` cells with variance ``s^2``, the sum over batches of ``n_b |m_b - m|^2`` is on average
    ``(B - 1) s^2 + t^2 (N - sum_b n_b^2 / N)`` where offsets have variance ``t^2``.
    """
    cells = mass.sum(axis=0)
    total = np.maximum(cells, TINY)
    means = sums / np.maximum(mass, TINY)[..., None]
    middle = sums.sum(axis=0) / total[:, None]
    within = (squares - mass * np.square(means).sum(axis=2)).sum()
    between = (mass * np.square(means - middle).sum(axis=2)).sum(axis=0)
    n_batches = np.minimum(mass, 1).sum(axis=0)
    variance = within / max(TINY, (cells - n_batches).sum())
    excess = (between - np.maximum(n_batches - 1, 0) * variance).sum()
    spread = excess / max(TINY, (cells - np.square(mass).sum(axis=0) / total).sum())
    return float(variance / max(spread, TINY * max(variance, TINY)))


def offsets_of(
    mass: Doubles, sums: Doubles, sizes: Doubles, *, ridge: float, config: BatchConfig
) -> Doubles:
    """Return the ridge estimate of each batch's offset in each cluster ``(n_batches, K, d)``.

    With cells ``n_b``, mean ``m_b`` and prior weight ``r_b`` of a batch, the level ``a`` and the
    offsets ``w_b`` that make ``sum_b n_b |m_b - a - w_b|^2 + r_b |w_b|^2`` least are
    ``w_b = n_b / (n_b + r_b) (m_b - a)`` with ``a`` the mean of ``m_b`` weighted by
    ``n_b r_b / (n_b + r_b)``. What is left of each offset is filled with the batch's mean one.
    """
    prior = ridge + config.expected_ridge * even_mass(mass, sizes)
    trust = mass / (mass + prior)
    means = sums / np.maximum(mass, TINY)[..., None]
    say = trust * prior
    level = (say[..., None] * means).sum(axis=0) / np.maximum(say.sum(axis=0), TINY)[:, None]
    own = trust[..., None] * (means - level)
    total = np.maximum((mass * trust).sum(axis=1), TINY)
    mean_offset = (mass[..., None] * own).sum(axis=1) / total[:, None]
    mean_offset *= (sizes / (sizes + config.mean_ridge))[:, None]
    return np.asarray(own + (1 - trust)[..., None] * mean_offset[:, None, :])


def even_mass(mass: Doubles, sizes: Doubles) -> Doubles:
    """Return the cells of each batch in each cluster, were batches mixed evenly."""
    even: Doubles = (sizes / sizes.sum())[:, None] * mass.sum(axis=0)
    return even
