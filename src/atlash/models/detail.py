"""Detail bits: what differs between cells of one type and would be seen again.

Anchor bits are alike for all cells of a type. Detail bits read the encoder's principal components
after the centre of the cell's type has been taken away. Counts are split in two halves, as if
each cell had been sequenced twice: what the halves share is signal, what they do not is noise, and
so is what differs between batches of a type. Components are shrunk by the ratio of the two (a
Wiener filter), and the bits are the sides of hyperplanes that lie evenly in the few directions
that carry most of the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from atlash.nn.factor import Factor
from atlash.nn.tiles import padded, paired

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.models.prepare import Frozen, LabelledCounts

N_DETAIL_BITS = 64
N_DIRECTIONS = 16
"""Directions that the hyperplanes lie in. Bits spent on further ones mostly hold noise."""
SHARPNESS = 8.0
"""Of the softmax over agreements: between two types a cell's centre lies between theirs."""
BATCH_WEIGHT = 1.0
"""How much of the variance between batches of a type counts as noise."""
RIDGE = 1e-3
N_SPLITS = 3
MAX_CELLS = 10_000
"""Most cells whose counts are split, ``N_SPLITS`` times each."""
LEAST_OF_BATCH = 10
"""Cells of a type in a batch that tell where the batch lies."""
N_ROUNDS = 100


@dataclass(frozen=True)
class Detail:
    """From components to detail bits.

    Attributes
    ----------
    projection
        ``(n_components, n_bits)``, float32.
    centres
        Projected mean of each type ``(n_types, n_bits)``, float32.
    sharpness
        Steepness of the softmax over agreements ``(1,)``, float32.
    """

    projection: NDArray[np.float32]
    centres: NDArray[np.float32]
    sharpness: NDArray[np.float32]

    @property
    def n_bits(self) -> int:
        """Number of detail bits."""
        return int(self.projection.shape[1])

    def encode(
        self, components: NDArray[np.float32], agreement: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return continuous detail codes, each cell on its own.

        Parameters
        ----------
        components
            Principal components ``(n, at least n_components)``; further columns are not read.
        agreement
            Asymmetric similarity to each anchor ``(n, n_types)``, in [-1, 1]. A cell's centre
            is the mean of the types' centres, weighed by the softmax of this.

        Returns
        -------
        ``(n, n_bits)`` float32, of size 1 on average; the bits are ``> 0``, and ``tanh`` gives
        expected bits.
        """
        from atlash.models._detail_kernel import project_from_centres  # numba: when needed

        out = np.empty((len(components), self.n_bits), dtype=np.float32)
        if len(out):
            projection, centres = self._compiled
            sharpness = float(self.sharpness[0])
            project_from_centres(components, agreement, projection, centres, sharpness, out)
        return out

    @cached_property
    def _compiled(self) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
        return paired(self.projection), padded(self.centres)


def components(
    X: sp.csr_array, frozen: Frozen, measured: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """Return principal components of normalised cells ``(n, n_components)``, float32.

    They are the last columns of the encoder's first layer, too.

    Parameters
    ----------
    X
        Normalised expression of the features ``(n, n_features)``, CSR float32.
    frozen
        Axes, mean and scale.
    measured
        Features that the data hold; ``None`` for all. The others enter as their mean.
    """
    standardiser, width = frozen.standardiser, frozen.axes.shape[1]
    upper = np.array([standardiser.upper], dtype=np.float32)
    factor = Factor(frozen.axes, (standardiser.mean, standardiser.inverse_scale, upper))
    everything = np.ones(X.shape[1], dtype=bool)
    start = np.zeros(width, dtype=np.float32)
    product = factor.product(X, everything if measured is None else measured, start)
    return np.ascontiguousarray(product[:, :width])


def fit_detail(
    cells: LabelledCounts, frozen: Frozen, *, n_bits: int = N_DETAIL_BITS, random_state: int
) -> Detail:
    """Fit the projection and the types' centres.

    Labels are used only to take the mean of each type away. Sums are BLAS's: keep it on one
    thread (`atlash.nn.train.single_thread`) where the seed has to decide everything.

    Parameters
    ----------
    cells
        Training cells; counts of at most 10,000 of them, drawn at random, are split.
    frozen
        The encoder's axes.
    n_bits
        Number of detail bits.
    random_state
        Seed of the draws, of the splits and of the hyperplanes.

    Returns
    -------
    The map. A type without cells takes the mean of all cells as its centre.
    """
    from atlash.models.prepare import normalised_features  # torch: not needed to encode

    rng = np.random.default_rng(random_state)
    places = components(normalised_features(cells, frozen), frozen).astype(np.float64)
    centres = _type_means(places, cells.labels, cells.n_types)
    residuals = places - centres[cells.labels]
    few = cells[np.sort(rng.permutation(len(cells))[:MAX_CELLS])]
    signal, noise = _signal_and_noise(few, frozen, rng)
    noise += BATCH_WEIGHT * _between_batches(places, cells)
    directions = _directions(signal, noise)
    projection = directions @ _hyperplanes(directions.shape[1], n_bits, rng)
    size = np.abs(residuals @ projection).mean(axis=0)
    projection /= np.where(size > 0, size, 1)
    return Detail(
        projection=np.ascontiguousarray(projection, dtype=np.float32),
        centres=np.ascontiguousarray(centres @ projection, dtype=np.float32),
        sharpness=np.array([SHARPNESS], dtype=np.float32),
    )


def _type_means(
    places: NDArray[np.float64], labels: NDArray[np.int64], n_types: int
) -> NDArray[np.float64]:
    means = np.tile(places.mean(axis=0), (n_types, 1))
    for kind in np.unique(labels):
        means[kind] = places[labels == kind].mean(axis=0)
    return means


def _signal_and_noise(
    cells: LabelledCounts, frozen: Frozen, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return covariances within a type and batch: of what would be seen again, and of the rest.

    Between two halves of a cell's counts only signal is shared. The noise of whole cells is
    taken to be half that of the halves.
    """
    from atlash.models.prepare import normalised_features

    stratum, n_strata = _strata(cells)
    freedom = max(len(cells) - n_strata, 1) * N_SPLITS
    n_axes = frozen.axes.shape[1]
    shared, total = np.zeros((n_axes, n_axes)), np.zeros((n_axes, n_axes))
    for _ in range(N_SPLITS):
        first, second = (
            _centred(components(normalised_features(half, frozen), frozen), stratum)
            for half in _halves(cells, rng)
        )
        shared += (first.T @ second + second.T @ first) / (2 * freedom)
        total += (first.T @ first + second.T @ second) / (2 * freedom)
    return _without_negative(shared), (total - shared) / 2


def _strata(cells: LabelledCounts) -> tuple[NDArray[np.int64], int]:
    """Return each cell's type within its batch, numbered, and how many there are."""
    batch = np.zeros_like(cells.labels) if cells.groups is None else cells.groups
    found, stratum = np.unique(np.stack([cells.labels, batch]), axis=1, return_inverse=True)
    return stratum.ravel(), found.shape[1]


def _centred(places: NDArray[np.float32], stratum: NDArray[np.int64]) -> NDArray[np.float64]:
    residuals = places.astype(np.float64)
    means = _type_means(residuals, stratum, int(stratum.max()) + 1)
    return np.asarray(residuals - means[stratum])


def _halves(
    cells: LabelledCounts, rng: np.random.Generator
) -> tuple[LabelledCounts, LabelledCounts]:
    """Deal each cell's counts to two halves."""
    from atlash.nn.batches import thin

    counts = cells.counts
    whole = thin(counts.data, np.ones(len(counts.data)), rng)
    first = thin(whole, np.full(len(whole), 0.5), rng)
    parts = (
        sp.csr_array((values, counts.indices, counts.indptr), shape=counts.shape)
        for values in (first, whole - first)
    )
    one, other = (replace(cells, counts=part) for part in parts)
    return one, other


def _between_batches(places: NDArray[np.float64], cells: LabelledCounts) -> NDArray[np.float64]:
    """Return the covariance of the batches' means of a type, averaged over cells."""
    between = np.zeros((places.shape[1], places.shape[1]))
    if cells.groups is None:
        return between
    for kind in np.unique(cells.labels):
        own = cells.labels == kind
        batches, sizes = np.unique(cells.groups[own], return_counts=True)
        batches = batches[sizes >= LEAST_OF_BATCH]
        if len(batches) > 1:
            means = np.stack([places[own & (cells.groups == b)].mean(axis=0) for b in batches])
            between += own.mean() * np.cov(means, rowvar=False)
    return between


def _without_negative(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cut negative variances off; where no variance is left, return the identity."""
    sizes, vectors = np.linalg.eigh(covariance)
    if sizes[-1] <= 0:
        return np.eye(len(covariance))
    return np.asarray((vectors * np.maximum(sizes, 0)) @ vectors.T)


def _directions(signal: NDArray[np.float64], noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what turns components into their expected signal, along its main directions.

    The columns ``(n_components, at most 16)`` are those of the Wiener filter ``(S + N)^-1 S``
    turned to the principal axes of its output.
    """
    total = signal + noise
    total += (RIDGE * np.trace(total) / len(total)) * np.eye(len(total))
    wiener = np.linalg.solve(total, signal)
    _, vectors = np.linalg.eigh(wiener.T @ total @ wiener)
    return np.asarray(wiener @ vectors[:, ::-1][:, :N_DIRECTIONS])


def _hyperplanes(n_directions: int, n_bits: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return unit normals ``(n_directions, n_bits)`` that lie evenly: nearly a tight frame."""
    normals = rng.standard_normal((n_directions, n_bits))
    for _ in range(N_ROUNDS):
        left, _, right = np.linalg.svd(normals, full_matrices=False)
        normals = left @ right
        normals /= np.linalg.norm(normals, axis=0)
    return np.asarray(normals)
