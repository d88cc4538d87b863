"""Answers to be evaluated: given anew by a reference, or written by an earlier run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atlash.data.storage import open_group, read_frame
from atlash.errors import EmptyInputError, InputError, KeyNotFoundError
from atlash.keys import UNASSIGNED, AnnotationKeys
from atlash.tl.annotate import annotate_cells

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from atlash.data.source import Cells
    from atlash.reference import Reference
    from atlash.tl.annotate import Request


@dataclass(frozen=True)
class Answers:
    """What each of ``n`` cells was called, and among which types.

    Attributes
    ----------
    types
        Types that could be given.
    label
        Type of each cell, or ``"unassigned"``, ``(n,)`` of text.
    nearest
        Most similar type of each cell ``(n,)``; ``None`` if it was not kept.
    confidence
        Probability that ``nearest`` is right ``(n,)``, in [0, 1]; ``None`` if it was not kept.
    sets
        Types that cannot be excluded, bool ``(n, n_types)``; ``None`` if they were not kept.
    training
        Cells that each type was learned from; ``None`` without the reference.
    """

    types: list[str]
    label: NDArray[Any]
    nearest: NDArray[Any] | None
    confidence: NDArray[np.float64] | None
    sets: NDArray[np.bool_] | None
    training: Mapping[str, int] | None


@dataclass(frozen=True)
class Stored:
    """The parts of an AnnData that answers are in."""

    obs: pd.DataFrame
    obsm: Mapping[str, Any]
    uns: Mapping[str, Any]


def given_anew(cells: Cells, reference: Reference, request: Request) -> Answers:
    """Annotate cells; see :func:`atlash.tl.annotate`, whose errors it raises."""
    found = annotate_cells(cells, reference, request)
    stored = Stored(found.obs, found.obsm, found.uns)
    return _answers(stored, request.keys, reference.types, reference)


def stored_answers(stored: Stored, keys: AnnotationKeys, reference: Reference | None) -> Answers:
    """Return the answers that are in an annotated AnnData.

    Parameters
    ----------
    stored
        The AnnData's parts.
    keys
        Names of the answers.
    reference
        The reference that gave them; ``None`` if it is not at hand.

    Raises
    ------
    KeyNotFoundError
        If there is no column with labels.
    InputError
        If another reference gave the answers.
    """
    if keys.label not in stored.obs:
        others = [str(name) for name in stored.obs if str(name).endswith("_label")]
        hint = f" There is {others[0]!r}." if others else ""
        msg = (
            f"There is no column {keys.label!r} in obs, which annotation writes.{hint} Pass a "
            "reference to annotate the cells, or the prefix that they were annotated with "
            "(`key_added`)."
        )
        raise KeyNotFoundError(msg)
    about = stored.uns.get(keys.provenance, {})
    written = about.get("reference_fingerprint")
    if reference is not None and written is not None and written != reference.fingerprint:
        msg = (
            f"The labels in {keys.label!r} come from a reference with the fingerprint "
            f"{written[:12]}, but this one has {reference.fingerprint[:12]}. Pass the one that "
            f"gave them, or none, or annotate anew by leaving out the prefix {keys.prefix!r}."
        )
        raise InputError(msg)
    if reference is not None:
        types = reference.types
    elif "types" in about:
        types = [str(name) for name in about["types"]]
    else:
        types = _types_of(stored.obs, keys)
    return _answers(stored, keys, types, reference)


def open_stored(cells: Cells, keys: AnnotationKeys) -> Stored:
    """Return what an AnnData or its file says of its cells; the matrix is not read.

    Raises
    ------
    FileFormatError
        If a file is missing, damaged or of another format.
    EmptyInputError
        If there are no cells.
    InputError
        If it is no AnnData.
    """
    stored = _stored(cells, keys)
    if not len(stored.obs):
        msg = "The AnnData has no cells; there is nothing to evaluate."
        raise EmptyInputError(msg)
    return stored


def _stored(cells: Cells, keys: AnnotationKeys) -> Stored:
    if not isinstance(cells, str | Path):
        if not hasattr(cells, "obs_names"):
            msg = (
                "Cells must be an AnnData or the path of a .h5ad file or zarr store, got "
                f"{type(cells).__name__}."
            )
            raise InputError(msg)
        return Stored(cells.obs, cells.obsm, cells.uns)
    from anndata.io import read_elem

    path = Path(cells).expanduser()
    group = open_group(path)
    kept: dict[str, dict[str, Any]] = {"obsm": {}, "uns": {}}
    for section, key in (("obsm", keys.sets), ("uns", keys.provenance)):
        if section in group and key in group[section]:
            kept[section][key] = read_elem(group[section][key])
    return Stored(read_frame(group, "obs", path.name), kept["obsm"], kept["uns"])


def _answers(
    stored: Stored, keys: AnnotationKeys, types: list[str], reference: Reference | None
) -> Answers:
    obs, sets = stored.obs, stored.obsm.get(keys.sets)
    fits = sets is not None and np.shape(sets) == (len(obs), len(types))
    confidence = obs[keys.confidence].to_numpy(np.float64) if keys.confidence in obs else None
    return Answers(
        types=types,
        label=_text(obs[keys.label]),
        nearest=_text(obs[keys.nearest]) if keys.nearest in obs else None,
        confidence=confidence,
        sets=np.asarray(sets, dtype=bool) if fits else None,
        training=None if reference is None else reference.meta["types"],
    )


def _types_of(obs: pd.DataFrame, keys: AnnotationKeys) -> list[str]:
    """Return the types that were given to some cell, for want of a list of all."""
    columns = [key for key in (keys.label, keys.nearest) if key in obs]
    return sorted({name for key in columns for name in _text(obs[key])} - {UNASSIGNED})


def _text(values: pd.Series[Any]) -> NDArray[Any]:
    """Return names as text; a cell without a label is unassigned."""
    codes, found = pd.factorize(values)
    return np.array([*(str(name) for name in found), UNASSIGNED], dtype=object)[codes]
