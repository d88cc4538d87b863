"""Random walks on a graph: the coordinates in which their distances are straight."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DENSE = 100
"""Nodes up to which all eigenvectors are computed: Lanczos needs many more than it returns."""
_LEAST_GAP = 1e-9
"""Parts of a graph that hang together by less than this are as good as unlinked."""


def density_normalised(weights: sp.csr_array) -> sp.csr_array:
    """Divide each weight by the degrees of both nodes, so that density does not matter.

    Parameters
    ----------
    weights
        Weights of the edges ``(n, n)``, at least 0; made symmetric.

    Returns
    -------
    ``W_ij / (d_i d_j)``, CSR float64, symmetric: the kernel of Coifman and Lafon (2006) with
    ``alpha = 1``. A node without edges has an empty row.
    """
    symmetric = sp.csr_array((weights + weights.T) / 2)
    inverse = _inverse(np.asarray(symmetric.sum(axis=1), dtype=np.float64))
    return sp.csr_array(inverse @ symmetric @ inverse)


def lumped(kernel: sp.csr_array, groups: NDArray[np.int32]) -> sp.csr_array:
    """Sum a kernel over groups of nodes: that of the walk seen by groups alone.

    Parameters
    ----------
    kernel
        Symmetric, CSR ``(n, n)``.
    groups
        Group of each node ``(n,)``, from 0 without gaps.

    Returns
    -------
    CSR ``(n_groups, n_groups)``, with what stays inside a group on the diagonal.
    """
    n = groups.size
    member = sp.csr_array((np.ones(n), groups, np.arange(n + 1)), (n, int(groups.max()) + 1))
    return sp.csr_array(member.T @ kernel @ member)


def linked_nodes(kernel: sp.csr_array, nodes: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Mark the connected part that holds most of ``nodes`` (the first of equals), ``(n,)``."""
    _, part = connected_components(kernel, directed=False)
    return np.asarray(part == np.bincount(part[nodes]).argmax())


def diffusion_space(
    kernel: sp.csr_array, sizes: NDArray[np.integer], n_components: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return coordinates in which Euclidean distance is diffusion pseudotime.

    Parameters
    ----------
    kernel
        Symmetric, connected, CSR ``(n, n)``.
    sizes
        Cells of each node ``(n,)``, at least 1.
    n_components
        Eigenvectors, the stationary one among them; at most ``n`` are used.

    Returns
    -------
    space
        ``(n, k - 1)`` float64 for the ``k`` eigenvectors used.
    eigenvalues
        Of these coordinates, descending, ``(k - 1,)``.

    Notes
    -----
    With row sums ``z`` the walk is ``T = z^-1/2 K z^-1/2`` with eigenvalues ``1 = l_0 > l_1 >=
    ...`` and eigenvectors ``v``. Walks of all lengths add up to ``sum(T^t) = sum(l / (1 - l) v
    v')`` without the stationary ``v_0``, and the distance of two nodes is that of their rows,
    ``sqrt(sum((l / (1 - l))^2 (v_i - v_j)^2))``: Haghverdi et al. (2016), equations 3 to 5, cut
    to the first eigenvectors as in scanpy. A group of ``s`` cells has ``sqrt(s)`` times the
    entry of one of them, so entries are divided by that; groups of one cell give the cells' own
    space.
    """
    n = kernel.shape[0]
    inverse = _inverse(np.sqrt(kernel.sum(axis=1)))
    walk = inverse @ kernel @ inverse
    values, vectors = _largest_eigenpairs(sp.csr_array(walk), min(n_components, n))
    values, vectors = values[1:], vectors[:, 1:]
    stretch = values / np.maximum(1 - values, _LEAST_GAP)
    return vectors * stretch / np.sqrt(sizes)[:, None], values


def _largest_eigenpairs(
    matrix: sp.csr_array, n_pairs: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return eigenvalues, descending, and eigenvectors; the same at each call."""
    from scipy.linalg import eigh
    from scipy.sparse.linalg import eigsh

    n = matrix.shape[0]
    if n <= max(_DENSE, 2 * n_pairs):
        values, vectors = eigh(matrix.toarray())
    else:
        start = np.random.default_rng(0).standard_normal(n)
        values, vectors = eigsh(matrix, k=n_pairs, which="LA", v0=start)
    order = np.argsort(-values, kind="stable")[:n_pairs]
    return values[order], vectors[:, order]


def _inverse(values: NDArray[np.float64]) -> sp.dia_array:
    """Return a diagonal matrix of inverses, 0 for 0."""
    inverse = np.divide(1.0, values, out=np.zeros_like(values), where=values > 0)
    return sp.dia_array((inverse[None], [0]), shape=(values.size, values.size))
