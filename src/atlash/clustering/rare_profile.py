"""A rare type's profile, learned from a few cells that stand out from a crowd."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import scipy.sparse as sp
    from numpy.typing import NDArray

MIN_GENES, MAX_GENES = 5, 64
"""Genes of a profile; of more, those that tell most are taken."""
FOLD = 2.0
"""Least ratio of a profile's share of counts to the crowd's."""
SHARE_OF_CELLS = 0.2
"""Least share of the rare cells that have counts of a gene of the profile."""
FIRST, LATER = 1e-4, 1e-6
"""Poisson probability of a gene's counts in the crowd, below which it joins the profile: of the
first few cells, and of those that it was found in."""
LEAST_DISPERSION = 0.1
PRIOR_CELLS = 10
"""A batch's share of a gene is drawn to that of all batches as if by so many cells."""
MIN_GROUP, MAX_GROUP = 5, 0.2
"""Fewest cells, and greatest share of the crowd, that a profile may hold on the way."""
N_ROUNDS = 8


@dataclass(frozen=True)
class Crowd:
    """Cells of one cluster.

    Attributes
    ----------
    counts
        ``(n, n_genes)``, CSR float64, indices sorted.
    key
        A number for what each cell holds ``(n,)``, uint64.
    batch
        Batch of each cell ``(n,)``, whole numbers from 0 on; ``None`` for one batch.
    """

    counts: sp.csr_array
    key: NDArray[np.uint64]
    batch: NDArray[np.int32] | None = None

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return int(self.counts.shape[0])

    @cached_property
    def depth(self) -> NDArray[np.float64]:
        """Counts of each cell ``(n,)``."""
        return np.asarray(self.counts.sum(axis=1), dtype=np.float64)

    @cached_property
    def total(self) -> NDArray[np.float64]:
        """Counts of each gene ``(n_genes,)``."""
        return np.asarray(self.counts.sum(axis=0), dtype=np.float64)

    @cached_property
    def of_batch(self) -> NDArray[np.int64]:
        """Batch of each cell ``(n,)``; all 0 without batches."""
        n = self.n_cells
        return np.zeros(n, dtype=np.int64) if self.batch is None else self.batch.astype(np.int64)

    @cached_property
    def row(self) -> NDArray[np.int64]:
        """Cell of each stored count ``(n_stored,)``."""
        return np.repeat(np.arange(self.n_cells), np.diff(self.counts.indptr))

    def expected(self) -> NDArray[np.float64]:
        """Return what each stored count would be, were all cells of a batch alike ``(n_stored,)``.

        A batch's share of a gene is drawn to that of all cells as if by ten cells.
        """
        genes, depth = self.counts.indices, self.depth[self.row]
        if self.batch is None:
            return np.asarray(depth * self.total[genes] / self.depth.sum())
        of_batch = self.of_batch[self.row]
        place = np.unique(of_batch * self.counts.shape[1] + genes, return_inverse=True)[1]
        counted = np.bincount(place, self.counts.data)[place]
        of_all = self.total[genes] / self.depth.sum()
        of_depth = np.bincount(self.of_batch, self.depth)[of_batch]
        return np.asarray(
            depth * (counted + self.prior * of_all) / (of_depth + self.prior), dtype=np.float64
        )

    def expected_of(
        self, few: NDArray[np.bool_], other: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return what some cells would count, were they like the others ``(n_genes,)``.

        Parameters
        ----------
        few
            The cells ``(n,)``; they are compared with the others of their batches.
        other
            Each gene's share of the counts of the others, whatever their batch ``(n_genes,)``.
        """
        if self.batch is None:
            return np.asarray(other * self.depth[few].sum())
        own, rest = (
            np.bincount(self.of_batch[of], self.depth[of], self.of_batch.max() + 1)
            for of in (few, ~few)
        )
        weight = own / (rest + self.prior)
        of_cell = np.where(few, 0, weight[self.of_batch])
        counts = self.counts
        seen = np.bincount(counts.indices, counts.data * of_cell[self.row], counts.shape[1])
        return np.asarray(seen + self.prior * weight.sum() * other, dtype=np.float64)

    @property
    def prior(self) -> float:
        """Counts that the share of all cells weighs beside those of a batch."""
        return float(PRIOR_CELLS * self.depth.mean())

    def share_of_batches(self, few: NDArray[np.bool_]) -> float:
        """Return which share of their own batches some cells ``(n,)`` are, on average."""
        n_all = np.bincount(self.of_batch)
        n_few = np.bincount(self.of_batch[few], minlength=len(n_all))
        return float((n_few**2 / np.maximum(n_all, 1)).sum() / n_few.sum())

    @cached_property
    def by_gene(self) -> sp.csc_array:
        """The counts, CSC."""
        return self.counts.tocsc()

    def over(self, genes: NDArray[np.int32]) -> sp.csr_array:
        """Return the counts of some genes ``(n, len(genes))``, CSR."""
        return self.by_gene[:, genes].tocsr()


@dataclass(frozen=True)
class Profile:
    """How a rare type differs from the crowd that it was found in.

    Attributes
    ----------
    genes
        That it has more of ``(n_genes,)``, int32.
    own, other
        Share of a rare cell's counts and of another's on each ``(n_genes,)``, float64, above 0.
    dispersion
        Of the counts in the crowd, at least .1.
    log_odds
        Natural logarithm of the rare cells over the others.
    """

    genes: NDArray[np.int32]
    own: NDArray[np.float64]
    other: NDArray[np.float64]
    dispersion: float
    log_odds: float

    def told(
        self, counts: sp.csr_array, depth: NDArray[np.float64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Tell rare cells by their likelihood.

        Parameters
        ----------
        counts
            Of the genes of the profile ``(n, n_genes)``, CSR float64.
        depth
            Counts of each cell over all genes ``(n,)``.

        Returns
        -------
        is_rare
            Whether a cell is rather rare than not, by Bayes' rule ``(n,)``.
        position
            Where its log likelihood ratio lies between what the crowd's cells have on average,
            0, and what rare ones have, 1, at its depth ``(n,)``; 0 for cells without counts.
        """
        from atlash.clustering._rare import likelihood_ratio

        ratio = np.empty((len(depth), 3))
        likelihood_ratio(
            counts.indptr.astype(np.int64),
            counts.indices.astype(np.int32),
            counts.data.astype(np.float64),
            np.asarray(depth, dtype=np.float64),
            self.own,
            self.other,
            self.dispersion,
            ratio,
        )
        step = ratio[:, 2] - ratio[:, 1]
        away = ratio[:, 0] - ratio[:, 1]
        position = np.divide(away, step, out=np.zeros(len(depth)), where=step > 0)
        return ratio[:, 0] + self.log_odds > 0, position


def learn_profile(
    crowd: Crowd, first: NDArray[np.int64]
) -> tuple[Profile, NDArray[np.bool_]] | None:
    """Learn a profile from a few cells, find its cells, and learn from those, until all agree.

    Parameters
    ----------
    crowd
        All cells.
    first
        Rows of the few.

    Returns
    -------
    The profile and which cells are of it ``(n,)``; ``None`` where the few have nothing in common
    or it holds too many cells.
    """
    is_rare = np.zeros(crowd.n_cells, dtype=np.bool_)
    is_rare[first] = True
    profile = None
    for number in range(N_ROUNDS):
        profile = _profile(crowd, is_rare, FIRST if number == 0 else LATER)
        if profile is None:
            return None
        found, _ = profile.told(crowd.over(profile.genes), crowd.depth)
        if not MIN_GROUP <= found.sum() <= MAX_GROUP * crowd.n_cells:
            return None
        if (found == is_rare).all():
            break
        is_rare = found
    return None if profile is None else (profile, found)


def _profile(crowd: Crowd, is_rare: NDArray[np.bool_], least: float) -> Profile | None:
    """Return what some cells have more of than the others; ``None`` for too few genes."""
    from scipy.special import gammainc

    few = crowd.counts[np.flatnonzero(is_rare)]
    depth, n_few = crowd.depth[is_rare].sum(), int(is_rare.sum())
    rest = crowd.depth.sum() - depth
    seen = np.bincount(few.indices, few.data, few.shape[1])
    n_cells = np.bincount(few.indices, minlength=few.shape[1])
    other = np.maximum((crowd.total - seen) / rest, 0.5 / rest)
    expected = crowd.expected_of(is_rare, other)
    may = np.flatnonzero(
        (seen > FOLD * expected) & (n_cells >= max(3, int(np.ceil(SHARE_OF_CELLS * n_few))))
    )
    genes = may[gammainc(seen[may], expected[may]) < least]
    if len(genes) > MAX_GENES:
        tells = seen[genes] * np.log(seen[genes] / expected[genes])
        genes = np.sort(genes[np.argsort(-tells, kind="stable")[:MAX_GENES]])
    if len(genes) < MIN_GENES:
        return None
    own = other[genes] * (seen[genes] + 1) / (expected[genes] + 1)
    log_odds = float(np.log(n_few / (crowd.n_cells - n_few)))
    dispersion = _dispersion(crowd, ~is_rare, genes, other[genes])
    return Profile(genes.astype(np.int32), own, other[genes], dispersion, log_odds)


def _dispersion(
    crowd: Crowd,
    others: NDArray[np.bool_],
    genes: NDArray[np.int64],
    share: NDArray[np.float64],
) -> float:
    """Return one dispersion for some genes, by moments over all of them."""
    counts = crowd.over(genes.astype(np.int32))[np.flatnonzero(others)]
    depth = crowd.depth[others]
    row = np.repeat(np.arange(len(depth)), np.diff(counts.indptr))
    mean = depth[row] * share[counts.indices]
    squares = (depth**2).sum() * (share**2).sum()
    # of the squared deviations, those of the zeros are the squared means
    deviation = squares + (counts.data**2 - 2 * counts.data * mean).sum()
    return float(max(LEAST_DISPERSION, (deviation - depth.sum() * share.sum()) / squares))
