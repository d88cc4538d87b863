"""Cells of several sources as packed codes, a chunk at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from atlash.models.encode import bind_source, encode_source
from atlash.progress import n_threads_or_all, track

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from atlash.config import InputConfig
    from atlash.data.source import CellSource
    from atlash.models.annotator import Annotator


def encode_all(
    sources: Sequence[CellSource],
    annotator: Annotator,
    options: InputConfig,
    *,
    n_threads: int | None,
    progress: bool,
) -> NDArray[np.uint8]:
    """Return the codes of all cells, one source after the other: ``(n_cells, n_bytes)``, uint8."""
    parts = []
    total = sum(source.n_cells for source in sources)
    with track("Encoding", total, show=progress) as advance:
        for source in sources:
            bound = bind_source(source, annotator, options)
            for rows, codes, _ in encode_source(
                bound, annotator, size=options.chunk_size, n_threads=n_threads_or_all(n_threads)
            ):
                parts.append(codes.packed)
                advance(rows.stop - rows.start)
    return np.concatenate(parts)
