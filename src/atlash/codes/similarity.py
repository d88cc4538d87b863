"""How similar codes are to anchors, under two true names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Method = Literal["asymmetric", "hamming"]


def similarity(
    z: NDArray[np.float32], anchors: NDArray[np.int8], method: Method
) -> NDArray[np.float32]:
    """Return the mean agreement of each code with each anchor.

    Parameters
    ----------
    z
        Continuous codes ``(n, n_bits)``; the bits are ``z > 0``.
    anchors
        ``(n_types, n_bits)``, entries -1 or +1.
    method
        ``"hamming"`` compares bits: ``1 - 2 d / n_bits`` with ``d`` the Hamming distance.
        ``"asymmetric"`` compares ``tanh(z)``, the expected bits, with the anchor's: what the
        public code of the seeds computes under the name of Hamming.

    Returns
    -------
    ``(n, n_types)`` float32 in [-1, 1].

    Raises
    ------
    ValueError
        If the widths differ or the method is unknown.
    """
    if z.ndim != 2 or z.shape[1:] != anchors.shape[1:]:
        msg = f"Codes of shape {z.shape} do not fit anchors of shape {anchors.shape}."
        raise ValueError(msg)
    if method not in ("asymmetric", "hamming"):
        msg = f"There is no method {method!r}; use 'asymmetric' or 'hamming'."
        raise ValueError(msg)
    from atlash.codes._agreement import add_agreement  # numba: imported when needed

    out = np.zeros((len(z), len(anchors)), dtype=np.float32)
    by_bit = np.ascontiguousarray(anchors.T, dtype=np.float32)
    z = z.astype(np.float32, copy=False)
    bits = np.tanh(z) if method == "asymmetric" else np.where(z > 0, 1, -1).astype(np.float32)
    add_agreement(bits, by_bit, out)
    return out
