"""The layout that is scanned: all first words of the codes, then all second words.

Planes are a C-contiguous uint64 array ``(n_words, n)``. Word ``i`` of eight codes in a row is
then one load, whatever the width of the codes. Any array of this layout will do, a
memory-mapped one as well; nothing here or in the search copies it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from atlash.codes.pack import as_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Planes = NDArray[np.uint64]

MAX_BITS = 256
MAX_BYTES = MAX_BITS // 8
CACHE_LINE = 64
SLICE = 65536


def most_detail_bits(n_anchor_bits: int) -> int:
    """Return how many bits fit beside an anchor part, which takes whole words for itself."""
    return MAX_BITS - 64 * -(-n_anchor_bits // 64)


def empty_planes(n_codes: int, n_bytes: int) -> Planes:
    """Reserve planes for codes of ``n_bytes`` bytes, to be filled by :func:`fill_planes`.

    Returns
    -------
    Array ``(ceil(n_bytes / 8), n_codes)``, uint64, with undefined content; it starts at a cache
    line. ``numpy.lib.format.open_memmap`` with this shape reserves them in a file.

    Raises
    ------
    ValueError
        If codes of this width cannot be searched.
    """
    n_words = _words_of_width(n_bytes)
    size = 8 * n_words * n_codes
    raw = np.empty(size + CACHE_LINE, dtype=np.uint8)
    start = -raw.ctypes.data % CACHE_LINE
    return raw[start : start + size].view(np.uint64).reshape(n_words, n_codes)


def fill_planes(planes: Planes, start: int, codes: NDArray[np.uint8]) -> None:
    """Write packed codes to the places from ``start`` on, so that chunks can be filled in turn.

    Parameters
    ----------
    planes
        Writable planes ``(n_words, n)``, changed in place.
    start
        Row of the first code.
    codes
        Packed codes ``(m, n_bytes)``, uint8; the last word is padded with zeros.

    Raises
    ------
    ValueError
        If the widths differ, or the codes reach beyond the planes.
    """
    check_planes(planes)
    check_codes(codes, planes)
    if not 0 <= start <= planes.shape[1] - len(codes):
        msg = (
            f"{len(codes):,} codes from row {start:,} on do not fit planes of "
            f"{planes.shape[1]:,} codes."
        )
        raise ValueError(msg)
    for first in range(0, len(codes), SLICE):
        part = as_words(codes[first : first + SLICE])
        planes[:, start + first : start + first + len(part)] = part.T


def make_planes(codes: NDArray[np.uint8]) -> Planes:
    """Return packed codes ``(n, n_bytes)`` as planes ``(ceil(n_bytes / 8), n)``."""
    if codes.ndim != 2 or codes.dtype != np.uint8:
        msg = f"Codes must be uint8 (n, n_bytes); found {codes.dtype} {codes.shape}."
        raise ValueError(msg)
    planes = empty_planes(*codes.shape)
    fill_planes(planes, 0, codes)
    return planes


def take(planes: Planes, rows: NDArray[np.integer]) -> Planes:
    """Gather rows into planes of their own, such as those that a filter left."""
    taken = empty_planes(len(rows), 8 * len(planes))
    for source, target in zip(planes, taken, strict=True):
        np.take(source, rows, out=target)
    return taken


def check_planes(planes: Planes) -> None:
    """Refuse what is not laid out as planes."""
    most = MAX_BYTES // 8
    if (
        planes.ndim != 2
        or planes.dtype != np.uint64
        or not planes.flags.c_contiguous
        or not 1 <= len(planes) <= most
    ):
        msg = (
            f"Planes must be a C-contiguous uint64 array (n_words, n) of 1 to {most} words; "
            f"found {planes.dtype} {planes.shape}. `make_planes` brings packed codes into order."
        )
        raise ValueError(msg)


def check_codes(codes: NDArray[np.uint8], planes: Planes) -> None:
    """Refuse codes that are not packed bytes of the planes' width."""
    if codes.ndim != 2 or codes.dtype != np.uint8:
        msg = f"Codes must be uint8 (n, n_bytes); found {codes.dtype} {codes.shape}."
        raise ValueError(msg)
    if _words_of_width(codes.shape[1]) != len(planes):
        msg = (
            f"Codes of {8 * codes.shape[1]} bits do not fit planes of {len(planes)} words, "
            f"which hold codes of {64 * len(planes) - 56} to {64 * len(planes)} bits."
        )
        raise ValueError(msg)


def _words_of_width(n_bytes: int) -> int:
    if not 1 <= n_bytes <= MAX_BYTES:
        msg = f"Codes have 8 to {8 * MAX_BYTES} bits; found {8 * n_bytes}."
        raise ValueError(msg)
    return -(-n_bytes // 8)
