"""Which cells a saved reference has, by the hashes of their ids, kept beside it as a cache.

``ids/`` within the folder of a saved reference holds a file for every file of cells, with the
ascending 64-bit hashes of its ids. A file of cells never changes and its name never comes again,
so that adding cells costs what it adds: the files of the other cells are there. The cache can be
removed at any time: what is missing or damaged is made again, and not kept where the folder
cannot be written to. Cells that left stay in it, as older versions have them.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from atlash.data.parallel import ordered_map
from atlash.progress import n_threads_or_all
from atlash.reference.columns import CELL_ID
from atlash.reference.scans import LANCE_ERRORS
from atlash.reference.word_files import mapped_words, name_of, put_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

    from atlash.reference.cells import CellTable

FOLDER = "ids"
_NAME = re.compile(r"(?P<cells>.+)\.[0-9a-f]{8}\.hashes")
_ROWS = 262_144  # of a batch


def fragments_with(cells: CellTable, ids: pa.Array) -> set[int]:
    """Return the numbers of the fragments that may have a cell of one of some ids ``(n,)``.

    The others have none. That of a fragment without such a cell is among them by chance alone,
    once in about 2^64 / (n x its rows).
    """
    wanted = np.sort(_hashes(ids))
    fragments = cells.dataset.get_fragments()
    return {
        fragment.fragment_id
        for fragment, hashes in zip(fragments, _indexed(cells, fragments), strict=True)
        if _share_one(hashes, wanted)
    }


def index_ids(cells: CellTable) -> None:
    """Make what is missing of the cache, as far as the disk takes it."""
    with suppress(*LANCE_ERRORS):  # who reads the cells will tell
        there = _kept(cells.folder.parent / FOLDER)
        fragments = cells.dataset.get_fragments()
        missing = [fragment for fragment in fragments if _cells_in(fragment) not in there]
        for _ in _indexed(cells, missing):
            pass


def _indexed(cells: CellTable, fragments: list[Any]) -> Iterator[NDArray[np.uint64]]:
    """Yield the ascending hashes of each fragment's ids, from the cache where it has them."""
    folder = cells.folder.parent / FOLDER
    kept = _kept(folder)

    def index(fragment: Any) -> NDArray[np.uint64]:  # noqa: ANN401 (lance is untyped)
        name = _cells_in(fragment)
        for path in kept.get(name, ()):
            if (hashes := mapped_words(path, (fragment.physical_rows,))) is not None:
                return hashes
            with suppress(OSError):
                path.unlink()
        hashes = _made(cells, fragment)
        with suppress(OSError):  # a folder that cannot be written to, or a full disk
            put_words(folder, name_of(name, hashes, "hashes"), hashes)
        return hashes

    yield from ordered_map(index, fragments, n_threads=n_threads_or_all(None))
    if not {_cells_in(fragment) for fragment in fragments} <= kept.keys():
        _sweep(folder, cells.folder)


def _cells_in(fragment: Any) -> str:  # noqa: ANN401
    """Return a name for the cells of a fragment, deleted ones included."""
    return "+".join(Path(file.path).stem for file in fragment.metadata.files)


def _kept(folder: Path) -> dict[str, list[Path]]:
    """Return the files of the cache by the cells that they are of."""
    kept: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*.hashes")):
        if name := _NAME.fullmatch(path.name):
            kept.setdefault(name["cells"], []).append(path)
    return kept


def _made(cells: CellTable, fragment: Any) -> NDArray[np.uint64]:  # noqa: ANN401
    """Return the ascending hashes of all ids that a fragment ever had."""
    scanner = cells.dataset.scanner(
        columns=[CELL_ID],
        batch_size=_ROWS,
        fragments=[fragment],
        with_row_id=True,
        include_deleted_rows=True,
    )
    parts = [_hashes(batch.column(CELL_ID)) for batch in scanner.to_batches()]
    hashes = np.concatenate([np.empty(0, dtype=np.uint64), *parts])
    hashes.sort()
    return hashes


def _hashes(ids: pa.Array) -> NDArray[np.uint64]:
    """Return the hashes ``(n,)`` of texts."""
    from atlash.reference._id_hashes import hash_texts  # numba: imported when needed

    if len(ids) == 0:
        return np.empty(0, dtype=np.uint64)
    _, bounds, content = ids.buffers()
    wanted = np.frombuffer(bounds, dtype=np.int32)[ids.offset : ids.offset + len(ids) + 1]
    hashes: NDArray[np.uint64] = hash_texts(wanted, np.frombuffer(content or b"", dtype=np.uint8))
    return hashes


def _share_one(hashes: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> bool:
    """Tell whether two ascending arrays have a value in common."""
    place = np.searchsorted(hashes, wanted)
    inside = place < hashes.size
    return bool((hashes[place[inside]] == wanted[inside]).any())


def _sweep(folder: Path, cells: Path) -> None:
    """Remove what is of no file of cells that is there, or was left by a killed process."""
    with suppress(OSError):
        before = list(folder.iterdir())
        there = {path.stem for path in cells.glob("data/*.lance")}
        for path in before:
            name = _NAME.fullmatch(path.name)
            if name is None or not set(name["cells"].split("+")) <= there:
                path.unlink(missing_ok=True)
