"""What lies above a type: a mapping, a table, or an ontology in the OBO format."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from atlash.data.columns import one_column
from atlash.errors import (
    FileFormatError,
    InputError,
    KeyNotFoundError,
    LabelsError,
    MissingPackageError,
    did_you_mean,
)

SUB, PARENT = "sub", "parent"
"""Columns of a table."""
SEPARATORS = {".csv": ",", ".tsv": "\t"}
ENDINGS = (*SEPARATORS, ".parquet", ".obo")


@dataclass(frozen=True)
class Terms:
    """Terms, and what lies directly above each.

    Attributes
    ----------
    above
        Terms directly above each term, by its own name or id.
    key_of
        Key in ``above`` by what a term may be called: its id or its name.
    is_ontology
        Whether roots are too broad to be parents, as ``cell`` is.
    """

    above: dict[str, list[str]]
    key_of: dict[str, str]
    is_ontology: bool


def read_terms(source: object) -> Terms:
    """Return the terms of a hierarchy.

    Parameters
    ----------
    source
        Parent by sub type; a table with the columns ``sub`` and ``parent``, or its file (.csv,
        .tsv, .parquet), where no parent stands for a term at the top; or a file of an ontology
        (.obo), whose ``is_a`` relations count.

    Raises
    ------
    FileFormatError
        If a file is missing, or not what its name says.
    KeyNotFoundError
        If a table lacks one of the columns.
    LabelsError
        If a sub type has two parents, or a row has none.
    InputError
        If it is something else.
    MissingPackageError
        If obonet is missing, which reads ontologies.
    """
    if isinstance(source, Mapping):
        rows = pd.DataFrame({SUB: list(source.keys()), PARENT: list(source.values())})
        return _from_table(rows, "the mapping")
    if isinstance(source, pd.DataFrame):
        return _from_table(source, "the table")
    if not isinstance(source, (str, os.PathLike)):
        msg = (
            f"`hierarchy` is a {type(source).__name__}; give a dict such as {{'CD4 T': 'T'}}, a "
            f"DataFrame with the columns {SUB!r} and {PARENT!r}, or a path ({', '.join(ENDINGS)})."
        )
        raise InputError(msg)
    path = Path(source).expanduser()
    if path.suffix.lower() not in ENDINGS:
        msg = f"'{path}' is no table or ontology by its name; it must end in {', '.join(ENDINGS)}."
        raise FileFormatError(msg)
    if not path.is_file():
        msg = f"There is no file '{path}' with a hierarchy. Check the path."
        raise FileFormatError(msg)
    return _from_obo(path) if path.suffix.lower() == ".obo" else _from_table_file(path)


def _from_table_file(path: Path) -> Terms:
    try:
        if path.suffix.lower() == ".parquet":
            rows = pd.read_parquet(path)
        else:
            rows = _text_table(path, SEPARATORS[path.suffix.lower()])
    except (OSError, ValueError, csv.Error) as error:
        msg = f"'{path}' cannot be read as a table: {error}"
        raise FileFormatError(msg) from error
    return _from_table(rows, f"'{path}'")


def _text_table(path: Path, separator: str) -> pd.DataFrame:
    """Read a table of text; all lines have as many fields as the first."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = [line for line in csv.reader(file, delimiter=separator) if any(line)]
    if not lines:
        msg = "it is empty"
        raise ValueError(msg)
    header = [name.strip() for name in lines[0]]
    odd = next((line for line in lines if len(line) != len(header)), None)
    if odd is not None:
        msg = (
            f"the first line has {len(header)} fields, but {separator.join(odd)!r} has "
            f"{len(odd)}. Names with commas stand in double quotes."
        )
        raise ValueError(msg)
    return pd.DataFrame(lines[1:], columns=header, dtype=object)


def _from_table(rows: pd.DataFrame, name: str) -> Terms:
    for column in (SUB, PARENT):
        if column not in rows:
            msg = (
                f"There is no column {column!r} in {name}, which has "
                f"{', '.join(map(repr, rows.columns)) or 'no columns'}; the columns {SUB!r} and "
                f"{PARENT!r} are needed."
            )
            raise KeyNotFoundError(msg)
    above: dict[str, list[str]] = {}
    subs, parents = ([_text(value) for value in one_column(rows, key)] for key in (SUB, PARENT))
    for number, (sub, parent) in enumerate(zip(subs, parents, strict=True), start=1):
        if sub is None:
            msg = f"Row {number:,} of {name} has a parent, {parent!r}, but no sub type."
            raise LabelsError(msg)
        known = above.get(sub)
        new = [] if parent in (None, sub) else [str(parent)]
        if known is not None and known != new:
            msg = (
                f"{sub!r} has two parents in {name}: {_called(known, sub)!r}, and in row "
                f"{number:,} {_called(new, sub)!r}. Keep one of them."
            )
            raise LabelsError(msg)
        above[sub] = new
    for (parent,) in [higher for higher in above.values() if higher]:
        above.setdefault(parent, [])
    return Terms(above, {term: term for term in above}, is_ontology=False)


def _called(above: list[str], sub: str) -> str:
    return above[0] if above else sub


def _text(value: object) -> str | None:
    missing = value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))
    return None if missing else str(value).strip() or None


def _from_obo(path: Path) -> Terms:
    try:
        import obonet
    except ImportError as error:
        msg = "Ontologies are read by obonet: `pip install 'atlash[ontology]'`."
        raise MissingPackageError(msg) from error
    try:
        with path.open(encoding="utf-8") as file:
            nodes: dict[str, dict[str, Any]] = dict(obonet.read_obo(file).nodes(data=True))
    except (OSError, ValueError, KeyError) as error:
        msg = (
            f"'{path}' cannot be read as an ontology in the OBO format "
            f"({type(error).__name__}: {error}). Take the .obo file anew from where it is "
            "published, for example cl.obo of the Cell Ontology."
        )
        raise FileFormatError(msg) from error
    if not nodes:
        msg = f"'{path}' holds no terms; an ontology in the OBO format has [Term] entries."
        raise FileFormatError(msg)
    above = {str(key): [str(term) for term in node.get("is_a", ())] for key, node in nodes.items()}
    names = {str(node["name"]): str(key) for key, node in nodes.items() if "name" in node}
    return Terms(above, names | {key: key for key in above}, is_ontology=True)


def key_of(term: str, terms: Terms, *, role: str) -> str:
    """Return the key of a term that must be there.

    Raises
    ------
    LabelsError
        If no term has this name or id.
    """
    if term in terms.key_of:
        return terms.key_of[term]
    hint = did_you_mean(term, terms.key_of)
    msg = (
        f"The {role} {term!r} is not in the hierarchy.{hint} Names and ids are looked up exactly."
    )
    raise LabelsError(msg)
