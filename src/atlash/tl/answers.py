"""Answers to be evaluated: given anew by a reference, or written by an earlier run."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atlash.data.storage import open_group, read_frame
from atlash.errors import EmptyInputError, InputError, KeyNotFoundError
from atlash.keys import UNASSIGNED, AnnotationKeys
from atlash.tl.annotate import annotate_cells
from atlash.tl.taxonomy import (
    Taxonomy,
    as_names,
    names_types,
    taxonomy_of,
    with_parent_alone,
    written_taxonomy,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.data.source import Cells
    from atlash.reference import Reference
    from atlash.tl.annotate import Request


_NONE = np.array(None, dtype=object)


class GuessedTypesWarning(UserWarning):
    """Which types could have been given is not told, and is taken from the labels."""


@dataclass(frozen=True)
class Answers:
    """What each of ``n`` cells was called at one level, and among which types.

    Attributes
    ----------
    types
        Types that could be given; at the level of parents, the parents.
    label
        Type of each cell, or ``"unassigned"``, ``(n,)`` of text.
    nearest
        Most similar type of each cell ``(n,)``, or its parent; ``None`` if it was not kept.
    stated
        Type whose probability ``confidence`` is ``(n,)``, ``"unassigned"`` where that is not
        told; ``None`` if it was not kept.
    confidence
        Probability that ``stated`` is right ``(n,)``, in [0, 1]; ``None`` if it was not kept.
    sets
        Types that cannot be excluded, bool ``(n, n_types)``; ``None`` if they were not kept.
    training
        Labelled cells of each type that the reference was built from; ``None`` without it.
    parent_only
        Parent of each cell that was given no type but a parent, ``None`` for all others
        ``(n,)``; ``None`` where there is no level above.
    """

    types: list[str]
    label: NDArray[Any]
    nearest: NDArray[Any] | None
    stated: NDArray[Any] | None
    confidence: NDArray[np.float64] | None
    sets: NDArray[np.bool_] | None
    training: Mapping[str, int] | None
    parent_only: NDArray[Any] | None = None


@dataclass(frozen=True)
class Stored:
    """The parts of an AnnData that answers are in."""

    obs: pd.DataFrame
    obsm: Mapping[str, Any]
    uns: Mapping[str, Any]


def given_anew(cells: Cells, reference: Reference, request: Request) -> list[Answers]:
    """Annotate cells; see :func:`atlash.tl.annotate`, whose errors it raises.

    Returns
    -------
    The answers at each level, the coarse one first.
    """
    found = annotate_cells(cells, reference, request)
    stored = Stored(found.obs, found.obsm, found.uns)
    return answers_at_levels(stored, request.keys, taxonomy_of(reference), reference=reference)


def stored_taxonomy(stored: Stored, keys: AnnotationKeys, reference: Reference | None) -> Taxonomy:
    """Return the types, and their parents, that the answers in an annotated AnnData are among.

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

    Warns
    -----
    GuessedTypesWarning
        If neither a reference nor ``uns`` tells the types.
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
    about = _about(stored, keys)
    written = about.get("reference_fingerprint")
    if reference is not None and written is not None and written != reference.fingerprint:
        msg = (
            f"The labels in {keys.label!r} come from a reference with the fingerprint "
            f"{written[:12]}, but this one has {reference.fingerprint[:12]}. Pass the one that "
            f"gave them, or none, or annotate anew by leaving out the prefix {keys.prefix!r}."
        )
        raise InputError(msg)
    if reference is None:
        known = written_taxonomy(about, stored.obs, keys)
        if not names_types(about):
            _warn_of_guess(known, keys)
        return known
    known = taxonomy_of(reference)
    return known if keys.parent in stored.obs else Taxonomy.of(known.types, [])


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


def answers_at_levels(
    stored: Stored, keys: AnnotationKeys, known: Taxonomy, *, reference: Reference | None
) -> list[Answers]:
    """Return the answers at each level: of parents, if there are any, and of types.

    Parameters
    ----------
    stored
        The AnnData's parts.
    keys
        Names of the answers.
    known
        Types and parents that they are among.
    reference
        The reference that gave them; ``None`` if it is not at hand.
    """
    obs, sets = stored.obs, stored.obsm.get(keys.sets)
    ordered = reference is not None or names_types(_about(stored, keys))
    fits = ordered and sets is not None and np.shape(sets) == (len(obs), len(known.types))
    nearest = as_names(obs[keys.nearest]) if keys.nearest in obs else None
    of_types = Answers(
        types=known.types,
        label=as_names(obs[keys.label]),
        nearest=nearest,
        stated=nearest,
        confidence=_numbers(obs, keys.confidence),
        sets=np.asarray(sets, dtype=bool) if fits else None,
        training=None if reference is None else reference.meta["types"],
    )
    if not known.parents:
        return [of_types]
    settings = _about(stored, keys).get("settings", {})
    alone = with_parent_alone(obs, keys, types=set(known.types))
    if settings.get("force", False):
        alone[:] = False  # every cell was given a type
    parent = as_names(obs[keys.parent])
    of_types = replace(
        of_types,
        label=np.where(alone, UNASSIGNED, of_types.label),
        parent_only=np.where(alone, parent, _NONE),
    )
    return [_of_parents(of_types, known, parent, _numbers(obs, keys.parent_confidence)), of_types]


def _of_parents(
    of_types: Answers,
    known: Taxonomy,
    parent: NDArray[Any],
    confidence: NDArray[np.float64] | None,
) -> Answers:
    """Return answers at the level of parents; a parent has what its types have together."""
    above = [known.parent_of.get(name) for name in of_types.types]
    nearest, sets, training = of_types.nearest, of_types.sets, of_types.training
    if nearest is not None:
        codes, found = pd.factorize(nearest)
        names = [known.parent_of.get(name, UNASSIGNED) for name in found]
        nearest = np.array(names, dtype=object)[codes]
    if sets is not None:
        columns = [[name == other for other in above] for name in known.parents]
        sets = np.stack([sets[:, column].any(axis=1) for column in columns], axis=1)
    if training is not None:
        total = dict.fromkeys(known.parents, 0)
        for name, cells in training.items():
            total[known.parent_of[name]] += cells
        training = total
    return Answers(
        types=known.parents,
        label=parent,
        nearest=nearest,
        stated=parent,
        confidence=confidence,
        sets=sets,
        training=training,
    )


def _warn_of_guess(known: Taxonomy, keys: AnnotationKeys) -> None:
    msg = (
        f"`uns[{keys.provenance!r}]` does not tell which types cells could be given; "
        "`anndata.concat` leaves it out. Types that some cell was given or was nearest to "
        f"({len(known.types)}) are taken for all: others count as unknown to the reference, which "
        "flatters the means, and sets are not looked at. Pass the reference that gave the labels, "
        "if there is one."
    )
    warnings.warn(msg, GuessedTypesWarning, stacklevel=4)


def _about(stored: Stored, keys: AnnotationKeys) -> Mapping[str, Any]:
    """Return what annotation wrote down; nothing where another program has the key."""
    about = stored.uns.get(keys.provenance)
    return about if isinstance(about, Mapping) else {}


def _numbers(obs: pd.DataFrame, column: str) -> NDArray[np.float64] | None:
    if column not in obs:
        return None
    try:
        return obs[column].to_numpy(np.float64)
    except (TypeError, ValueError) as error:
        msg = (
            f"`obs[{column!r}]` must hold the probability of each label, such as 0.9, but "
            f"{error}. Rename the column if it holds something else."
        )
        raise InputError(msg) from error
