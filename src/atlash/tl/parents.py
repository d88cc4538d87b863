"""Columns that a reference with a hierarchy adds to the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atlash.keys import ASSIGNED, PARENT_ONLY, UNASSIGNED

if TYPE_CHECKING:
    from atlash.keys import AnnotationKeys
    from atlash.models.back_off import ParentAnswer
    from atlash.models.family import Family


def parent_columns(keys: AnnotationKeys) -> tuple[str, str]:
    """Return the columns that a reference with a hierarchy alone writes."""
    return keys.parent, keys.parent_confidence


def with_parents(
    obs: pd.DataFrame,
    answer: ParentAnswer,
    family: Family,
    *,
    keys: AnnotationKeys,
    force: bool,
) -> pd.DataFrame:
    """Return the columns of an annotation with those of the parents after the labels'.

    Cells that are backed off bear the parent's name as their label, unless every cell is to have
    a type, and a status of their own.
    """
    names = np.array([*family.parents, UNASSIGNED], dtype=object)
    parent = names[answer.parent]  # -1 is the last one
    label = obs[keys.label].to_numpy(dtype=object)
    if not force:
        label = np.where(answer.backed_off, parent, label)
    status = obs[keys.status].to_numpy(dtype=object)
    status = np.where(answer.backed_off, PARENT_ONLY, status)
    known = [*obs[keys.nearest].cat.categories, *family.parents, UNASSIGNED]
    columns: dict[Any, Any] = {name: obs[name] for name in obs}
    columns[keys.label] = _categories(label, list(dict.fromkeys(known)))
    columns[keys.status] = pd.Categorical(status, [ASSIGNED, PARENT_ONLY, UNASSIGNED])
    new = {
        keys.parent: _categories(parent, list(names)),
        keys.parent_confidence: answer.confidence,
    }
    order = list(columns)
    place = order.index(keys.confidence) + 1
    columns |= new
    return pd.DataFrame(columns, index=obs.index)[[*order[:place], *new, *order[place:]]]


def _categories(values: np.ndarray, names: list[str]) -> pd.Categorical[str]:
    return pd.Categorical(values, names).remove_unused_categories()
