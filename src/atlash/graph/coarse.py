"""The graph of buckets: weights between cells, summed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from atlash.graph.edges import is_symmetric
from atlash.graph.work import check_at_least, check_buckets

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from scipy.sparse import csr_array

STEPS = 2**20
"""Steps of a weight of 1: sums of whole steps do not depend on the order of the cells."""
MOST = 2**10
"""Greatest weight; 2**33 of them add up without overflow."""


def bucket_graph(weights: csr_array, bucket: ArrayLike, n_buckets: int) -> csr_array:
    """Sum the weights between the cells of each two buckets.

    Weights are rounded to steps of 2**-20 and summed as whole numbers, so that cells in another
    order give the same graph, to the last bit.

    Parameters
    ----------
    weights
        Symmetric weights of pairs of cells ``(N, N)``, CSR, in ``[0, 1024]``.
    bucket
        Bucket of each cell ``(N,)``, whole numbers in ``[0, n_buckets)``.
    n_buckets
        Number of buckets, at least 1.

    Returns
    -------
    Symmetric weights ``(n_buckets, n_buckets)``, float64, columns ascending, zeros left out. The
    diagonal holds what is inside a bucket, each pair counted from both its ends, so that the sum
    of a row is the sum of its cells' rows.

    Raises
    ------
    ValueError
        If shapes do not fit, weights are out of range, or the weights are not symmetric.
    """
    from scipy.sparse import csr_array

    from atlash.graph._coarse import (  # numba: imported when needed
        Links,
        Members,
        add_weights,
        count_buckets,
    )

    check_at_least("n_buckets", n_buckets, 1)
    _check_weights(weights)
    own = check_buckets(bucket, weights.shape[0], n_buckets)
    cells = np.argsort(own, kind="stable")
    bounds = np.append(0, np.cumsum(np.bincount(own, minlength=n_buckets)))
    links = Links(weights.indptr, weights.indices, weights.data)
    members = Members(own, cells, bounds)
    counts = np.empty(n_buckets, dtype=np.int64)
    count_buckets(links, members, counts)
    starts = np.append(0, np.cumsum(counts))
    columns = np.empty(starts[-1], dtype=np.int32)
    sums = np.empty(starts[-1], dtype=np.int64)
    add_weights(links, members, float(STEPS), starts, columns, sums)
    graph: csr_array = csr_array((sums / STEPS, columns, starts), shape=(n_buckets, n_buckets))
    graph.eliminate_zeros()
    if not is_symmetric(graph):
        msg = (
            "The weights of cells are not symmetric, as the sums between buckets show; give each "
            "pair from both its ends, for example `weights.maximum(weights.T)`."
        )
        raise ValueError(msg)
    return graph


def _check_weights(weights: csr_array) -> None:
    """Refuse what is no square CSR matrix of weights in range."""
    if getattr(weights, "format", None) != "csr" or weights.shape[0] != weights.shape[1]:
        found = getattr(weights, "format", type(weights).__name__)
        msg = (
            "Weights must be a square sparse array of format csr; found "
            f"{found} of shape {getattr(weights, 'shape', None)}."
        )
        raise ValueError(msg)
    data = weights.data
    if data.size and not (data.min() >= 0 and data.max() <= MOST):
        msg = f"Weights must lie in [0, {MOST}]; found {data.min()} to {data.max()}."
        raise ValueError(msg)
