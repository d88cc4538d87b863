"""Types that cells could be given, and their parents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atlash.keys import PARENT_ONLY, UNASSIGNED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from atlash.keys import AnnotationKeys
    from atlash.reference import Reference


@dataclass(frozen=True)
class Taxonomy:
    """Types, and which parent each lies below.

    Attributes
    ----------
    types
        Names of the types.
    parents
        Names of the parents; none without a hierarchy.
    parent_of
        Parent of each type; a type is missing if its parent is not known.
    """

    types: list[str]
    parents: list[str]
    parent_of: Mapping[str, str]

    @classmethod
    def of(cls, types: list[str], parents: list[str]) -> Taxonomy:
        """Return the taxonomy of types, given the parent of each, or no parents."""
        above = dict(zip(types, parents, strict=True)) if parents else {}
        return cls(types, list(dict.fromkeys(above.values())), above)


def taxonomy_of(reference: Reference) -> Taxonomy:
    """Return the types of a reference, and their parents."""
    return Taxonomy.of(reference.types, list(reference.annotator.parents))


def written_taxonomy(
    about: Mapping[str, Any], obs: pd.DataFrame, keys: AnnotationKeys
) -> Taxonomy:
    """Return the types and parents that written answers tell of.

    Parameters
    ----------
    about
        What annotation wrote to ``uns``; may be empty. Then the types are those that were given
        to some cell, and the parents those that stand beside them.
    obs
        The answers, of ``n`` cells.
    keys
        Names of the answers.
    """
    if names_types(about):
        types = [str(name) for name in about["types"]]
        parents = [str(name) for name in about.get("parents", ())]
        return Taxonomy.of(types, parents if keys.parent in obs else [])
    label = as_names(obs[keys.label])
    nearest = as_names(obs[keys.nearest]) if keys.nearest in obs else label[:0]
    if keys.parent not in obs:
        return Taxonomy.of(sorted({*label, *nearest} - {UNASSIGNED}), [])
    parent = as_names(obs[keys.parent])
    over = {above for name, above in zip(label, parent, strict=True) if name != above}
    # a label that is the parent of others was given for want of a type, and an orphan is a type
    alone = with_parent_alone(obs, keys, types={*label} - over)
    given = pd.DataFrame({"type": label, "parent": parent})[~alone].drop_duplicates()
    given = given[(given != UNASSIGNED).all(axis=1)]
    return Taxonomy(
        types=sorted({*given["type"], *nearest} - {UNASSIGNED}),
        parents=sorted({*parent} - {UNASSIGNED}),
        parent_of=dict(zip(given["type"], given["parent"], strict=True)),
    )


def names_types(about: Mapping[str, Any]) -> bool:
    """Tell whether what annotation wrote to ``uns`` says which types there were, in order."""
    return "types" in about


def with_parent_alone(
    obs: pd.DataFrame, keys: AnnotationKeys, *, types: set[str]
) -> NDArray[np.bool_]:
    """Return which cells bear their parent's name for want of a type ``(n,)``.

    A type may have its parent's name, so the status tells; without one a label that is no type
    does.

    Parameters
    ----------
    obs
        Answers at both levels.
    keys
        Their names.
    types
        Names of the types.
    """
    label, parent = as_names(obs[keys.label]), as_names(obs[keys.parent])
    named = np.equal(label, parent) & (parent != UNASSIGNED)
    if keys.status in obs:
        return np.asarray(named & (as_names(obs[keys.status]) == PARENT_ONLY))
    return np.asarray(named & ~pd.Index(label).isin(list(types)))


def as_names(values: pd.Series[Any]) -> NDArray[Any]:
    """Return names as text; a cell without one is unassigned."""
    codes, found = pd.factorize(values)
    return np.array([*(str(name) for name in found), UNASSIGNED], dtype=object)[codes]
