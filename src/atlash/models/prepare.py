"""Counts to training cells: genes chosen and statistics frozen, on these cells alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from atlash.data.variable import mean_and_variance, normalise_counts
from atlash.models.features import choose_features
from atlash.nn.batches import Standardiser, TrainingCells, thin

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.config import TrainConfig

TARGET_SUM = 1e4
MAX_AXES_CELLS = 5000
LEAST_DEPTH = 0.3


@dataclass(frozen=True)
class UnlabelledCounts:
    """Cells without a label: they tell which genes vary, and which vary together.

    Attributes
    ----------
    counts
        Counts over the reference's genes ``(n, n_genes)``, CSR, not negative.
    groups
        Batch of each cell ``(n,)``, numbered as those of the labelled cells, or ``None``.
    """

    counts: sp.csr_array
    groups: NDArray[np.int64] | None

    def __getitem__(self, index: NDArray[np.int64]) -> UnlabelledCounts:
        """Return some of the cells."""
        groups = None if self.groups is None else self.groups[index]
        return UnlabelledCounts(self.counts[index], groups)


@dataclass(frozen=True)
class LabelledCounts:
    """Cells to learn from, in memory.

    Attributes
    ----------
    counts
        Counts over the reference's genes ``(n, n_genes)``, CSR, not negative.
    labels
        Type of each cell ``(n,)``, in ``[0, n_types)``.
    groups
        Batch of each cell ``(n,)``, or ``None``.
    n_types
        Number of types.
    unlabelled
        Cells beside them that have no label; a selection has none.
    """

    counts: sp.csr_array
    labels: NDArray[np.int64]
    groups: NDArray[np.int64] | None
    n_types: int
    unlabelled: UnlabelledCounts | None = None

    def __len__(self) -> int:
        """Return the number of labelled cells."""
        return len(self.labels)

    @property
    def n_unlabelled(self) -> int:
        """Number of cells without a label."""
        return 0 if self.unlabelled is None else self.unlabelled.counts.shape[0]

    def __getitem__(self, index: NDArray[np.int64]) -> LabelledCounts:
        """Return some of the labelled cells."""
        groups = None if self.groups is None else self.groups[index]
        return LabelledCounts(self.counts[index], self.labels[index], groups, self.n_types)


@dataclass(frozen=True)
class Frozen:
    """What training cells determine before the network learns.

    Attributes
    ----------
    features
        Genes that the encoder reads ``(n_features,)``, ascending int32.
    fraction
        Mean share of a cell's counts that each gene has ``(n_genes,)``, sum 1.
    standardiser
        Mean and scale of each feature.
    axes
        Principal axes of the standardised features ``(n_features, n_components)``, scaled so
        that components are of unit size on average.
    """

    features: NDArray[np.int32]
    fraction: NDArray[np.float64]
    standardiser: Standardiser
    axes: NDArray[np.float32]


def freeze(cells: LabelledCounts, config: TrainConfig) -> Frozen:
    """Choose features and measure statistics on training cells, labelled or not."""
    counts, labels, groups = _everyone(cells)
    library = library_sizes(counts)
    features = choose_features(
        normalise_counts(counts, library, TARGET_SUM),
        labels,
        groups,
        n_features=config.n_features,
        marker_share=config.marker_share,
    )
    shares = normalise_counts(counts, library, 1.0)
    fraction, _ = mean_and_variance(shares)
    logged = normalise_counts(counts, library, TARGET_SUM)[:, features]
    logged.data = np.log1p(logged.data)
    mean, variance = mean_and_variance(logged)
    scale = np.sqrt(variance)
    inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)
    standardiser = Standardiser(mean.astype(np.float32), inverse.astype(np.float32), config.upper)
    axes = _axes(logged, standardiser, config.n_components)
    return Frozen(features, fraction / fraction.sum(), standardiser, axes)


def _everyone(
    cells: LabelledCounts,
) -> tuple[sp.csr_array, NDArray[np.int64], NDArray[np.int64] | None]:
    """Return counts, types (-1: none) and batches of labelled and unlabelled cells."""
    more = cells.unlabelled
    if more is None:
        return cells.counts, cells.labels, cells.groups
    counts = sp.csr_array(sp.vstack([cells.counts, more.counts], format="csr"))
    labels = np.concatenate([cells.labels, np.full(more.counts.shape[0], -1)])
    if cells.groups is None or more.groups is None:  # one is None where the other is
        return counts, labels, None
    return counts, labels, np.concatenate([cells.groups, more.groups])


def _axes(
    logged: sp.csr_array, standardiser: Standardiser, n_components: int
) -> NDArray[np.float32]:
    """Return scaled principal axes, from at most 5,000 evenly spaced cells."""
    from sklearn.utils.extmath import randomized_svd

    few = logged[:: -(-logged.shape[0] // MAX_AXES_CELLS)].toarray()
    standard = (few - standardiser.mean) * standardiser.inverse_scale
    standard = np.minimum(standard, standardiser.upper).astype(np.float32)
    standard -= standard.mean(axis=0)
    n_components = min(n_components, *standard.shape)
    _, size, rows = randomized_svd(standard, n_components, n_iter=4, random_state=0)
    unit = np.sqrt((size**2).mean() / len(standard)) or 1.0
    return np.ascontiguousarray(rows.T / unit, dtype=np.float32)


def training_cells(cells: LabelledCounts, frozen: Frozen) -> TrainingCells:
    """Return the features' counts of cells, with what normalising them needs."""
    return TrainingCells(
        counts=cells.counts[:, frozen.features],
        library=library_sizes(cells.counts),
        labels=cells.labels,
        n_types=cells.n_types,
        target_sum=TARGET_SUM,
    )


def normalised_features(cells: LabelledCounts, frozen: Frozen) -> sp.csr_array:
    """Return what the encoder reads: ``log1p`` of scaled counts of the features, float32."""
    library = library_sizes(cells.counts)
    logged = normalise_counts(cells.counts, library, TARGET_SUM)[:, frozen.features]
    values = np.log1p(logged.data).astype(np.float32)
    return sp.csr_array((values, logged.indices, logged.indptr), shape=logged.shape)


def thinned(cells: LabelledCounts, *, random_state: int) -> LabelledCounts:
    """Return the cells as if sequenced less deeply: each keeps 30 to 100 % of its counts."""
    rng = np.random.default_rng(random_state)
    counts = cells.counts
    share = np.repeat(rng.uniform(LEAST_DEPTH, 1, counts.shape[0]), np.diff(counts.indptr))
    kept = sp.csr_array(
        (thin(counts.data, share, rng), counts.indices, counts.indptr), counts.shape
    )
    return replace(cells, counts=kept)


def library_sizes(counts: sp.csr_array) -> NDArray[np.float64]:
    """Return the sum of each row, in float64."""
    return np.asarray(counts @ np.ones(counts.shape[1]))  # `sum` would add up in float32
