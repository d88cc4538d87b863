"""What depth does to the places of cells, learned from thinned copies of them.

The logarithm of few counts, brought to a common depth, lies lower than that of many, so that
cells of one type and unlike depth lie apart. How far, a thinned copy of a cell tells: nothing but
its depth has changed. So what depth does is not mistaken for what goes with depth, such as types
of more or less RNA, as it would be if places were regressed on the depth of cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.clustering.places import Places
    from atlash.clustering.sketch import Sketch
    from atlash.data.normalize import BoundSource

KEPT = (4, 8, 12)
"""Sixteenths of its molecules that a copy keeps."""
MOST_CELLS = 4000
"""Cells that are copied."""


def depth_effect(sketch: Sketch, places: Places) -> NDArray[np.float32]:
    """Return how far cells move for each unit by which the logarithm of their depth falls.

    Parameters
    ----------
    sketch
        Cells in memory, in random order; at most the first 4,000 are taken.
    places
        What gives their places.

    Returns
    -------
    ``(n_axes,)``, float32: the least-squares slope through no move at full depth.
    """
    cells = sketch[np.arange(min(MOST_CELLS, sketch.n_cells))]
    whole = places.of(cells.logged).astype(np.float64)
    total, squares = np.zeros(whole.shape[1]), 0.0
    for sixteenths in KEPT:
        fall = np.log(16 / sixteenths)
        total += fall * (cells.thinned(places, sixteenths) - whole).mean(axis=0)
        squares += fall**2
    return (total / squares).astype(np.float32)


def depth_of(library: NDArray[np.float64], bound: BoundSource) -> NDArray[np.float64]:
    """Return the depth of cells over that which all are brought to ``(n,)``.

    Values that are no counts have lost their depth: it is 1 then, and for cells without counts.

    Parameters
    ----------
    library
        Sum of each cell's values ``(n,)``.
    bound
        The cells.
    """
    if bound.scale.name != "counts":
        return np.ones(len(library))
    return np.where(library > 0, library / bound.target, 1)


def at_one_depth(
    places: NDArray[np.float32], depth: NDArray[np.float64], effect: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return where cells would lie, as far as depth goes, at the depth that all are brought to.

    Parameters
    ----------
    places
        ``(n, n_axes)``, float32.
    depth
        Of each cell, over the depth that all are brought to ``(n,)``, above 0.
    effect
        What :func:`depth_effect` returned.
    """
    return places + np.log(depth).astype(np.float32)[:, None] * effect
