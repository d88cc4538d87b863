"""The genes that a pre-trained encoder knows, by name."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from atlash.data.genes import GeneTable, match_genes, merge_genes, read_gene_names
from atlash.data.identifiers import clean_ids, identifier_kind
from atlash.data.normalize import BoundSource, Recipe, bind, warn_of_unnamed
from atlash.data.variable import rank_by_dispersion
from atlash.errors import EmptyInputError, GeneMismatchError, InputError
from atlash.progress import track

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from atlash.config import InputConfig
    from atlash.data.genes import GeneMatch, GeneNames
    from atlash.data.source import CellSource

N_EXAMPLES = 5
"""Unknown genes that are named."""


FEW_KNOWN = 0.5
"""Share of a vocabulary's weight below which cells measured little of it."""


class UnknownGenesWarning(UserWarning):
    """Cells measured little of what an encoder knows."""


@contextmanager
def _as_vocabulary() -> Iterator[None]:
    """Say of genes that do not match that the encoder's vocabulary is what they are matched to."""
    try:
        yield
    except GeneMismatchError as error:
        msg = f"No gene is in the encoder's vocabulary, which is the reference here. {error}"
        raise GeneMismatchError(msg) from error


@dataclass(frozen=True)
class Vocabulary:
    """Genes in fixed order, with what each is worth.

    Attributes
    ----------
    genes
        The genes.
    weight
        Share of the training cells' tokens that each gene has ``(n_genes,)``, above 0, sum 1.
    """

    genes: GeneTable
    weight: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of genes."""
        return len(self.genes)

    @property
    def recipe(self) -> Recipe:
        """How cells are normalised: all genes of the vocabulary are read."""
        return Recipe(self.genes, self.weight, np.arange(len(self), dtype=np.int32))

    def bind(self, source: CellSource, options: InputConfig) -> BoundSource:
        """Match a source's genes and find its scale.

        Raises
        ------
        GeneMismatchError
            No gene of the source is in the vocabulary.
        KeyNotFoundError, ScaleError, InvalidValuesError
            As :func:`atlash.data.normalize.bind` does.
        """
        with _as_vocabulary():
            bound = bind(self.recipe, source, options, weight=self.weight)
        warn_of_unnamed(bound)
        return bound

    def match(self, names: GeneNames) -> GeneMatch:
        """Match the genes of a table.

        Raises
        ------
        GeneMismatchError
            No gene of the table is in the vocabulary.
        """
        with _as_vocabulary():
            return match_genes(names, self.genes, weight=self.weight, min_shared=0.0)

    def to_frame(self) -> pd.DataFrame:
        """Return one row a gene."""
        return self.genes.to_frame().assign(weight=self.weight)

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> Vocabulary:
        """Rebuild the vocabulary from what `to_frame` gave."""
        return cls(GeneTable.from_frame(frame), frame["weight"].to_numpy(np.float64))


def genes_known(bound: BoundSource) -> dict[str, Any]:
    """Return how many of a source's genes are known, and names of some that are not; JSON."""
    unknown = bound.match.gene_of_column < 0
    names = bound.source.var.index[unknown]
    return {
        "n_genes": len(unknown),
        "n_genes_known": int((~unknown).sum()),
        "n_vocabulary_measured": bound.match.n_shared,
        "weight_measured": bound.match.weight_shared,
        "unknown_examples": [str(name) for name in names[:N_EXAMPLES]],
    }


def learn_vocabulary(
    sources: Sequence[CellSource],
    options: InputConfig,
    *,
    n_genes: int,
    names: Sequence[str] | None,
    progress: bool,
) -> Vocabulary:
    """Choose genes and weigh them, by one pass over all cells, which checks their values.

    Parameters
    ----------
    sources
        The cells.
    options
        How to read them.
    n_genes
        Most genes; each source names its most variable in turn. Without effect on given names.
    names
        The genes to take; ``None`` chooses among those that are expressed.
    progress
        Show progress.

    Raises
    ------
    EmptyInputError
        No cell expresses two genes.
    GeneMismatchError
        The sources share no kind of identifier, or a source none of the given names.
    InputError
        Names are given twice or are empty.
    """
    if names is None:
        read = [read_gene_names(s.var, options.gene_column, source_name=s.name) for s in sources]
        genes, _ = merge_genes(read)
    else:
        genes = _given(names)
    everything = Vocabulary(genes, np.full(len(genes), 1 / len(genes)))
    bounds = [everything.bind(source, options) for source in sources]
    moments, detected, filled = [], np.zeros(len(genes)), False
    with track("Choosing genes", sum(s.n_cells for s in sources), show=progress) as advance:
        for bound in bounds:
            total, squares = np.zeros(len(genes)), np.zeros(len(genes))
            for part in bound.chunks(options.chunk_size):
                column, linear = part.X.indices, np.expm1(part.X.data.astype(np.float64))
                total += np.bincount(column, weights=linear, minlength=len(genes))
                squares += np.bincount(column, weights=linear**2, minlength=len(genes))
                detected += np.bincount(column, minlength=len(genes))
                filled |= bool((np.diff(part.X.indptr) > 1).any())
                advance(part.X.shape[0])
            mean = total / bound.n_cells
            moments.append((mean, np.maximum(squares / bound.n_cells - mean**2, 0)))
    if not filled:
        msg = (
            f"None of the {sum(s.n_cells for s in sources):,} cells expresses two genes that can "
            "be learned; hidden values are predicted from others. Check the matrix, or `layer`."
        )
        raise EmptyInputError(msg)
    if names is not None:
        return Vocabulary(genes, (detected + 1) / (detected + 1).sum())
    ranked = _in_turn(moments)
    chosen = np.sort(ranked[detected[ranked] > 0][:n_genes])
    weight = detected[chosen] / detected[chosen].sum()
    return Vocabulary(GeneTable.from_frame(genes.to_frame().iloc[chosen]), weight)


def _in_turn(
    moments: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> NDArray[np.int64]:
    """Return all genes, each source naming its most variable in turn.

    So a source alone in its species or panel has its say; ties go to genes that vary in more
    sources.
    """
    orders = [rank_by_dispersion([pair], n_top=1) for pair in moments]
    ranks = np.array([np.argsort(order) for order in orders])
    return np.lexsort((np.median(ranks, axis=0), ranks.min(axis=0)))


def _given(names: Sequence[str]) -> GeneTable:
    """Return given names as genes."""
    ids = clean_ids(names)
    seen: set[str] = set()
    for name in ids:
        if not name or name in seen:
            what = f"{name!r} twice" if name else "an empty name"
            msg = f"The vocabulary of {len(ids):,} genes has {what}; each gene needs one name."
            raise InputError(msg)
        seen.add(name)
    if len(ids) < 2:
        msg = f"The vocabulary has {len(ids)} genes; at least 2 are needed."
        raise InputError(msg)
    return GeneTable(ids, identifier_kind(ids))
