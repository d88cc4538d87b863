"""Files of 64-bit words that can be made again: whole or not there, their sum in their name.

They have no header, as a damaged one can raise nearly anything.
"""

from __future__ import annotations

import secrets
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def name_of(stem: str, words: NDArray[np.uint64], suffix: str) -> str:
    """Return the name of the file that holds some words."""
    return f"{stem}.{zlib.crc32(words.data):08x}.{suffix}"


def put_words(folder: Path, name: str, words: NDArray[np.uint64]) -> None:
    """Write words under the name that :func:`name_of` gave, whole or not at all.

    Raises
    ------
    OSError
        If the disk does not take them; nothing is left then.
    """
    folder.mkdir(exist_ok=True)
    scratch = folder / f".{secrets.token_hex(4)}.part"
    try:
        with scratch.open("xb") as file:
            file.write(words.data)
        scratch.replace(folder / name)
    finally:
        scratch.unlink(missing_ok=True)


def mapped_words(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint64] | None:
    """Return the words of a file, mapped; ``None`` if it is damaged or of another shape."""
    with suppress(OSError, ValueError):
        words: NDArray[np.uint64] = np.asarray(
            np.memmap(path, dtype=np.uint64, mode="r", shape=shape)
        )
        stem, _, suffix = path.name.rsplit(".", 2)
        if path.stat().st_size == words.nbytes and path.name == name_of(stem, words, suffix):
            return words
    return None
