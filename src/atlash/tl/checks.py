"""What verbs that write to an AnnData check first."""

from __future__ import annotations

import math
from numbers import Integral, Real
from os import PathLike
from typing import TYPE_CHECKING, Any

from atlash.checks import check_name, check_option, check_threads
from atlash.errors import InputError

if TYPE_CHECKING:
    from atlash.config import AnnotateConfig


def check_anndata(adata: object, *, copy: bool = False) -> None:
    """Raise :class:`InputError` if results cannot be written to the cells, as to a path."""
    check_option(copy, bool, "copy")
    if not copy and getattr(adata, "isbacked", False) and getattr(adata, "is_view", False):
        msg = (
            "Results cannot be written to a part of an AnnData that is on disk. Load the part, "
            "`adata = adata.to_memory()`, or ask for a copy."
        )
        raise InputError(msg)
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


def is_whole(value: Any) -> bool:  # noqa: ANN401
    """Tell whether something is a whole number, and no truth value."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_whole(name: str, value: Any, *, least: int) -> None:  # noqa: ANN401
    """Raise :class:`InputError` unless an option is a whole number, and large enough."""
    if not (is_whole(value) and value >= least):
        msg = f"`{name}` is {value!r}, but must be a whole number, at least {least}."
        raise InputError(msg)


def is_share(value: Any) -> bool:  # noqa: ANN401
    """Tell whether something is a number from 0 to 1."""
    return isinstance(value, Real) and bool(0 <= value <= 1)  # type: ignore[operator]


def check_share(name: str, value: object) -> None:
    """Raise :class:`InputError` unless an option is a number from 0 to 1."""
    if not is_share(value):
        msg = f"`{name}` is {value!r}, but must be from 0 to 1."
        raise InputError(msg)


def check_reading(chunk_size: object, n_threads: object = None) -> None:
    """Raise :class:`InputError` if cells cannot be read so: so many at a time, on such threads."""
    check_whole("chunk_size", chunk_size, least=1)
    check_threads(n_threads)


def check_config(config: AnnotateConfig) -> None:
    """Raise :class:`InputError` if an option is out of its range."""
    ranges = {
        "min_confidence": (0.0, 1.0),
        "max_lost": (0.0, 1.0),
        "min_shared": (0.0, 1.0),
        "min_genes": (0, math.inf),
    }
    for name, (least, most) in ranges.items():
        value = getattr(config, name)
        is_number = isinstance(value, Real)
        if not is_number or not least <= value <= most:
            msg = f"`{name}` is {value!r}, but must be from {least:g} to {most:g}."
            raise InputError(msg)
    check_reading(config.chunk_size, config.n_threads)
    if config.method not in ("asymmetric", "hamming"):
        msg = f"There is no method {config.method!r}; use 'asymmetric' or 'hamming'."
        raise InputError(msg)
    check_name(config.vote, "vote", example="leiden")
