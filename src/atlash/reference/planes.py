"""The codes of a reference in the layout that search reads, kept beside it as a cache.

``planes/`` within the folder of a saved reference holds one file, named after the cells that it
was made from and a sum of its content. It can be removed at any time: it is made again when it
is missing, damaged or of other cells, and kept in memory where the folder cannot be written to.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from atlash.codes.planes import empty_planes, fill_planes
from atlash.reference.columns import CODE, codes_of
from atlash.reference.word_files import mapped_words, name_of, put_words

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from atlash.codes.planes import Planes
    from atlash.reference.cells import CellTable

FOLDER = "planes"
_NAME = re.compile(r"(?P<cells>.+\.v\d+)\.[0-9a-f]{8}\.words")


def load_planes(cells: CellTable, n_anchor_bytes: int) -> Planes:
    """Return the planes of a reference's codes ``(n_words, n_cells)``, uint64.

    Those of a saved reference are mapped from its cache, which is made if need be.

    Parameters
    ----------
    cells
        The reference's cells.
    n_anchor_bytes
        Bytes of a code that tell the type; see :func:`word_aligned`.
    """
    if cells.in_memory:
        return _read(cells, n_anchor_bytes)
    folder = cells.folder.parent / FOLDER
    wanted = f"{cells.folder.name}.v{cells.version}"
    width = word_aligned(np.empty((0, _width(cells)), dtype=np.uint8), n_anchor_bytes).shape[1]
    found = _cached(folder, wanted, (-(-width // 8), cells.n_rows))
    if found is not None:
        return found
    planes = _read(cells, n_anchor_bytes)
    with suppress(OSError):  # a folder that cannot be written to, or a full disk
        _keep(folder, wanted, planes)
    return planes


def word_aligned(codes: NDArray[np.uint8], n_anchor_bytes: int) -> NDArray[np.uint8]:
    """Pad the anchor part of codes to whole words, so that each word is of one part.

    Parameters
    ----------
    codes
        Packed codes ``(n, n_bytes)``, uint8: the anchor part, then the detail part.
    n_anchor_bytes
        Bytes of the anchor part.

    Returns
    -------
    Codes ``(n, at least n_bytes)`` with the same distances.
    """
    missing = -n_anchor_bytes % 8
    if missing == 0 or codes.shape[1] == n_anchor_bytes:
        return codes
    nothing = np.zeros((len(codes), missing), dtype=np.uint8)
    return np.hstack([codes[:, :n_anchor_bytes], nothing, codes[:, n_anchor_bytes:]])


def _cached(folder: Path, wanted: str, shape: tuple[int, int]) -> Planes | None:
    """Return the planes of these cells if they are there and whole."""
    for path in sorted(folder.glob("*.words")):
        name = _NAME.fullmatch(path.name)
        if name is None or name["cells"] != wanted:
            continue
        if (planes := mapped_words(path, shape)) is not None:
            return planes
    return None


def _read(cells: CellTable, n_anchor_bytes: int) -> Planes:
    nothing = np.empty((0, _width(cells)), dtype=np.uint8)
    planes = empty_planes(cells.n_rows, word_aligned(nothing, n_anchor_bytes).shape[1])
    start = 0
    for batch in cells.batches([CODE]):
        fill_planes(planes, start, word_aligned(codes_of(batch), n_anchor_bytes))
        start += batch.num_rows
    return planes


def _width(cells: CellTable) -> int:
    """Return the bytes of a code."""
    return int(cells.schema.field(CODE).type.byte_width)


def _keep(folder: Path, wanted: str, planes: Planes) -> None:
    """Write the cache whole or not at all, and remove that of other cells."""
    before = list(folder.iterdir()) if folder.is_dir() else []
    kept = name_of(wanted, planes, "words")
    put_words(folder, kept, planes)
    for path in before:
        if path.name != kept:  # a damaged one had its name
            path.unlink(missing_ok=True)
