"""Which column of the query is which gene of the reference."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from atlash.data.mismatch import Naming, explain_mismatch
from atlash.errors import GeneMismatchError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.data.genes import GeneNames, GeneTable


class DuplicateGenesWarning(UserWarning):
    """Several columns of the cells are the same gene; they are summed."""


@dataclass(frozen=True)
class GeneMatch:
    """Which column of the query is which gene of the reference.

    Parameters
    ----------
    gene_of_column
        Gene of each query column, ``(n_columns,)`` int32, -1 where the reference has none.
    measured
        Which genes the query has, ``(n_genes,)``.
    n_shared
        Their number.
    weight_shared
        Their share of the weight, in [0, 1].
    naming
        Labels of the two namings that matched, the query's first.
    n_duplicates
        Query columns whose gene an earlier column already is; the projection sums them.
    """

    gene_of_column: NDArray[np.int32]
    measured: NDArray[np.bool_]
    n_shared: int
    weight_shared: float
    naming: tuple[str, str]
    n_duplicates: int


def match_genes(
    query: GeneNames,
    reference: GeneTable,
    *,
    weight: NDArray[np.floating],
    min_shared: float,
) -> GeneMatch:
    """Find the query's genes in the reference by exact name.

    Every naming of the query is tried against every naming of the reference; the pair that
    carries most weight wins, the first on a tie. Case is never folded: CD3E and Cd3e are
    genes of different species.

    Parameters
    ----------
    query, reference
        The two sides.
    weight
        What each reference gene is worth, ``(n_genes,)``, not negative, sum 1.
    min_shared
        Least weight that must be shared, in [0, 1].

    Raises
    ------
    GeneMismatchError
        Less weight is shared, or no gene at all; the message says why it may be.

    Warns
    -----
    DuplicateGenesWarning
        Several query columns are one gene.
    """
    best = max(
        (
            _match(names, targets, weight=weight, naming=(label, target))
            for label, names in query.namings.items()
            for target, targets in reference.namings.items()
        ),
        key=lambda match: match.weight_shared,
    )
    if best.weight_shared < min_shared or best.n_shared == 0:
        sides = Naming(query.primary, query.source_name), Naming(reference.ids, "the reference")
        found = best.n_shared, best.weight_shared, min_shared
        raise GeneMismatchError(explain_mismatch(*sides, found))
    if best.n_duplicates:
        names = query.namings[best.naming[0]][best.gene_of_column >= 0]
        repeated = pd.Series(names)
        msg = (
            f"{query.source_name}: {best.n_duplicates:,} columns repeat a gene that another "
            f"column has, for example {repeated[repeated.duplicated()].iloc[0]!r}; "
            "they are summed."
        )
        warnings.warn(msg, DuplicateGenesWarning, stacklevel=2)
    return best


def _match(
    names: NDArray[np.object_],
    targets: NDArray[np.object_],
    *,
    weight: NDArray[np.floating],
    naming: tuple[str, str],
) -> GeneMatch:
    """Match one naming with another."""
    rows = range(len(targets) - 1, -1, -1)
    row_of = dict(zip(reversed(targets.tolist()), rows, strict=True))  # of equal names the first
    row_of.pop("", None)
    found = np.array([row_of.get(name, -1) for name in names.tolist()], dtype=np.int32)
    measured = np.zeros(len(targets), dtype=bool)
    measured[found[found >= 0]] = True
    n_shared = int(measured.sum())
    share = float(weight[measured].sum())
    n_duplicates = int((found >= 0).sum()) - n_shared
    return GeneMatch(found, measured, n_shared, share, naming, n_duplicates)
