"""What one pass over all cells learns of genes: which vary, and their moments."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from atlash.clustering.moments import LINEAR_STEPS, LOG_STEPS, Moments
from atlash.data.genes import merge_genes, read_gene_names
from atlash.data.normalize import Recipe, bind
from atlash.data.parallel import ordered_map
from atlash.data.variable import rank_by_dispersion
from atlash.errors import EmptyInputError
from atlash.progress import n_threads_or_all, track

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from atlash.clustering.moments import Totals
    from atlash.config import ClusterConfig, InputConfig
    from atlash.data.normalize import BoundSource, Projected
    from atlash.data.source import CellSource

MOST_STEPS = 127
"""Greatest log expression that counts, in steps: 10.6 units."""
MIN_CELLS_OF_GENE = 3
MIN_CELLS_OF_BATCH = 20
ROUNDING = 1e-12
"""Variance, in squared means, that may be rounding."""
UPPER = 10.0
"""Greatest standardised expression."""


@dataclass(frozen=True)
class Genes:
    """The genes that clustering reads, and how their expression is standardised.

    Attributes
    ----------
    recipe
        How cells become expression; its features are the chosen genes.
    mean, inverse_scale
        Of log expression over all cells that have counts ``(n_features,)``, float32.
    """

    recipe: Recipe
    mean: NDArray[np.float32]
    inverse_scale: NDArray[np.float32]

    @property
    def scaling(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Mean, inverse scale and greatest standardised value of each feature."""
        return self.mean, self.inverse_scale, np.full_like(self.mean, UPPER)

    @property
    def most(self) -> NDArray[np.float32]:
        """Greatest log expression that counts, in whole steps ``(n_features,)``."""
        scale = np.divide(
            1, self.inverse_scale, where=self.inverse_scale > 0, out=np.zeros_like(self.mean)
        )
        most = np.floor(LOG_STEPS * (self.mean + UPPER * scale))
        return np.minimum(most, MOST_STEPS).astype(np.float32)

    def bind(self, source: CellSource, config: InputConfig) -> BoundSource:
        """Join a source's cells with the recipe; see :func:`atlash.data.normalize.bind`."""
        return bind(self.recipe, source, config, weight=self.weight)

    @property
    def weight(self) -> NDArray[np.float64]:
        """What each gene of the recipe is worth: the features alike, the others nothing."""
        weight = np.zeros(len(self.recipe.genes))
        weight[self.recipe.features] = 1 / len(self.recipe.features)
        return weight


@dataclass(frozen=True)
class Survey:
    """What the first pass found.

    Attributes
    ----------
    bound
        The cells, over the chosen genes.
    genes
        The chosen genes.
    library
        Counts of each cell ``(n,)``, float64; 0 for cells without any.
    """

    bound: BoundSource
    genes: Genes
    library: NDArray[np.float64]


def survey(
    source: CellSource,
    batches: NDArray[np.int32] | None,
    *,
    inputs: InputConfig,
    config: ClusterConfig,
) -> Survey:
    """Read all cells twice: for their depth, and for the genes that vary.

    Cells are brought to the median depth before the logarithm, not to 10,000 counts: of cells
    with a few hundred, the latter makes the logarithm of 1 so large that depth itself tells cells
    apart (Ahlmann-Eltze and Huber, 2023).

    Parameters
    ----------
    source
        The cells.
    batches
        Batch of each cell ``(n,)``, in ``[0, n_batches)``; genes are chosen batch by batch, by
        those of at least 20 cells. ``None`` for one batch.
    inputs, config
        How cells are read, and options.

    Raises
    ------
    EmptyInputError
        If no cell has counts, or no gene is found in three cells.
    """
    names = read_gene_names(source.var, inputs.gene_column, source_name=source.name)
    table, _ = merge_genes([names])
    everything = np.arange(len(table), dtype=np.int32)
    even = np.full(len(table), 1 / len(table))
    bound = bind(Recipe(table, even, everything), source, inputs, weight=even)
    groups = np.zeros(source.n_cells, dtype=np.int32) if batches is None else batches
    library = _libraries(bound, config)
    if not library.any():
        msg = f"None of the {source.n_cells:,} cells of {source.name} has counts; check the layer."
        raise EmptyInputError(msg)
    depth = float(np.median(library[library > 0]))
    bound = replace(bound, recipe=replace(bound.recipe, target_sum=depth))
    sums = _sums(bound, groups, config)
    in_group = np.bincount(groups[library > 0], minlength=sums.shape[1])
    found = sums[0].sum(axis=0)
    features = _choose(sums, in_group, found, config.n_genes)
    if features.size == 0:
        msg = (
            f"No gene of {source.name} is found in {MIN_CELLS_OF_GENE} of its "
            f"{int(in_group.sum()):,} cells with counts, so nothing tells them apart."
        )
        raise EmptyInputError(msg)
    fraction = sums[3].sum(axis=0) / sums[3].sum()
    recipe = Recipe(table, fraction, features, target_sum=depth)
    mean, variance = _moments(sums[1:3].sum(axis=1)[:, features], int(in_group.sum()), LOG_STEPS)
    inverse = np.divide(1, np.sqrt(variance), out=np.zeros_like(mean), where=variance > 0)
    genes = Genes(recipe, mean.astype(np.float32), inverse.astype(np.float32))
    return Survey(replace(bound, recipe=recipe), genes, library)


def _libraries(bound: BoundSource, config: ClusterConfig) -> NDArray[np.float64]:
    """Return the library size of each cell ``(n,)``."""
    library = np.empty(bound.n_cells)
    for part in _projected(bound, config, "Measuring depth"):
        library[part.rows] = part.library
    return library


def _sums(bound: BoundSource, groups: NDArray[np.int32], config: ClusterConfig) -> Totals:
    """Return the sums of `add_moments` ``(5, n_groups, n_genes)``."""
    moments = Moments(int(groups.max(initial=0)) + 1, len(bound.recipe.genes))
    for part in _projected(bound, config, "Measuring genes"):
        moments.add(part.X, groups[part.rows])
    return moments.totals()


def _projected(bound: BoundSource, config: ClusterConfig, doing: str) -> Iterator[Projected]:
    """Yield all cells over the genes of the recipe, a chunk at a time, in order."""

    def work(item: tuple[slice, csr_array]) -> Projected:
        return bound.project(item[1], item[0])

    chunks = bound.source.chunks(config.chunk_size)
    n_threads = n_threads_or_all(config.n_threads)
    with track(doing, bound.n_cells, show=config.progress) as advance:
        for part in ordered_map(work, chunks, n_threads=n_threads):
            yield part
            advance(part.X.shape[0])


def _choose(
    sums: Totals, in_group: NDArray[np.int64], found: Totals, n_top: int
) -> NDArray[np.int32]:
    """Return the most variable genes among those found in enough cells, ascending."""
    often = np.flatnonzero(found >= MIN_CELLS_OF_GENE)
    large = np.flatnonzero(in_group >= MIN_CELLS_OF_BATCH)
    if large.size == 0:
        moments = [_moments(sums[3:].sum(axis=1)[:, often], int(in_group.sum()), LINEAR_STEPS)]
    else:
        moments = [_moments(sums[3:, g][:, often], int(in_group[g]), LINEAR_STEPS) for g in large]
    order = rank_by_dispersion(moments, n_top=n_top)
    return np.sort(often[order[:n_top]]).astype(np.int32)


def _moments(sums: Totals, n: int, steps: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and variance from sums and sums of squares ``(2, n_genes)`` in steps."""
    mean = sums[0] / (n * steps)
    variance = sums[1] / (n * steps**2) - mean**2
    return mean, np.where(variance > ROUNDING * mean**2, variance, 0)
