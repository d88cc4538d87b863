"""What the machine can do at most: xor and popcount of planes, with nothing looked for.

The kernel counts the bits of four queries, or of one, against all codes, and joins the counts by
xor, which is cheaper than adding them up. Over planes that stay in the first-level cache it gives
the rate of the arithmetic, over large planes that of the memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from atlash.codes._emit import N_LANES, VECTOR, WORD, Lanes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHUNK = 64
LANE = ir.IntType(32)


@intrinsic(prefer_literal=True)
def count_chunk(  # noqa: PLR0917 - numba takes arguments by position
    typing_context: Any,  # noqa: ANN401
    planes: Any,  # noqa: ANN401
    weights: Any,  # noqa: ANN401
    queries: Any,  # noqa: ANN401
    row: Any,  # noqa: ANN401
    n: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Join the popcounts of ``n`` queries against 64 codes."""
    n_queries = n.literal_value

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        lanes = Lanes(builder, signature, arguments)
        asked = [lanes.query(arguments[2], j) for j in range(n_queries)]
        kind = ir.FunctionType(VECTOR, [VECTOR])
        name = f"llvm.ctpop.v{N_LANES}i64"
        popcount = cgutils.get_or_insert_function(builder.module, kind, name)
        totals = [ir.Constant(VECTOR, [0] * N_LANES)] * n_queries
        for step in range(0, CHUNK, N_LANES):
            codes = lanes.codes(builder.add(arguments[3], ir.Constant(WORD, step)))
            for j, query in enumerate(asked):
                for code, word in zip(codes, query, strict=True):
                    count = builder.call(popcount, [builder.xor(code, word)])
                    totals[j] = builder.xor(totals[j], count)
        total = totals[0]
        for other in totals[1:]:
            total = builder.xor(total, other)
        out = ir.Constant(WORD, 0)
        for i in range(N_LANES):
            out = builder.add(out, builder.extract_element(total, ir.Constant(LANE, i)))
        return out

    return types.int64(planes, weights, queries, row, n), emit


@numba.njit(nogil=True)
def _four(planes: tuple[int, ...], queries: int, n: int, repeats: int) -> int:
    total = 0
    for _ in range(repeats):
        for row in range(0, n, CHUNK):
            total ^= count_chunk(planes, (), queries, row, 4)
    return total


@numba.njit(nogil=True)
def _one(planes: tuple[int, ...], queries: int, n: int, repeats: int) -> int:
    total = 0
    for _ in range(repeats):
        for row in range(0, n, CHUNK):
            total ^= count_chunk(planes, (), queries, row, 1)
    return total


def count_everything(
    planes: NDArray[np.uint64], queries: NDArray[np.uint64], repeats: int = 1
) -> int:
    """Count one or four queries against all whole chunks of planes, ``repeats`` times."""
    n = planes.shape[1] // CHUNK * CHUNK
    start, step = planes.ctypes.data, 8 * planes.shape[1]
    addresses = tuple(start + step * word for word in range(len(planes)))
    kernel = _four if len(queries) == 4 else _one
    return int(kernel(addresses, queries.ctypes.data, n, repeats))
