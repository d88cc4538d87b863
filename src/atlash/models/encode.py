"""Cells of any source through an annotator, a chunk at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from atlash.data.normalize import bind, warn_of_unnamed
from atlash.data.parallel import ordered_map

if TYPE_CHECKING:
    from collections.abc import Iterator

    import scipy.sparse as sp

    from atlash.codes.similarity import Method
    from atlash.config import InputConfig
    from atlash.data.normalize import BoundSource
    from atlash.data.source import CellSource
    from atlash.models.annotator import Annotator, Codes, Prediction


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
) -> Iterator[tuple[slice, Codes]]:
    """Yield the rows and the codes of each chunk, in order."""
    measured = bound.measured_features

    def work(item: tuple[slice, sp.csr_array]) -> tuple[slice, Codes]:
        rows, chunk = item
        return rows, annotator.codes(bound.project(chunk, rows).X, measured)

    yield from ordered_map(work, bound.source.chunks(size), n_threads=n_threads)
