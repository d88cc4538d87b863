"""Cells of any source as codes of a reference."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from atlash.config import InputConfig
from atlash.data.source import open_source
from atlash.errors import InputError
from atlash.models.annotator import Codes
from atlash.models.encode import bind_source, encode_source
from atlash.progress import n_threads_or_all, track
from atlash.reference import Reference
from atlash.reference.found import Asked

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from atlash.config import SearchConfig
    from atlash.data.source import Cells


@dataclass(frozen=True)
class Queries:
    """Query cells as a search takes them.

    Attributes
    ----------
    obs
        What is known of each cell, ``n`` rows.
    asked
        Their codes, packed and expected.
    labels
        Type of the nearest anchor of each cell, or the registered one that takes it ``(n,)``;
        ``None`` for a cell without counts.
    """

    obs: pd.DataFrame
    asked: Asked
    labels: NDArray[np.object_]


def check_reference(reference: object) -> None:
    """Raise :class:`InputError` if a reference was not loaded, or is something else."""
    if isinstance(reference, Reference):
        return
    remedy = "Build one with `atlash.Reference.build`, or load one with `atlash.Reference.load`."
    if isinstance(reference, str | PathLike):
        remedy = f"Load it: `atlash.Reference.load({str(reference)!r})`."
    msg = f"The reference must be an atlash.Reference, got {type(reference).__name__}. {remedy}"
    raise InputError(msg)


def encode_queries(cells: Cells, reference: Reference, config: SearchConfig) -> Queries:
    """Encode cells as the reference's own were.

    Raises
    ------
    InputError
        If the cells cannot be used, or the reference is none; the subclasses in
        :mod:`atlash.errors` say why.

    Warns
    -----
    EmptyCellsWarning
    """
    check_reference(reference)
    source = open_source(cells, config.layer)
    options = InputConfig(
        gene_column=config.gene_column, scale=config.scale, min_shared=config.min_shared
    )
    annotator = reference.annotator
    bound = bind_source(source, annotator, options)
    parts, nearest = [], []
    with track("Encoding", source.n_cells, show=config.progress) as advance:
        for rows, part, of_part in encode_source(
            bound,
            annotator,
            size=config.chunk_size,
            n_threads=n_threads_or_all(config.n_threads),
        ):
            parts.append(part)
            nearest.append(of_part)
            advance(rows.stop - rows.start)
    codes = Codes.concatenate(parts)
    types = np.array([*annotator.types, None], dtype=object)  # the last one is that of -1
    return Queries(source.obs, Asked(codes.packed, codes.expected), types[np.concatenate(nearest)])
