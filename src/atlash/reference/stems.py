"""Names of cells without what was put before or behind them when files were joined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from numpy.typing import NDArray


def stem_keys(names: pa.Array | pa.ChunkedArray) -> NDArray[np.uint64]:
    """Return a number for each name ``(n,)``, uint64, the same for names of one stem.

    Parameters
    ----------
    names
        Strings ``(n,)``, none missing.

    Returns
    -------
    FNV-1a hash of the stem: the longest run of at least 12 letters out of ``ACGT``, so that
    ``"s1_AAACATACAACCAC-1"`` and ``"AAACATACAACCAC-1-donor2"`` have one stem; where there is
    none, the name without a number behind it such as ``-1`` or ``_2``.
    """
    from atlash.reference._stems import hash_stems  # numba: imported when needed

    chunks = names.chunks if isinstance(names, pa.ChunkedArray) else [names]
    parts = [np.empty(0, dtype=np.uint64)]
    for chunk in chunks:
        keys = np.empty(len(chunk), dtype=np.uint64)
        hash_stems(*_text_and_bounds(chunk.cast(pa.large_string())), keys)
        parts.append(keys)
    return np.concatenate(parts)


def _text_and_bounds(names: Any) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:  # noqa: ANN401
    """Return UTF-8 of all names in one row, and where each begins and ends ``(n + 1,)``."""
    if len(names) == 0:
        return np.empty(0, dtype=np.uint8), np.zeros(1, dtype=np.int64)
    _, bounds, text = names.buffers()
    ends = np.frombuffer(bounds, dtype=np.int64)[names.offset : names.offset + len(names) + 1]
    return np.frombuffer(text or b"", dtype=np.uint8), ends
