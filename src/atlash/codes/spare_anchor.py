"""An anchor for a type that is registered after learning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.codes.anchors import Signs


def spare_anchor(bits: NDArray[np.bool_], anchors: Signs) -> Signs:
    """Return an anchor near the new type's codes and far from all other anchors.

    It starts from the bits that most of the cells have. While an anchor is nearer than a
    quarter of the bits, one bit is flipped on which the code agrees with the nearest anchors:
    the one that the cells are least sure of among those that leave the code furthest from all.

    Parameters
    ----------
    bits
        Anchor bits of the new type's cells ``(n, n_bits)``, bool.
    anchors
        Those that are there ``(n_types, n_bits)``, entries -1 or +1.

    Returns
    -------
    ``(n_bits,)``, int8, entries -1 or +1; at least ``n_bits / 4`` bits from every anchor,
    unless they leave no room that flipping bits one by one can reach: then as far as it came.

    Raises
    ------
    ValueError
        If there are no cells or the widths differ.
    """
    n_bits = anchors.shape[1]
    if not len(bits) or bits.shape[1:] != anchors.shape[1:]:
        msg = f"Bits of shape {bits.shape} cannot be set against anchors {anchors.shape}."
        raise ValueError(msg)
    vote = 2 * bits.mean(axis=0) - 1
    code = np.where(vote > 0, 1, -1).astype(np.int8)
    sureness = vote * code
    free = np.ones(n_bits, dtype=bool)
    differs = anchors != code
    while differs.sum(axis=1).min() < n_bits // 4 and free.any():
        distance = differs.sum(axis=1)
        after = distance[:, None] + np.where(differs, -1, 1)  # if that bit were flipped
        least = after.min(axis=0)
        n_least = (after == least).sum(axis=0)
        bit = np.lexsort((sureness, n_least, -least, ~free))[0]
        if (least[bit], -n_least[bit]) <= (distance.min(), -(distance == distance.min()).sum()):
            break
        code[bit] = -code[bit]
        differs[:, bit] = ~differs[:, bit]
        free[bit] = False
    return code
