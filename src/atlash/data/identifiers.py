"""What kind of gene identifiers a list holds, and of which species they look."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

GeneKind = Literal["ensembl", "symbol", "other"]
Species = Literal["human", "mouse", "other"]

_ENSEMBL = re.compile(r"(ENS[A-Z]{0,6}G\d{11})(?:\.\d+)?(_PAR_Y)?")
_NO_SYMBOL = re.compile(r"(?:FBgn|WBGene|AT[1-5CM]G|Y[A-P][LR]\d)\d*.*|[\d.\-]*|nan|None|<NA>")
_HUMAN = re.compile(r"(?=.*[A-Z])[A-Z0-9][A-Z0-9.\-_]+|C(?:\d+|X|Y)orf\d+")
_MOUSE = re.compile(r"[A-Z][A-Z0-9]?[a-z][A-Za-z0-9.\-_]*|\d{7}[A-Z]\d{2}Rik|mt-[A-Z][a-z].*")
_TO_CLEAN = re.compile(r"^(?:ENS|nan$|None$|<NA>$|[^\S\n])|[^\S\n]$", re.MULTILINE)
"""A line that cleaning may change: an Ensembl id, a word for missing, space at an end."""
_SAMPLE = 2000


def clean_ids(values: Iterable[Any]) -> NDArray[np.object_]:
    """Return identifiers as strings, trimmed, Ensembl ids without version; missing is ``""``."""
    cleaned = list(values)
    if not _are_clean(cleaned):
        cleaned = [_clean(value) for value in cleaned]
    names = np.empty(len(cleaned), dtype=object)
    names[:] = cleaned
    return names


def _are_clean(values: list[Any]) -> bool:
    """Tell whether cleaning would change nothing; one search is faster than one a name."""
    if not all(type(value) is str for value in values):
        return False
    lines = "\n".join(values)
    return lines.count("\n") == len(values) - 1 and not _TO_CLEAN.search(lines)


def _clean(value: object) -> str:
    text = str(value).strip()
    if text in {"nan", "None", "<NA>"}:
        return ""
    found = _ENSEMBL.fullmatch(text) if text.startswith("ENS") else None
    return found[1] + (found[2] or "") if found else text


def identifier_kind(names: NDArray[np.object_]) -> GeneKind:
    """Tell Ensembl gene ids, symbols and others (numbers, FlyBase, ...) by the majority.

    Parameters
    ----------
    names
        Cleaned identifiers, ``(n_genes,)``; an even sample of 2,000 is looked at.
    """
    sample = _sample(names)
    n_ensembl = sum(bool(_ENSEMBL.fullmatch(name)) for name in sample)
    n_other = sum(bool(_NO_SYMBOL.fullmatch(name)) for name in sample)
    if 2 * n_ensembl > len(sample):
        return "ensembl"
    return "other" if 2 * n_other >= len(sample) else "symbol"


def guess_species(names: NDArray[np.object_]) -> Species:
    """Guess the species by Ensembl prefix, or by capitals (CD3E human, Cd3e mouse).

    A guess for error messages: rat symbols look like mouse, macaque symbols like human.
    """
    sample = _sample(names)
    kind = identifier_kind(sample)
    if kind == "other":
        return "other"
    if kind == "ensembl":
        human = sum(name.startswith("ENSG") for name in sample)
        mouse = sum(name.startswith("ENSMUSG") for name in sample)
    else:
        human = sum(bool(_HUMAN.fullmatch(name)) for name in sample)
        mouse = sum(bool(_MOUSE.fullmatch(name)) for name in sample)
    if max(human, mouse) < 0.6 * len(sample):
        return "other"
    return "human" if human > mouse else "mouse"


def _sample(names: NDArray[np.object_]) -> NDArray[np.object_]:
    return names[:: max(1, len(names) // _SAMPLE)]
