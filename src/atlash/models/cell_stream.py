"""Cells of several sources without end, shuffled within bounded memory, from any place on.

Blocks of neighbouring rows come in a random order; so many of them as fill the buffer are read
together and their rows shuffled. The order is decided by the seed and the number of the epoch,
so that the stream can be entered anywhere without reading what comes before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from atlash.data.normalize import BoundSource


@dataclass(frozen=True)
class Rows:
    """Some cells, and where they are from.

    Attributes
    ----------
    X
        Normalised values ``(n, n_genes)``, CSR.
    domain
        Batch of each cell ``(n,)``, int64.
    source, position
        Number of each cell's source, and its row there ``(n,)``, int64.
    """

    X: sp.csr_array
    domain: NDArray[np.int64]
    source: NDArray[np.int64]
    position: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self.domain)

    def __getitem__(self, index: slice | NDArray[np.int64]) -> Rows:
        """Return some of the cells, in any order."""
        parts = self.domain[index], self.source[index], self.position[index]
        return Rows(sp.csr_array(self.X[index]), *parts)

    @classmethod
    def concatenate(cls, parts: Sequence[Rows]) -> Rows:
        """Join cells, in order."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            sp.csr_array(sp.vstack([part.X for part in parts], format="csr")),
            np.concatenate([part.domain for part in parts]),
            np.concatenate([part.source for part in parts]),
            np.concatenate([part.position for part in parts]),
        )


@dataclass(frozen=True)
class CellStream:
    """An endless, shuffled stream of cells.

    Attributes
    ----------
    sources
        The cells.
    domains
        Batch of each cell, one array a source.
    block_size
        Neighbouring rows that are read together.
    buffer_size
        Rows that are shuffled together, about.
    random_state
        Seed.
    """

    sources: Sequence[BoundSource]
    domains: Sequence[NDArray[np.int64]]
    block_size: int
    buffer_size: int
    random_state: int

    @property
    def n_cells(self) -> int:
        """Cells of an epoch, in which each comes once."""
        return sum(source.n_cells for source in self.sources)

    def batches(self, size: int, *, first: int) -> Iterator[Rows]:
        """Yield batches from number ``first`` on; a batch may span two epochs."""
        held: list[Rows] = []
        n_held = 0
        for rows in self._from(first * size):
            held.append(rows)
            n_held += len(rows)
            if n_held < size:
                continue
            rest = Rows.concatenate(held)
            n_whole = n_held // size
            for number in range(n_whole):
                yield rest[number * size : (number + 1) * size]
            held, n_held = [rest[n_whole * size :]], n_held % size

    def _from(self, place: int) -> Iterator[Rows]:
        """Yield shuffled windows, the first without what lies before ``place``."""
        epoch, skipped = divmod(place, self.n_cells)
        while True:
            for number, blocks in enumerate(self._windows(epoch)):
                n_rows = int((blocks[:, 2] - blocks[:, 1]).sum())
                if skipped >= n_rows:
                    skipped -= n_rows
                    continue
                rng = np.random.default_rng([self.random_state, epoch, number])
                yield self._read(blocks)[rng.permutation(n_rows)[skipped:]]
                skipped = 0
            epoch += 1

    def _windows(self, epoch: int) -> list[NDArray[np.int64]]:
        """Return the blocks of each window of an epoch: source, first row, row after the last."""
        blocks = np.array(
            [
                (number, start, min(start + self.block_size, source.n_cells))
                for number, source in enumerate(self.sources)
                for start in range(0, source.n_cells, self.block_size)
            ]
        )
        blocks = np.random.default_rng([self.random_state, epoch]).permutation(blocks)
        sizes = blocks[:, 2] - blocks[:, 1]
        window = (np.cumsum(sizes) - sizes) // self.buffer_size
        return np.split(blocks, np.flatnonzero(np.diff(window)) + 1)

    def _read(self, blocks: NDArray[np.int64]) -> Rows:
        """Return the rows of some blocks, in the order of sources and rows."""
        parts = []
        for number in np.unique(blocks[:, 0]):
            own = blocks[blocks[:, 0] == number]
            spans = [np.arange(start, stop) for _, start, stop in own[np.argsort(own[:, 1])]]
            position = np.concatenate(spans)
            X = self.sources[number].rows(position).X
            source = np.full(len(position), number)
            parts.append(Rows(X, self.domains[number][position], source, position))
        return Rows.concatenate(parts)
