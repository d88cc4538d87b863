"""The compiled part of Hamming distances; imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

if TYPE_CHECKING:
    from numpy.typing import NDArray


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def popcount(typing_context: Any, word: Any) -> Any:  # noqa: ANN401
    """Set bits of a 64-bit word: LLVM picks the instruction the processor has."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        function = builder.module.declare_intrinsic("llvm.ctpop", [ir.IntType(64)])
        return builder.call(function, arguments)

    return numba.uint64(numba.uint64), emit


@numba.njit(cache=True, nogil=True)
def pairwise_distances(
    a: NDArray[np.uint64], b: NDArray[np.uint64], out: NDArray[np.int32]
) -> None:
    """Write the distance of every row of ``a`` to every row of ``b`` into ``out``."""
    for i in range(a.shape[0]):
        for j in range(b.shape[0]):
            distance = np.uint64(0)
            for word in range(a.shape[1]):
                distance += popcount(a[i, word] ^ b[j, word])
            out[i, j] = distance
