"""Distances by tables: in how many bits a query's half bytes differ from 32 others, looked up.

A processor without a vector popcount looks half bytes up in a table of their set bits, after each
code was joined by xor with each query. Here each half byte of a query has a table of its own, its
distances to the 16 half bytes there are: nothing is joined, and codes are cut in half bytes once
for a group of queries. The lookup is the instruction ``pshufb``, with the 32 bytes of AVX2.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from atlash.codes._emit import CHUNK, INDEX, WORD, first_hit
from atlash.codes._lanes import GROUP, WORD_BYTES

N_VALUES = 16
"""Values of a half byte, and bytes of its table."""
N_LANES = 32
MOST = 255
"""Greatest limit that a lane holds."""
BYTE = ir.IntType(8)
BYTES = ir.VectorType(BYTE, N_LANES)
PAIRS = ir.VectorType(ir.IntType(16), N_LANES // 2)
WHOLE = ir.IntType(8 * N_LANES)
TABLE = ir.VectorType(BYTE, N_VALUES)


def can_be_used() -> bool:
    """Tell whether numba compiles for a processor that has the lookup."""
    return "+avx2" in _features()


def are_faster() -> bool:
    """Tell whether it has the lookup and no wider vectors, which count bits as fast."""
    return can_be_used() and "+avx512bw" not in _features()


def _features() -> set[str]:
    """Return LLVM's names with ``+`` or ``-``: the processor's, or those of numba's settings."""
    _, _, features = cpu_target.target_context.codegen().magic_tuple()
    return set(features.split(","))


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def next_hit_by_tables(  # noqa: PLR0917 - numba takes arguments by position
    typing_context: Any,  # noqa: ANN401
    planes: Any,  # noqa: ANN401
    tile: Any,  # noqa: ANN401
    tables: Any,  # noqa: ANN401
    limits: Any,  # noqa: ANN401
    span: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Find the first chunk of ``span`` in which some query has a code under its limit.

    ``planes`` tells the number of words alone. ``tile`` and ``tables`` are the addresses of codes
    laid out by bytes and of the tables of ``GROUP`` queries, as :mod:`atlash.codes._table_scan`
    writes them, at multiples of 64. Span and answer are those of
    :func:`atlash.codes._emit.first_hit`, rows counted from the start of the tile.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        n_bytes = WORD_BYTES * len(signature.args[0])
        tables = Tables(builder, arguments[2], n_bytes)
        limits = [tables.read(arguments[3], WORD_BYTES * j, WORD) for j in range(GROUP)]
        capped = [tables.capped(limit) for limit in limits]

        def under(row: Any) -> list[Any]:  # noqa: ANN401
            chunk = builder.add(arguments[1], builder.mul(row, ir.Constant(WORD, n_bytes)))
            left = tables.left(chunk, capped)
            if 8 * n_bytes <= MOST:
                return left
            beyond = [tables.beyond(limit) for limit in limits]
            return [builder.or_(*each) for each in zip(left, beyond, strict=True)]

        return first_hit(builder, arguments[4], under, is_set=tables.is_set)

    return types.int64(planes, tile, tables, limits, span), emit


class Tables:
    """The tables of ``GROUP`` queries, and what they say of a chunk of codes, 32 to a vector.

    Parameters
    ----------
    builder
        Where to emit.
    address
        Of the first table.
    n_bytes
        Bytes of a code.
    """

    def __init__(self, builder: Any, address: Any, n_bytes: int) -> None:  # noqa: ANN401
        self.builder = builder
        self.address = address
        self.n_bytes = n_bytes
        self.look_up = self._function("llvm.x86.avx2.pshuf.b")
        self.less = self._function(f"llvm.usub.sat.v{N_LANES}i8")

    def _function(self, name: str) -> Any:  # noqa: ANN401
        kind = ir.FunctionType(BYTES, [BYTES, BYTES])
        return cgutils.get_or_insert_function(self.builder.module, kind, name)

    def read(self, address: Any, offset: int, kind: ir.Type, *, align: int = 8) -> Any:  # noqa: ANN401
        """Load what is some bytes from an address."""
        place = self.builder.add(address, ir.Constant(WORD, offset))
        return self.builder.load(self.builder.inttoptr(place, kind.as_pointer()), align=align)

    def splat(self, byte: Any) -> Any:  # noqa: ANN401
        """Repeat a byte in all lanes."""
        nothing = ir.Constant(BYTES, ir.Undefined)
        first = self.builder.insert_element(nothing, byte, ir.Constant(INDEX, 0))
        everywhere = ir.Constant(ir.VectorType(INDEX, N_LANES), [0] * N_LANES)
        return self.builder.shuffle_vector(first, nothing, everywhere)

    def capped(self, limit: Any) -> Any:  # noqa: ANN401
        """Repeat a limit in all lanes, or the greatest that they hold."""
        most = ir.Constant(WORD, MOST)
        less = self.builder.select(self.builder.icmp_signed("<", limit, most), limit, most)
        return self.splat(self.builder.trunc(less, BYTE))

    def beyond(self, limit: Any) -> Any:  # noqa: ANN401
        """Set all lanes where a limit is more than they hold: any code may be under it."""
        more = self.builder.icmp_signed(">", limit, ir.Constant(WORD, MOST))
        return self.splat(self.builder.sext(more, BYTE))

    def left(self, chunk: Any, limits: list[Any]) -> list[Any]:  # noqa: ANN401
        """Emit what distances leave of each limit, the more of the two halves of the chunk.

        A code under the limit leaves something; all others leave nothing, by saturation.
        """
        builder = self.builder
        vectors = range(CHUNK // N_LANES)
        left = [[limit] * len(vectors) for limit in limits]
        for byte in range(self.n_bytes):
            start = CHUNK * byte
            halves = [self.halves(chunk, start + N_LANES * vector) for vector in vectors]
            for j, query in enumerate(left):
                for half in range(2):
                    table = self.table(2 * (self.n_bytes * j + byte) + half)
                    for vector in vectors:
                        apart = builder.call(self.look_up, [table, halves[vector][half]])
                        query[vector] = builder.call(self.less, [query[vector], apart])
        return [builder.or_(*query) for query in left]

    def halves(self, chunk: Any, offset: int) -> tuple[Any, Any]:  # noqa: ANN401
        """Load a byte of 32 codes, and cut it in its lower and upper half."""
        builder = self.builder
        codes = self.read(chunk, offset, BYTES, align=N_LANES)
        low = ir.Constant(BYTES, [N_VALUES - 1] * N_LANES)
        four = ir.Constant(PAIRS, [4] * (N_LANES // 2))  # there is no shift of single bytes
        upper = builder.bitcast(builder.lshr(builder.bitcast(codes, PAIRS), four), BYTES)
        return builder.and_(codes, low), builder.and_(upper, low)

    def table(self, number: int) -> Any:  # noqa: ANN401
        """Load a table, once for either half of a vector."""
        table = self.read(self.address, N_VALUES * number, TABLE, align=N_VALUES)
        twice = ir.Constant(ir.VectorType(INDEX, N_LANES), list(range(N_VALUES)) * 2)
        return self.builder.shuffle_vector(table, ir.Constant(TABLE, ir.Undefined), twice)

    def is_set(self, vector: Any) -> Any:  # noqa: ANN401
        """Tell whether any lane is not zero."""
        nothing = ir.Constant(WHOLE, 0)
        return self.builder.icmp_unsigned("!=", self.builder.bitcast(vector, WHOLE), nothing)
