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
    """

    counts: sp.csr_array
    key: NDArray[np.uint64]

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
    expected = other * depth
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
