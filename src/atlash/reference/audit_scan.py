"""One pass over the cells of a reference, from which an audit takes all that it tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from atlash.codes.census import code_keys, nearest_anchors
from atlash.codes.pack import as_words, pack
from atlash.progress import track
from atlash.reference.audit_counts import GroupCounts, Names
from atlash.reference.audit_labels import LabelTally
from atlash.reference.columns import CELL_ID, CODE, LABEL, codes_of
from atlash.reference.stems import stem_keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from atlash.reference.cells import CellTable

MAX_BATCHES = 10_000
MAX_SAMPLE = 200_000
"""Cells whose codes are kept; their pairs, 2e10, tell what chance does."""
CHUNK = 65_536


class Scan:
    """What one pass over ``n`` cells finds.

    Parameters
    ----------
    cells
        The reference's cells.
    anchors
        One row of -1 and +1 a learned type ``(n_learned, n_anchor_bits)``, int8.
    types
        Names of the types ``(n_types,)``: those learned, then those registered, whose cells lie
        near no anchor and are judged by none.
    batch_column
        Stored column with the batches; without one all cells are of one batch.
    most
        Cells of each finding that are kept.

    Attributes
    ----------
    labels, batch_of
        Label and batch of each cell ``(n,)``, int32; -1 where it has none.
    keys, stems
        A number for each cell's code and for the stem of its name ``(n,)``, uint64.
    sampled, sample
        Rows ``(m,)`` and codes ``(m, n_words)``, uint64, of cells drawn at random, always the
        same.
    label_names, batch_names
        Names of the labels, those of the anchors first, and of the batches.
    counts
        Ones of each bit, by label and batch.
    tally
        Cells midway between anchors, and cells nearer to another anchor than their own.
    """

    def __init__(
        self,
        cells: pa.Table | CellTable,
        anchors: NDArray[np.int8],
        types: Sequence[str],
        *,
        batch_column: str | None,
        most: int,
    ) -> None:
        self.cells = cells
        self.batch_column = batch_column
        self.n = cells.num_rows if isinstance(cells, pa.Table) else cells.n_rows
        self.n_bytes = int(cells.schema.field(CODE).type.byte_width)
        self.n_anchor_bytes = anchors.shape[1] // 8
        self.anchors = as_words(pack(anchors > 0))
        self.label_names = Names(types)
        self.batch_names = Names(most=MAX_BATCHES)
        self.labels = np.empty(self.n, dtype=np.int32)
        self.batch_of = np.zeros(self.n, dtype=np.int32)
        self.keys = np.empty(self.n, dtype=np.uint64)
        self.stems = np.empty(self.n, dtype=np.uint64)
        n_words = -(-self.n_bytes // 8)
        self.sampled = _sample(self.n)
        self.sample = np.empty((len(self.sampled), n_words), dtype=np.uint64)
        self.counts = GroupCounts(64 * n_words)
        self.tally = LabelTally(anchors, most, n_types=len(types))

    def run(self, *, size: int = CHUNK, progress: bool = False) -> None:
        """Look at every cell once.

        Parameters
        ----------
        size
            Cells of a chunk; the result does not depend on it.
        progress
            Show a bar.

        Raises
        ------
        InputError
            If there are more than 10,000 batches.
        """
        first = 0
        with track("Auditing", self.n, show=progress) as advance:
            for part in self._parts(size):
                self._look_at(first, part)
                first += part.num_rows
                advance(part.num_rows)

    def take(self, rows: NDArray[np.int64], columns: Sequence[str]) -> pa.Table:
        """Return cells by position, in the order asked for."""
        if isinstance(self.cells, pa.Table):
            return self.cells.select(list(columns)).take(pa.array(rows, type=pa.int64()))
        return self.cells.take(rows, columns)

    def _parts(self, size: int) -> Iterator[pa.RecordBatch]:
        columns = [CELL_ID, CODE, LABEL, *([self.batch_column] if self.batch_column else [])]
        if isinstance(self.cells, pa.Table):
            yield from self.cells.select(columns).to_batches(max_chunksize=size)
        else:
            yield from self.cells.batches(columns, size=size)

    def _look_at(self, first: int, part: pa.RecordBatch) -> None:
        rows = slice(first, first + part.num_rows)
        codes = codes_of(part)
        words = as_words(codes)
        labels = self.label_names.numbers(part.column(LABEL))
        self.labels[rows] = labels
        if self.batch_column:
            self.batch_of[rows] = self.batch_names.numbers(part.column(self.batch_column))
        self.keys[rows], self.stems[rows] = code_keys(words), stem_keys(part.column(CELL_ID))
        self.counts.add(words, labels, self.batch_of[rows])
        of_type = as_words(codes[:, : self.n_anchor_bytes])
        self.tally.add(first, labels, nearest_anchors(of_type, self.anchors, labels))
        drawn = slice(*np.searchsorted(self.sampled, [rows.start, rows.stop]).tolist())
        self.sample[drawn] = words[self.sampled[drawn] - first]


def _sample(n: int) -> NDArray[np.int64]:
    """Return the ascending rows of cells drawn at random, always the same."""
    if n <= MAX_SAMPLE:
        return np.arange(n, dtype=np.int64)
    drawn: NDArray[np.int64] = np.random.default_rng(0).choice(n, MAX_SAMPLE, replace=False)
    return np.sort(drawn)
