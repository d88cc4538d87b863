"""A type that is registered with a reference after it was learned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from atlash.codes.spare_anchor import spare_anchor
from atlash.data.source import open_source
from atlash.errors import InputError, did_you_mean
from atlash.keys import UNASSIGNED
from atlash.models.encode import bind_source
from atlash.models.registered import Registration, check_new_type, register
from atlash.reference.growth import Change
from atlash.reference.state import anchor_frame, annotator_arrays

if TYPE_CHECKING:
    from atlash.config import InputConfig
    from atlash.data.source import Cells
    from atlash.models.annotator import Annotator
    from atlash.reference.cells import CellTable


@dataclass(frozen=True)
class Taught:
    """An annotator that knows one type more.

    Attributes
    ----------
    name
        The type.
    annotator
        What knows it.
    registration
        What was measured on the way.
    """

    name: str
    annotator: Annotator
    registration: Registration


def teach(
    annotator: Annotator,
    name: str,
    cells: Cells,
    *,
    options: InputConfig,
    parent: str | None = None,
) -> Taught:
    """Return an annotator that knows a further type, from a few of its cells.

    Raises
    ------
    InputError
        If the name is taken or that of no type, the cells are too few or cannot be used, or the
        annotator keeps no exemplars or does not know the parent.
    """
    name = name.strip() if isinstance(name, str) else name
    if isinstance(name, str) and name.casefold() == UNASSIGNED:
        msg = f"{name!r} is what atlash calls cells of no type. Give the new type another name."
        raise InputError(msg)
    parents = annotator.parents + parent_of_new(name, parent, annotator)
    if annotator.exemplars is None:
        msg = (
            "This reference was saved by a version that kept no cells to set new types against. "
            "Build it anew to register types."
        )
        raise InputError(msg)
    source = open_source(cells, options.layer)
    check_new_type(name, source.n_cells, annotator.types)
    bound = bind_source(source, annotator, options)
    X = sp.vstack([part.X for part in bound.chunks(options.chunk_size)], format="csr")
    X = sp.csr_array(X)
    measured = bound.measured_features
    found = register(
        name,
        X,
        annotator.exemplars,
        measured=measured,
        space=annotator.novelty.space,
        types=annotator.types,
    )
    bits = annotator.codes(X, measured).z > 0
    anchor = spare_anchor(bits, annotator.anchors)
    taught = replace(
        annotator,
        types=[*annotator.types, name],
        anchors=np.vstack([annotator.anchors, anchor[None]]).astype(np.int8),
        exemplars=found.exemplars,
        detectors=(*annotator.detectors, found.detector),
        parents=parents,
    )
    return Taught(name, taught, found)


def parent_of_new(name: str, parent: str | None, annotator: Annotator) -> tuple[str, ...]:
    """Return the parent of a new type, by default itself; nothing without a hierarchy.

    Raises
    ------
    InputError
        If there is no such parent, or the name is that of another one.
    """
    if not annotator.parents:
        if parent is None:
            return ()
        msg = (
            f"{name!r} is to have the parent {parent!r}, but this reference has no hierarchy. "
            "Leave `parent` out, or build the reference with parents."
        )
        raise InputError(msg)
    known = list(dict.fromkeys(annotator.parents))
    if parent in (None, name):
        return (name,)
    if parent not in known:
        listed = ", ".join(map(repr, known[:5])) + (", ..." * (len(known) > 5))
        msg = f"There is no parent {parent!r}; there are {listed}.{did_you_mean(parent, known)}"
        raise InputError(msg)
    if name in known:
        msg = (
            f"{name!r} is a parent, so it cannot be a type of {parent!r}: a name stands for one "
            "level. Give the type another name."
        )
        raise InputError(msg)
    return (parent,)


def registration(
    _cells: CellTable, meta: dict[str, Any], *, taught: Taught, before: dict[str, Any]
) -> Change:
    """Return the change that keeps a registered type.

    Raises
    ------
    InputError
        If someone else has registered a type since.
    """
    known = meta.get("registered", [])
    if known != before.get("registered", []):
        names = ", ".join(repr(entry["name"]) for entry in known)
        msg = f"Others have registered types meanwhile ({names}). Load the reference again."
        raise InputError(msg)
    found = taught.registration
    entry = {
        "name": taught.name,
        "n_cells": found.n_cells,
        "found": found.found,
        "given_up": found.given_up,
        "closest": found.closest,
        "auroc": found.auroc,
    }
    if taught.annotator.parents:
        entry["parent"] = taught.annotator.parents[-1]
    types = meta["types"] | {taught.name: found.n_cells}
    changed = meta | {
        "types": types,
        "labels": meta.get("labels", meta["types"]),
        "registered": [*known, entry],
    }
    counts = np.array([types[name] for name in taught.annotator.types])
    return Change(
        meta=changed,
        arrays=annotator_arrays(taught.annotator),
        anchors=anchor_frame(taught.annotator, counts),
        note=f"registered {taught.name!r} from {found.n_cells:,} cells",
    )
