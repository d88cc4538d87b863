"""Chunks that a zarr store lacks: zarr reads them as zeros, without a word."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from atlash.errors import FileFormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class MissingChunksWarning(UserWarning):
    """Values that should be there are not in the store, and are read as zeros or empty names."""


def absent_spans(array: Any) -> list[tuple[int, int]]:  # noqa: ANN401
    """Return where the chunks of an array are not on disk.

    Parameters
    ----------
    array
        One-dimensional array of a zarr store in a folder; of anything else nothing is told.

    Returns
    -------
    First entry and end of each such chunk, ascending. zarr writes no chunk that holds nothing
    but zeros or empty text, so one that is absent need not be lost.
    """
    root = getattr(getattr(array, "store", None), "root", None)
    if not isinstance(root, Path) or not hasattr(array, "chunks"):
        return []
    folder, n = root / array.path, int(array.shape[0])
    size = int((array.shards or array.chunks)[0])  # a file holds a shard, if there are any
    return [
        (start, min(start + size, n))
        for place, start in enumerate(range(0, n, size))
        if not (folder / array.metadata.encode_chunk_key((place,))).is_file()
    ]


def check_chunks(
    matrix: Any,  # noqa: ANN401
    *,
    bounds: NDArray[np.integer[Any]],
    across: int,
    name: str,
) -> None:
    """Look whether the arrays of a compressed matrix are all there.

    Parameters
    ----------
    matrix
        Group with the arrays ``data``, ``indices`` and ``indptr``.
    bounds
        Content of ``indptr``, ascending.
    across
        Length of a line: columns of CSR, rows of CSC.
    name
        What messages call the matrix.

    Raises
    ------
    FileFormatError
        Chunks are absent that cannot have held zeros alone: a line would have two entries in
        one place, or more than it is long.

    Warns
    -----
    MissingChunksWarning
        Values are absent that may be zeros which were stored as such.
    """
    for first, last in absent_spans(matrix["indptr"]):
        if last < len(bounds) and bounds[last] > across:
            _refuse("indptr", first, last, name)
    for first, last in absent_spans(matrix["indices"]):
        begins = bounds[np.searchsorted(bounds, first, "right") : np.searchsorted(bounds, last)]
        if last - first > len(np.unique(begins)) + 1:  # more entries than lines
            _refuse("indices", first, last, name)
    absent = sum(last - first for first, last in absent_spans(matrix["data"]))
    if absent:
        msg = (
            f"{name}: {absent:,} of {bounds[-1]:,} values are in chunks that the store lacks, "
            "and are read as 0. If it was copied or downloaded, do so again, as it is not whole. "
            "If zeros were stored on purpose, drop them: `adata.X.eliminate_zeros()`."
        )
        warnings.warn(msg, MissingChunksWarning, stacklevel=3)


def warn_of_lost_names(index: Any, key: str, name: str) -> None:  # noqa: ANN401
    """Warn where names of cells or genes are not in the store.

    Parameters
    ----------
    index
        The names as they are stored.
    key
        Table that they belong to.
    name
        What messages call the cells.

    Warns
    -----
    MissingChunksWarning
        Several names are absent, and are read as empty ones.
    """
    absent = sum(last - first for first, last in absent_spans(index))
    if absent > 1:
        msg = (
            f"{name}: {absent:,} of the {index.shape[0]:,} names in `{key}` are in chunks that "
            "the store lacks, and are read as ''. If it was copied or downloaded, do so again, as "
            "it is not whole. If names were left empty, give each a name."
        )
        warnings.warn(msg, MissingChunksWarning, stacklevel=3)


def _refuse(part: str, first: int, last: int, name: str) -> None:
    msg = (
        f"{name} is damaged: entries {first:,} to {last:,} of its `{part}` are in a chunk that "
        "the store lacks. Copy or download it again, or make the matrix anew."
    )
    raise FileFormatError(msg)
