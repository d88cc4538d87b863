"""Soft assignment of cells to clusters, and its refinement (deep embedded clustering).

After Xie, Girshick and Farhadi (ICML 2016): ``q_ij`` is Student's kernel of the distance of cell
``i`` to centre ``j``, normalised over the centres; the target ``p_ij`` is ``q_ij^2 / sum_i q_ij``,
normalised likewise; centres move so that ``KL(p || q)`` falls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from atlash.errors import EmptyInputError, InvalidValuesError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32] | NDArray[np.float64]


class Refined(NamedTuple):
    """Refined clusters.

    Attributes
    ----------
    centres
        ``(K, d)``, float64.
    scale
        Mean squared distance of cells to the centre of their cluster, by which the kernel's
        squared distances are divided; 1 if it is 0.
    divergence
        ``KL(p || q)`` in nats a cell, before each step.
    """

    centres: NDArray[np.float64]
    scale: float
    divergence: tuple[float, ...]


def soft_assignment(
    E: Floats, centres: NDArray[np.float64], *, scale: float = 1.0, freedom: float = 1.0
) -> NDArray[np.float64]:
    """Return the share of each centre in each cell.

    ``q_ij`` is proportional to ``(1 + d^2 / (freedom scale))^(-(freedom + 1) / 2)``. Each row
    comes from its own cell alone, in a fixed order of additions.

    Parameters
    ----------
    E
        Embedded cells ``(n, d)``.
    centres
        ``(K, d)``, at least one.
    scale
        Unit of squared distances, above 0.
    freedom
        Degrees of freedom, above 0: 1 is that of the paper; the more, the harder.

    Returns
    -------
    ``(n, K)``, float64, rows sum to 1.

    Raises
    ------
    EmptyInputError
        If there is no centre.
    """
    from atlash.clustering._soft import student_shares  # numba: imported when needed

    if len(centres) == 0:
        msg = "There are no centres to assign cells to; give at least one, for example a mean."
        raise EmptyInputError(msg)
    shares = np.empty((len(E), len(centres)), dtype=np.float64)
    middles = np.ascontiguousarray(centres, dtype=np.float64)
    student_shares(np.ascontiguousarray(E), middles, float(scale), float(freedom), shares)
    return shares


def target_of(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the target ``p`` ``(n, K)`` that sharpens ``q`` and evens out sizes."""
    mass = np.maximum(shares.sum(axis=0), np.finfo(np.float64).tiny)
    target = np.square(shares) / mass
    return np.asarray(target / target.sum(axis=1, keepdims=True))


def refine(
    E: Floats,
    labels: NDArray[np.integer],
    *,
    n_steps: int = 20,
    rate: float = 0.5,
    freedom: float = 1.0,
) -> Refined:
    """Move the centres of a partition so that cells are assigned more decidedly.

    Each step moves a centre by ``rate`` times the mean shift that the gradient of ``KL(p || q)``
    asks for. Steps end before one that would leave a cluster without a cell that is nearest to
    it. Sums are of float64, in the order of the cells.

    The target divides by the size of a cluster, so that small clusters grow at the cost of their
    neighbours. On simulated cells each step took clusters further from the true types; refinement
    is there for comparison and for data whose clusters are known to be of one size.

    Parameters
    ----------
    E
        Embedded cells ``(n, d)``.
    labels
        Cluster of each cell ``(n,)``, ``0`` to ``K - 1``, each at least once; negative ones are
        left out.
    n_steps
        Most steps; 0 gives the means.
    rate
        In (0, 1].
    freedom
        Degrees of freedom of the kernel; see :func:`soft_assignment`.

    Raises
    ------
    EmptyInputError
        If no cell has a cluster.
    InvalidValuesError
        If a cluster has no cell.
    """
    from atlash.clustering._soft import pull  # numba: imported when needed

    clustered = labels >= 0
    places = np.ascontiguousarray(E[clustered], dtype=np.float64)
    centres, scale = _means(places, labels[clustered])
    alive = _nearest(centres, places, scale, freedom)[1]
    move, weight = np.empty_like(centres), np.empty(len(centres))
    divergence = []
    for _ in range(n_steps if len(centres) > 1 else 0):
        shares = soft_assignment(places, centres, scale=scale, freedom=freedom)
        mass = shares.sum(axis=0)
        divergence.append(pull(places, centres, shares, mass, scale, freedom, move, weight))
        moved = centres + rate * move / np.maximum(weight, np.finfo(np.float64).tiny)[:, None]
        if (alive & ~_nearest(moved, places, scale, freedom)[1]).any():
            break
        centres = moved
    return Refined(centres, scale, tuple(divergence))


def _nearest(
    centres: NDArray[np.float64], places: NDArray[np.float64], scale: float, freedom: float
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return the nearest centre of each cell, and which centres are one."""
    shares = soft_assignment(places, centres, scale=scale, freedom=freedom)
    nearest = shares.argmax(axis=1)
    return nearest, np.bincount(nearest, minlength=len(centres)) > 0


def _means(
    places: NDArray[np.float64], labels: NDArray[np.integer]
) -> tuple[NDArray[np.float64], float]:
    """Return the mean of each cluster and the mean squared distance to them."""
    if len(places) == 0:
        msg = "No cell has a cluster, so that there is nothing to refine; give labels from 0 on."
        raise EmptyInputError(msg)
    sizes = np.bincount(labels)
    if (sizes == 0).any():
        msg = (
            f"Cluster {int((sizes == 0).argmax())} of {len(sizes)} has no cell. Number clusters "
            "from 0 on without gaps, for example with `np.unique(..., return_inverse=True)`."
        )
        raise InvalidValuesError(msg)
    sums = np.zeros((len(sizes), places.shape[1]))
    np.add.at(sums, labels, places)
    centres = sums / sizes[:, None]
    scale = float(np.square(places - centres[labels]).sum(axis=1).mean())
    return centres, scale or 1.0
