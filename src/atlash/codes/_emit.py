"""Emits what the intrinsics over codes share: codes in the lanes of a vector, and the search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils

if TYPE_CHECKING:
    from collections.abc import Callable

N_LANES = 8
WORD = ir.IntType(64)
VECTOR = ir.VectorType(WORD, N_LANES)
INDEX = ir.IntType(32)
MASK = ir.IntType(N_LANES)
CHUNK = 64
"""Codes looked at together; the bits of one mask."""
HIT_BITS = 4
"""Bits of an answer that tell which queries have a hit; those above are the row."""


class Lanes:
    """Codes and their distances in registers, eight codes a vector or one a word.

    Parameters
    ----------
    builder, signature, arguments
        As numba gives them to an intrinsic whose first arguments are the addresses of the
        planes and the weights of the first words, both tuples; further words weigh 1.
    kind
        ``VECTOR`` for eight codes at a time, ``WORD`` for one.
    """

    def __init__(
        self,
        builder: Any,  # noqa: ANN401
        signature: Any,  # noqa: ANN401
        arguments: Any,  # noqa: ANN401
        *,
        kind: ir.Type = VECTOR,
    ) -> None:
        self.builder = builder
        self.kind = kind
        self.n_words = len(signature.args[0])
        self.planes = [builder.extract_value(arguments[0], i) for i in range(self.n_words)]
        # LLVM then knows that a product of 32-bit numbers is enough, which is three times cheaper
        low = ir.Constant(WORD, 2**32 - 1)
        self.weights = [
            self.splat(builder.and_(builder.extract_value(arguments[1], i), low))
            for i in range(len(signature.args[1]))
        ]

    def splat(self, word: Any) -> Any:  # noqa: ANN401
        """Repeat a word in all lanes."""
        if self.kind == WORD:
            return word
        nothing = ir.Constant(VECTOR, ir.Undefined)
        first = self.builder.insert_element(nothing, word, ir.Constant(INDEX, 0))
        everywhere = ir.Constant(ir.VectorType(INDEX, N_LANES), [0] * N_LANES)
        return self.builder.shuffle_vector(first, nothing, everywhere)

    def read(self, address: Any, place: int) -> Any:  # noqa: ANN401
        """Load word number ``place`` from an address."""
        here = self.builder.add(address, ir.Constant(WORD, 8 * place))
        return self.builder.load(self.builder.inttoptr(here, WORD.as_pointer()), align=8)

    def query(self, address: Any, place: int) -> list[Any]:  # noqa: ANN401
        """Load query number ``place`` and repeat each of its words in all lanes."""
        first = self.n_words * place
        return [self.splat(self.read(address, first + i)) for i in range(self.n_words)]

    def codes(self, row: Any) -> list[Any]:  # noqa: ANN401
        """Load the codes from ``row`` on, one value a word."""
        builder = self.builder
        step = builder.shl(row, ir.Constant(WORD, 3))
        pointer = self.kind.as_pointer()
        places = [builder.inttoptr(builder.add(plane, step), pointer) for plane in self.planes]
        return [builder.load(place, align=8) for place in places]

    def distances(self, codes: list[Any], query: list[Any]) -> Any:  # noqa: ANN401
        """Add up the weighted popcounts of the words."""
        builder = self.builder
        popcount = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(self.kind, [self.kind]),
            "llvm.ctpop.i64" if self.kind == WORD else f"llvm.ctpop.v{N_LANES}i64",
        )
        parts = [
            builder.call(popcount, [builder.xor(code, word)])
            for code, word in zip(codes, query, strict=True)
        ]
        for i, weight in enumerate(self.weights):
            parts[i] = builder.mul(parts[i], weight)
        total = parts[0]
        for part in parts[1:]:
            total = builder.add(total, part)
        return total

    def minimum(self, a: Any, b: Any) -> Any:  # noqa: ANN401
        """Take the lesser of two values, lane by lane."""
        return self.builder.select(self.builder.icmp_signed("<", a, b), a, b)

    def mask(self, lanes: Any) -> Any:  # noqa: ANN401
        """Turn the truth of each lane into a bit."""
        return self.builder.bitcast(lanes, MASK)

    def is_set(self, lanes: Any) -> Any:  # noqa: ANN401
        """Tell whether any lane is true."""
        return self.builder.icmp_unsigned("!=", self.mask(lanes), ir.Constant(MASK, 0))


def first_hit(
    builder: Any,  # noqa: ANN401
    span: Any,  # noqa: ANN401
    under: Callable[[Any], list[Any]],
    *,
    is_set: Callable[[Any], Any],
) -> Any:  # noqa: ANN401
    """Emit a loop over the chunks of ``span`` that ends where some query has a hit.

    Parameters
    ----------
    builder
        Where to emit.
    span
        Pair of rows, a whole number of chunks apart and at least one.
    under
        Emits for the chunk at a row one vector a query, with something set where it has a hit.
    is_set
        Emits whether anything is set in a vector.

    Returns
    -------
    ``16 * row + mask``, bit ``j`` of the mask set where query ``j`` has a hit; or ``16 * stop``.
    """
    start, stop = (builder.extract_value(span, i) for i in range(2))
    before = builder.block
    scan, hit, after, done = (
        builder.append_basic_block(name) for name in ("scan", "hit", "after", "done")
    )
    builder.branch(scan)

    builder.position_at_end(scan)
    row = builder.phi(WORD)
    row.add_incoming(start, before)
    vectors = under(row)
    anywhere = vectors[0]
    for other in vectors[1:]:
        anywhere = builder.or_(anywhere, other)
    builder.cbranch(is_set(anywhere), hit, after)

    builder.position_at_end(hit)
    found = builder.shl(row, ir.Constant(WORD, HIT_BITS))
    for j, vector in enumerate(vectors):
        bit = builder.zext(is_set(vector), WORD)
        found = builder.or_(found, builder.shl(bit, ir.Constant(WORD, j)))
    builder.branch(done)

    builder.position_at_end(after)
    following = builder.add(row, ir.Constant(WORD, CHUNK))
    row.add_incoming(following, after)
    nothing = builder.shl(stop, ir.Constant(WORD, HIT_BITS))
    builder.cbranch(builder.icmp_signed("<", following, stop), scan, done)

    builder.position_at_end(done)
    answer = builder.phi(WORD)
    answer.add_incoming(found, hit)
    answer.add_incoming(nothing, after)
    return answer
