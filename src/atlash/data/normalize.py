"""The frozen recipe: linear values, library size over the genes learned, log1p of features."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from atlash.data.genes import GeneTable, read_gene_names
from atlash.data.matching import GeneMatch, match_genes
from atlash.data.scale import LOG_BASES, Scale, detect_scale, largest_value
from atlash.data.values import check_library, check_values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from atlash.config import InputConfig
    from atlash.data.source import CellSource


class UnnamedGenesWarning(UserWarning):
    """Genes have no names but their numbers, and are matched by position."""


@dataclass(frozen=True)
class Recipe:
    """How cells become the encoder's input; learned on training cells only.

    Parameters
    ----------
    genes
        The reference's genes.
    fraction
        Mean share of a training cell's counts that each gene has, ``(n_genes,)``, sum 1.
    features
        Genes that the encoder reads, indices into ``genes``, ``(n_features,)`` int32, unique.
    target_sum
        Library size to which cells with all genes are brought.
    """

    genes: GeneTable
    fraction: NDArray[np.float64]
    features: NDArray[np.int32]
    target_sum: float = 1e4

    @property
    def feature_of_gene(self) -> NDArray[np.int32]:
        """Feature of each gene, ``(n_genes,)``, -1 where it is none."""
        feature = np.full(len(self.genes), -1, dtype=np.int32)
        feature[self.features] = np.arange(self.features.size, dtype=np.int32)
        return feature


@dataclass(frozen=True)
class Projected:
    """Cells as the encoder reads them.

    Parameters
    ----------
    rows
        Their positions in the source: a range, or indices.
    X
        ``log1p(target * value / library)`` over features, float32 CSR
        ``(n_cells, n_features)``.
    library
        Sum of linear values over the reference's genes, ``(n_cells,)``.
    n_genes
        Genes of the reference detected, ``(n_cells,)``.
    """

    rows: slice | NDArray[np.int64]
    X: sp.csr_array
    library: NDArray[np.float64]
    n_genes: NDArray[np.int32]


@dataclass(frozen=True)
class BoundSource:
    """Cells joined with a recipe: genes matched, scale known; gives projected chunks."""

    recipe: Recipe
    source: CellSource
    match: GeneMatch
    scale: Scale

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return self.source.n_cells

    @property
    def measured_features(self) -> NDArray[np.bool_]:
        """Which features the cells have, ``(n_features,)``; the others are unknown, not 0."""
        return self.match.measured[self.recipe.features]

    @property
    def target(self) -> float:
        """Library size to aim at: the share of ``target_sum`` that the measured genes carry."""
        fraction = self.recipe.fraction
        return float(self.recipe.target_sum * fraction[self.match.measured].sum() / fraction.sum())

    def chunks(self, size: int) -> Iterator[Projected]:
        """Yield all cells in order, ``size`` at a time."""
        for rows, chunk in self.source.chunks(size):
            yield self.project(chunk, rows)

    def rows(self, index: NDArray[np.int64]) -> Projected:
        """Return the cells at ascending positions ``index``."""
        return self.project(self.source.rows(index), index)

    def project(self, chunk: sp.csr_array, rows: slice | NDArray[np.int64]) -> Projected:
        """Check and normalise cells that were read from the source at ``rows``."""
        check_values(chunk, rows, self.source, most=largest_value(self.scale.name))
        X, library, n_genes = project_rows(
            linearise(chunk, self.scale),
            gene_of_column=self.match.gene_of_column,
            feature_of_gene=self.recipe.feature_of_gene,
            target=self.target,
        )
        check_library(library, rows, self.source)
        return Projected(rows, X, library, n_genes)


def bind(
    recipe: Recipe,
    source: CellSource,
    config: InputConfig,
    *,
    weight: NDArray[np.floating],
) -> BoundSource:
    """Match a source's genes and find its scale.

    Parameters
    ----------
    recipe
        What the encoder was trained with.
    source
        The cells.
    config
        How to read them.
    weight
        What each gene of the recipe is worth to the encoder, ``(n_genes,)``, sum 1.

    Raises
    ------
    GeneMismatchError
        Too little of the weight is measured.
    KeyNotFoundError
        The gene column does not exist.
    ScaleError, InvalidValuesError
        The values cannot be used; see `detect_scale`.
    """
    names = read_gene_names(source.var, config.gene_column, source_name=source.name)
    match = match_genes(names, recipe.genes, weight=weight, min_shared=config.min_shared)
    return BoundSource(recipe, source, match, detect_scale(source, declared=config.scale))


def warn_of_unnamed(bound: BoundSource) -> None:
    """Warn where genes are called 0, 1, 2, ... as AnnData does where it is given no names.

    Warns
    -----
    UnnamedGenesWarning
        The source's genes match the recipe's by such numbers, which are positions.
    """
    names = bound.recipe.genes.namings[bound.match.naming[1]]
    if any(name != str(number) for number, name in enumerate(names.tolist())):
        return
    msg = (
        f"The genes of {bound.source.name} have no names but their numbers ('0', '1', ...), as "
        "AnnData gives where there are none. They are matched by position, which nothing can "
        "check. Set `adata.var_names`, or tell the column of names by `gene_column`."
    )
    warnings.warn(msg, UnnamedGenesWarning, stacklevel=2)


def linearise(chunk: sp.csr_array, scale: Scale) -> sp.csr_array:
    """Undo the logarithm, if there is one.

    Parameters
    ----------
    chunk
        Values on ``scale``, any shape.
    scale
        Their scale.

    Returns
    -------
    Linear values of the same dtype; the chunk itself where it is linear already.
    """
    if scale.name not in LOG_BASES:
        return chunk
    linear = np.expm1(chunk.data * chunk.dtype.type(math.log(LOG_BASES[scale.name])))
    return sp.csr_array((linear, chunk.indices, chunk.indptr), shape=chunk.shape)


def to_counts(chunk: sp.csr_array, scale: Scale) -> sp.csr_array:
    """Recover count-like values, for thinning.

    Parameters
    ----------
    chunk
        Values on ``scale``.
    scale
        Their scale.

    Returns
    -------
    Counts and expected counts as they are. Otherwise each cell's linear values divided by
    its smallest and rounded: where normalisation was a division by library size, and some
    gene had one molecule, these are the counts. Where it was not, they are multiples of an
    arbitrary unit, which thin like a deeper or shallower cell.
    """
    if scale.name == "counts":
        return chunk
    linear = linearise(chunk, scale)
    values = linear.data.astype(np.float64)
    row = np.repeat(np.arange(linear.shape[0]), np.diff(linear.indptr))
    smallest = np.full(linear.shape[0], np.inf)
    np.minimum.at(smallest, row[values > 0], values[values > 0])
    counts = np.rint(values / smallest[row]).astype(linear.dtype)
    return sp.csr_array((counts, linear.indices, linear.indptr), shape=linear.shape)


def project_rows(
    chunk: sp.csr_array,
    *,
    gene_of_column: NDArray[np.int32],
    feature_of_gene: NDArray[np.int32],
    target: float,
) -> tuple[sp.csr_array, NDArray[np.float64], NDArray[np.int32]]:
    """Divide each row by its library size and take log1p of its features.

    Parameters
    ----------
    chunk
        Linear values, ``(n_cells, n_columns)``, finite and not negative; entries need
        neither be sorted nor unique.
    gene_of_column
        Gene of each column, ``(n_columns,)``, -1 for none; columns of one gene are summed.
    feature_of_gene
        Feature of each gene, ``(n_genes,)``, -1 for none.
    target
        Library size to aim at, above 0.

    Returns
    -------
    X
        ``log1p(target * value / library)`` as float32 CSR ``(n_cells, n_features)``; a cell
        without counts has an empty row.
    library
        Sum over all genes (not only features) in float64, ``(n_cells,)``.
    n_genes
        Genes above 0, ``(n_cells,)``.

    Notes
    -----
    A row depends on nothing but itself, and not on the order of its entries as long as
    their sum is exact (as for counts).
    """
    from atlash.data.kernels import project_csr

    # One type of index, so that one kernel is compiled for each type of value.
    bounds = chunk.indptr.astype(np.int64, copy=False)
    rows = chunk.data, chunk.indices.astype(np.int32, copy=False), bounds
    n_features = int(feature_of_gene.max(initial=-1)) + 1
    value, column, bounds, library, n_genes = project_csr(
        rows, gene_of_column, feature_of_gene, n_features, target
    )
    np.log1p(value, out=value)
    # Set one by one: scipy's constructor copies what is a part of larger arrays.
    X = sp.csr_array((chunk.shape[0], n_features), dtype=value.dtype)
    index = sp.get_index_dtype(maxval=value.size)
    X.data, X.indices, X.indptr = value, column.astype(index, copy=False), bounds.astype(index)
    return X, library, n_genes
