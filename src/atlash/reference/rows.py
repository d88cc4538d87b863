"""Where the rows of a Lance dataset lie: positions in the table, and addresses in its files.

A row's address is its fragment (upper 32 bits) and its offset there (lower 32 bits), deleted
rows counted. Its position is its place among the rows that are left, as a scan returns them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from atlash.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

_OFFSET = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


@dataclass(frozen=True)
class RowMap:
    """Positions and addresses of one version of a dataset.

    Parameters
    ----------
    fragments
        Numbers of the fragments in the order of a scan, ``(k,)``.
    first
        Position of each fragment's first row, and the number of rows, ``(k + 1,)``, ascending.
    deleted
        Ascending offsets of the deleted rows of each fragment, by its place in ``fragments``;
        those without deletions are left out.
    """

    fragments: NDArray[np.int64]
    first: NDArray[np.int64]
    deleted: dict[int, NDArray[np.int64]]

    @classmethod
    def of(cls, dataset: Any) -> RowMap:  # noqa: ANN401 (lance is untyped)
        """Read the map of an open ``lance.LanceDataset``, where rows were deleted by a scan."""
        fragments = dataset.get_fragments()
        changed = {place: f for place, f in enumerate(fragments) if f.num_deletions}
        gone = {f.fragment_id: np.ones(f.physical_rows, dtype=bool) for f in changed.values()}
        for live in _addresses(dataset, list(changed.values())):
            number = (live >> _SHIFT).astype(np.int64)
            for fragment in np.unique(number):
                inside = live[number == fragment] & _OFFSET
                gone[int(fragment)][inside.astype(np.int64)] = False
        deleted = {place: np.flatnonzero(gone[f.fragment_id]) for place, f in changed.items()}
        sizes = [fragment.physical_rows - fragment.num_deletions for fragment in fragments]
        return cls(
            np.array([fragment.fragment_id for fragment in fragments], dtype=np.int64),
            np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64),
            deleted,
        )

    def positions(self, addresses: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the positions ``(n,)`` of rows that are there, given their addresses."""
        order = np.argsort(self.fragments)
        number = (addresses >> _SHIFT).astype(np.int64)
        place = order[np.searchsorted(self.fragments, number, sorter=order)]
        offset = (addresses & _OFFSET).astype(np.int64)
        positions = self.first[place] + offset
        for fragment, gone in self.deleted.items():
            inside = place == fragment
            positions[inside] -= np.searchsorted(gone, offset[inside])
        return positions

    def addresses(self, positions: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Return the addresses ``(n,)`` of positions, each from 0 to below the number of rows."""
        place = np.searchsorted(self.first, positions, side="right") - 1
        offset = positions - self.first[place]
        for fragment, gone in self.deleted.items():
            inside = place == fragment
            # gone[j] - j rows are left before the j-th deleted one
            live_before = gone - np.arange(len(gone))
            offset[inside] += np.searchsorted(live_before, offset[inside], side="right")
        addresses: NDArray[np.uint64] = self.fragments[place].astype(np.uint64) << _SHIFT
        return addresses | offset.astype(np.uint64)


def checked_positions(positions: ArrayLike, n_rows: int) -> NDArray[np.int64]:
    """Return positions as an array ``(n,)``.

    Raises
    ------
    InputError
        If they are no whole numbers from 0 to below ``n_rows`` in one row.
    """
    wanted = np.asarray(positions)
    if wanted.size == 0:
        return np.empty(0, dtype=np.int64)
    if wanted.ndim != 1 or wanted.dtype.kind not in "iu":
        msg = (
            f"Positions must be whole numbers in one row; found {wanted.dtype} of shape "
            f"{wanted.shape}. Use `numpy.flatnonzero` on a mask."
        )
        raise InputError(msg)
    if wanted.min() < 0 or wanted.max() >= n_rows:
        odd = int(wanted.min() if wanted.min() < 0 else wanted.max())
        msg = f"There is no cell at position {odd:,}: there are {n_rows:,}, counted from 0."
        raise InputError(msg)
    return wanted.astype(np.int64)


def _addresses(dataset: Any, fragments: list[Any]) -> Iterator[NDArray[np.uint64]]:  # noqa: ANN401
    """Yield the addresses of all rows that are left in some fragments."""
    if fragments:
        scanner = dataset.scanner(columns=[], with_row_address=True, fragments=fragments)
        for batch in scanner.to_batches():
            yield batch.column("_rowaddr").to_numpy()
