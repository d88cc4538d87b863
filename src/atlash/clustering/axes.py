"""Principal axes of all cells, exactly, and how much of each is no noise.

An axis weighs what :mod:`atlash.clustering.reliability` says of it; one that is noise is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from atlash.clustering.gram import Gram, directions, products_of
from atlash.clustering.reliability import reliability_of_axes
from atlash.clustering.sketch import draw_share, join, keep, keys_of
from atlash.data.parallel import ordered_map
from atlash.progress import n_threads_or_all, track

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from atlash.clustering.genes import Survey
    from atlash.clustering.sketch import Sketch
    from atlash.config import ClusterConfig

MAX_AXES = 30
NOISE, SIGNAL = 0.4, 0.6
"""Correlation of the halves at which an axis counts for nothing, and for all it is."""
MIN_AXES = 3
"""Axes that count for at least half, however noisy."""
MIN_CELLS_OF_AXIS = 3
"""Cells for each axis looked at, so that a fold of them has more cells than axes."""
SKETCH_CELLS = 16_000
"""About how many cells are asked how noisy the axes are."""


@dataclass(frozen=True)
class Axes:
    """Directions in expression.

    Attributes
    ----------
    matrix
        ``(n_features, n_axes)``, float32; unit vectors times their weights.
    reliability
        Correlation of two halves of the counts along each axis looked at ``(n_looked_at,)``.
    """

    matrix: NDArray[np.float32]
    reliability: NDArray[np.float64]

    @property
    def any_signal(self) -> bool:
        """Whether any axis tells more than noise."""
        return bool((self.reliability > NOISE).any())


def learn_axes(survey: Survey, config: ClusterConfig) -> tuple[Axes, Sketch]:
    """Read all cells once: learn the axes, and keep a sketch of the cells.

    Parameters
    ----------
    survey
        The cells and the chosen genes.
    config
        Options.

    Returns
    -------
    The axes, and about 16,000 cells with their counts.
    """
    gram, sketch = _read(survey, config)
    most = min(MAX_AXES, len(gram.sums), max(1, gram.n // MIN_CELLS_OF_AXIS))
    reliability = reliability_of_axes(sketch, survey.genes, most, config=config)
    weight = np.clip((reliability - NOISE) / (SIGNAL - NOISE), 0, 1)
    weight[:MIN_AXES] = np.maximum(weight[:MIN_AXES], 0.5)
    matrix = (directions(gram, survey.genes, most) * weight)[:, weight > 0]
    return Axes(np.ascontiguousarray(matrix, dtype=np.float32), reliability), sketch


def _read(survey: Survey, config: ClusterConfig) -> tuple[Gram, Sketch]:
    """Add up the Gram matrix of all cells, and draw the sketch on the way."""
    from threadpoolctl import threadpool_limits

    most, bound = survey.genes.most, survey.bound
    sums, products = np.zeros(len(most)), np.zeros((len(most), len(most)))
    n_filled = int((survey.library > 0).sum())
    share = min(1.0, SKETCH_CELLS / n_filled)

    def work(item: tuple[slice, csr_array]) -> tuple[Gram, Sketch]:
        part = bound.project(item[1], item[0])
        key = keys_of(part.X)
        kept = keep(bound, part, key=key, chosen=draw_share(part, key, share))
        return products_of(part.X, most), kept

    kept = []
    n_threads = n_threads_or_all(config.n_threads)
    with (
        threadpool_limits(1, user_api="blas"),
        track("Learning axes", bound.n_cells, show=config.progress) as advance,
    ):
        chunks = bound.source.chunks(config.chunk_size)
        for found, few in ordered_map(work, chunks, n_threads=n_threads):
            sums += found.sums
            products += found.products
            kept.append(few)
            advance(found.n)
    return Gram(n_filled, sums, products), join(kept)
