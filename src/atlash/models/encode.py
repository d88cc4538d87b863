"""Cells of any source through an annotator, a chunk at a time."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from atlash.data.normalize import bind, warn_of_unnamed
from atlash.data.parallel import ordered_map

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import scipy.sparse as sp
    from numpy.typing import NDArray

    from atlash.codes.similarity import Method
    from atlash.config import InputConfig
    from atlash.data.normalize import BoundSource
    from atlash.data.source import CellSource
    from atlash.models.annotator import Annotator, Codes, Prediction


class EmptyCellsWarning(UserWarning):
    """Cells have no counts, so that their codes say nothing."""


def bind_source(source: CellSource, annotator: Annotator, config: InputConfig) -> BoundSource:
    """Match a source's genes with the encoder's; see `atlash.data.normalize.bind`."""
    bound = bind(annotator.recipe, source, config, weight=annotator.gene_weight())
    warn_of_unnamed(bound)
    return bound


def predict_chunks(
    bound: BoundSource, annotator: Annotator, method: Method, *, size: int, n_threads: int
) -> Iterator[tuple[slice, Prediction]]:
    """Yield the rows and the prediction of each chunk, in order."""
    measured = bound.measured_features

    def work(item: tuple[slice, sp.csr_array]) -> tuple[slice, Prediction]:
        rows, chunk = item
        projected = bound.project(chunk, rows)
        return rows, annotator.predict(projected, measured, method)

    yield from ordered_map(work, bound.source.chunks(size), n_threads=n_threads)


def encode_source(
    bound: BoundSource, annotator: Annotator, *, size: int, n_threads: int
) -> Iterator[tuple[slice, Codes, NDArray[np.int64]]]:
    """Yield the rows, the codes and the nearest types of each chunk, in order.

    Types are indices, -1 for a cell without counts.

    Warns
    -----
    EmptyCellsWarning
        Once all chunks have been taken.
    """
    measured = bound.measured_features
    n_empty = 0

    def work(item: tuple[slice, sp.csr_array]) -> tuple[slice, Codes, NDArray[np.int64]]:
        rows, chunk = item
        cells = bound.project(chunk, rows)
        codes = annotator.codes(cells.X, measured)
        return rows, codes, annotator.nearest(codes, cells, measured)

    for rows, codes, nearest in ordered_map(work, bound.source.chunks(size), n_threads=n_threads):
        n_empty += int((nearest < 0).sum())
        yield rows, codes, nearest
    if n_empty:
        msg = (
            f"{n_empty:,} of {bound.source.n_cells:,} cells have no counts of the reference's "
            "genes, so that their codes say nothing. Leave them out."
        )
        warnings.warn(msg, EmptyCellsWarning, stacklevel=4)
