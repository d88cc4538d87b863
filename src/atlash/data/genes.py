"""Genes are known by name, never by position: naming columns and a reference's genes."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from atlash.data.columns import has_column, one_column
from atlash.data.identifiers import GeneKind, clean_ids, identifier_kind
from atlash.data.matching import GeneMatch, match_genes
from atlash.errors import GeneMismatchError, KeyNotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = [
    "GeneMatch",
    "GeneNames",
    "GeneTable",
    "match_genes",
    "merge_genes",
    "read_gene_names",
]

NAME_COLUMNS = (
    "gene_ids", "gene_id", "ensembl", "ensembl_id", "ensembl_ids", "feature_id",
    "feature_name", "gene_symbols", "gene_symbol", "symbol", "symbols", "gene_name",
    "gene_names", "gene_short_name",
)  # fmt: skip
"""Columns of ``var`` in which the field keeps gene names."""


_ALTERNATES: tuple[GeneKind, GeneKind] = ("symbol", "ensembl")


@dataclass(frozen=True)
class GeneNames:
    """The names of one source's columns: the chosen naming first, then others.

    Parameters
    ----------
    namings
        From the naming's label (``"var_names"`` or the column) to cleaned names,
        ``(n_columns,)``, ``""`` where missing. At most one alternate of each kind.
    source_name
        What messages call the source.
    """

    namings: dict[str, NDArray[np.object_]]
    source_name: str

    @property
    def primary(self) -> NDArray[np.object_]:
        """Names of the chosen naming, ``(n_columns,)``."""
        return next(iter(self.namings.values()))

    def of_kind(self, kind: GeneKind) -> NDArray[np.object_] | None:
        """Return the first naming of that kind, ``None`` where there is none."""
        for names in self.namings.values():
            if identifier_kind(names) == kind:
                return names
        return None


def read_gene_names(
    var: pd.DataFrame, gene_column: str | None = None, *, source_name: str
) -> GeneNames:
    """Collect the ways in which ``var`` names its genes.

    Parameters
    ----------
    var
        One row a gene.
    gene_column
        Column with the identifiers to use; ``None`` stands for the index.
    source_name
        What messages call the source.

    Raises
    ------
    KeyNotFoundError
        ``gene_column`` does not exist.
    InputError
        Several columns are called so.
    """
    if gene_column is not None and not has_column(var, gene_column):
        columns = [str(column) for column in var.columns]
        listed = ", ".join(map(repr, columns)) or "no columns"
        msg = f"The `var` of {source_name} has no column {gene_column!r}; it has {listed}."
        near = difflib.get_close_matches(str(gene_column), columns, n=1, cutoff=0.4)
        msg += (
            f" Try `gene_column={near[0]!r}`." if near else " Drop `gene_column` to use the names."
        )
        raise KeyNotFoundError(msg)
    offered = {"var_names": clean_ids(var.index)}
    single = [column for column in NAME_COLUMNS if list(var.columns).count(column) == 1]
    offered |= {column: clean_ids(var[column]) for column in single}
    chosen = gene_column or "var_names"
    if chosen not in offered:
        offered[chosen] = clean_ids(one_column(var, chosen))
    namings = {chosen: offered.pop(chosen)}
    kinds = {identifier_kind(namings[chosen]), "other"}
    for label, names in offered.items():
        kind = identifier_kind(names)
        if kind not in kinds:
            namings[label] = names
            kinds.add(kind)
    return GeneNames(namings, source_name)


@dataclass(frozen=True)
class GeneTable:
    """The genes of a reference, in fixed order.

    Parameters
    ----------
    ids
        Unique identifiers, ``(n_genes,)``.
    kind
        What the identifiers are.
    symbol, ensembl
        The same genes in another naming, ``""`` where unknown; ``None`` where there is none.
    """

    ids: NDArray[np.object_]
    kind: GeneKind
    symbol: NDArray[np.object_] | None = None
    ensembl: NDArray[np.object_] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def namings(self) -> dict[str, NDArray[np.object_]]:
        """From label to names, the identifiers first."""
        alternates = {"symbol": self.symbol, "ensembl": self.ensembl}
        return {"id": self.ids} | {k: v for k, v in alternates.items() if v is not None}

    def to_frame(self) -> pd.DataFrame:
        """Return the columns ``id`` and, where known, ``symbol`` and ``ensembl``."""
        return pd.DataFrame(self.namings)

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> GeneTable:
        """Rebuild the table from what `to_frame` gave."""
        namings = {
            name: clean_ids(frame[name]) for name in ("id", "symbol", "ensembl") if name in frame
        }
        ids = namings["id"]
        return cls(ids, identifier_kind(ids), namings.get("symbol"), namings.get("ensembl"))


def merge_genes(sources: Sequence[GeneNames]) -> tuple[GeneTable, NDArray[np.bool_]]:
    """Join the genes of several sources in first-seen order.

    Parameters
    ----------
    sources
        At least one. The identifiers are those of the first source's naming that every
        source offers.

    Returns
    -------
    The table of all genes, and which source measured which, ``(n_sources, n_genes)``.

    Raises
    ------
    GeneMismatchError
        No kind of identifier is offered by all sources.
    """
    kind = _common_kind(sources)
    ids_of = [ids for source in sources if (ids := source.of_kind(kind)) is not None]
    row_of: dict[str, int] = {}
    for ids in ids_of:
        for name in filter(None, ids):
            row_of.setdefault(name, len(row_of))
    measured = np.zeros((len(sources), len(row_of)), dtype=bool)
    for present, ids in zip(measured, ids_of, strict=True):
        present[[row_of[name] for name in filter(None, ids)]] = True
    symbol, ensembl = (
        None if other == kind else _alternate(other, sources, ids_of, row_of)
        for other in _ALTERNATES
    )
    return GeneTable(clean_ids(row_of), kind, symbol, ensembl), measured


def _alternate(
    kind: GeneKind,
    sources: Sequence[GeneNames],
    ids_of: Sequence[NDArray[np.object_]],
    row_of: Mapping[str, int],
) -> NDArray[np.object_] | None:
    """Return each gene's first known name of another kind, ``None`` if no source has it."""
    known: dict[str, str] = {}
    for source, ids in zip(sources, ids_of, strict=True):
        names = source.of_kind(kind)
        if names is not None:
            for name, alternate in zip(ids, names, strict=True):
                if alternate:
                    known.setdefault(name, alternate)
    return clean_ids(known.get(name, "") for name in row_of) if known else None


def _common_kind(sources: Sequence[GeneNames]) -> GeneKind:
    """Return the first source's first kind of identifier that all sources have."""
    for names in sources[0].namings.values():
        kind = identifier_kind(names)
        lacking = [source for source in sources if source.of_kind(kind) is None]
        if not lacking:
            return kind
    first, other = sources[0], lacking[0]
    msg = (
        f"{first.source_name} names genes like {_example(first.primary)!r}, "
        f"{other.source_name} like {_example(other.primary)!r}, and no column of `var` holds "
        "the other kind. Add one (for example `var['gene_symbols']` or `var['gene_ids']`), or "
        "name it with `gene_column`."
    )
    raise GeneMismatchError(msg)


def _example(names: NDArray[np.object_]) -> str:
    return str(next((name for name in names if name), ""))
