"""Bits to bytes and bytes to words.

A code of ``n_bits`` bits is stored as ``n_bits / 8`` bytes, bit ``i`` in byte ``i // 8`` at
place ``i % 8`` (little bit order), so that files read the same on every machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def pack(bits: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Pack bits into bytes.

    Parameters
    ----------
    bits
        Boolean array of shape ``(n, n_bits)``, ``n_bits`` a multiple of 8.

    Returns
    -------
    Array of shape ``(n, n_bits / 8)``, dtype uint8.

    Raises
    ------
    ValueError
        If ``bits`` is not a two-dimensional boolean array of whole bytes.
    """
    if bits.ndim != 2 or bits.dtype != np.bool_ or bits.shape[1] % 8:
        msg = (
            f"Bits of shape {bits.shape} and dtype {bits.dtype} cannot be packed; "
            "a boolean array (n, n_bits) with n_bits a multiple of 8 is needed."
        )
        raise ValueError(msg)
    return np.packbits(bits, axis=1, bitorder="little")


def unpack(codes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the bits of packed codes: ``(n, n_bytes)`` uint8 to ``(n, 8 n_bytes)`` bool."""
    return np.unpackbits(codes, axis=1, bitorder="little").astype(bool)


def as_words(codes: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """View packed codes as 64-bit words, the last one padded with zeros.

    Parameters
    ----------
    codes
        Packed codes ``(n, n_bytes)``, uint8.

    Returns
    -------
    Array ``(n, ceil(n_bytes / 8))``, uint64. Padding is alike in every code, so Hamming
    distances are those of the bytes.
    """
    n, n_bytes = codes.shape
    padded = np.zeros((n, -(-n_bytes // 8) * 8), dtype=np.uint8)
    padded[:, :n_bytes] = codes
    return padded.view("<u8").astype(np.uint64, copy=False)
