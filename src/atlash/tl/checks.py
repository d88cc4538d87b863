"""What verbs that write to an AnnData check first."""

from __future__ import annotations

import math
from numbers import Real
from os import PathLike
from typing import TYPE_CHECKING

from atlash.errors import InputError

if TYPE_CHECKING:
    from atlash.config import AnnotateConfig


def check_anndata(adata: object) -> None:
    """Raise :class:`InputError` if results cannot be written to the cells, as to a path."""
    if hasattr(adata, "obs_names"):
        return
    remedy = "Wrap a matrix as `anndata.AnnData(matrix)`."
    if isinstance(adata, str | PathLike):
        remedy = (
            f"Read it: `anndata.read_h5ad({str(adata)!r})`, or use the command `atlash`, which "
            "writes a copy of the file."
        )
    msg = f"Results are written to an AnnData, got {type(adata).__name__}. {remedy}"
    raise InputError(msg)


def check_key_added(key_added: object) -> None:
    """Raise :class:`InputError` unless keys that begin so can be written to a file and read back.

    A file keeps each key as a path, so a slash in one would make a folder that nobody can read.
    """
    if isinstance(key_added, str) and key_added.strip() and "/" not in key_added:
        return
    msg = (
        f"`key_added` is {key_added!r}, but must be a name without '/', such as 'atlash' or "
        "'blood': all keys that are written begin with it."
    )
    raise InputError(msg)


def check_config(config: AnnotateConfig) -> None:
    """Raise :class:`InputError` if an option is out of its range."""
    ranges = {
        "min_confidence": (0.0, 1.0),
        "max_lost": (0.0, 1.0),
        "min_shared": (0.0, 1.0),
        "min_genes": (0, math.inf),
        "chunk_size": (1, math.inf),
    }
    for name, (least, most) in ranges.items():
        value = getattr(config, name)
        is_number = isinstance(value, Real)
        if not is_number or not least <= value <= most:
            msg = f"`{name}` is {value!r}, but must be from {least:g} to {most:g}."
            raise InputError(msg)
    if config.method not in ("asymmetric", "hamming"):
        msg = f"There is no method {config.method!r}; use 'asymmetric' or 'hamming'."
        raise InputError(msg)
