"""Why the genes of two sides do not match, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from atlash.data.identifiers import guess_species, identifier_kind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Naming:
    """One side's gene names, and what messages call the side."""

    names: NDArray[np.object_]
    owner: str


def explain_mismatch(query: Naming, reference: Naming, found: tuple[int, float, float]) -> str:
    """Say how little is shared, show both sides' names, and give the likely cause.

    Parameters
    ----------
    query, reference
        The two sides.
    found
        Number of shared genes, their share of the weight, and the share needed.
    """
    n_shared, share, needed = found
    least = f"at least {needed:.0%} is needed" if needed else "at least one gene is needed"
    return (
        f"{query.owner} has {n_shared:,} of the reference's {len(reference.names):,} genes, "
        f"with {share:.0%} of the weight; {least}. The reference names "
        f"genes like {_examples(reference)}, the query like {_examples(query)}. "
        f"{_likely_cause(query, reference)}"
    )


def _examples(side: Naming) -> str:
    named = [name for name in side.names if name]
    return ", ".join(repr(named[k]) for k in sorted({0, len(named) // 2})) if named else "nothing"


def _likely_cause(query: Naming, reference: Naming) -> str:
    """Return the remedy for the first cause that fits."""
    kinds = identifier_kind(query.names), identifier_kind(reference.names)
    species = guess_species(query.names), guess_species(reference.names)
    if "other" not in species and species[0] != species[1]:
        return (
            f"The query looks like {species[0]}, the reference like {species[1]}: use a "
            f"reference of the query's species, or map the query to {species[1]} orthologues "
            "first."
        )
    if kinds[0] != kinds[1]:
        wanted = {"ensembl": "Ensembl ids", "symbol": "gene symbols", "other": "such ids"}
        return (
            f"Put {wanted[kinds[1]]} in a column of the query's `var`, for example "
            f"`var[{'gene_ids' if kinds[1] == 'ensembl' else 'gene_symbols'!r}]`, or name the "
            "column that has them with `gene_column`."
        )
    mangled = _n_shared_unmangled(query, reference)
    if mangled > 2 * found_exact(query, reference):
        return (
            f"{mangled:,} names would match but for '.', '_' and '-': the query seems to come "
            "from R. Restore the original names in `adata.var_names`."
        )
    shared = found_exact(query, reference)
    if shared and shared >= 0.5 * len(query.names):
        return (
            f"{shared:,} of the query's {len(query.names):,} names are the reference's, so naming "
            "is not at fault: most genes are missing. Pass the cells from before genes were "
            "chosen (perhaps `layer='raw'`), or lower `min_shared` if no more were measured."
        )
    return (
        "Set `adata.var_names` to the same naming, choose a column with `gene_column`, or "
        "lower `min_shared` if the query really measured so few genes."
    )


def _unmangle(names: NDArray[np.object_]) -> set[str]:
    return {name.replace("_", "-").replace(".", "-") for name in names if name}


def _n_shared_unmangled(query: Naming, reference: Naming) -> int:
    return len(_unmangle(query.names) & _unmangle(reference.names))


def found_exact(query: Naming, reference: Naming) -> int:
    """Count the names that both sides have."""
    return len(set(query.names) & set(reference.names) - {""})
