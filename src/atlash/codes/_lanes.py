"""Chunks of 64 codes in vector registers: LLVM's vector popcount, written as numba intrinsics.

Planes are named by the addresses of their words, queries and limits by the address of their
first entry. A chunk is eight vectors of eight codes; LLVM cuts them to what the processor has.
Weights are those of the first words, and further words weigh 1: no multiplication is emitted
for them.

numba's cache watches the files of the kernels, not this one: whoever changes it here empties
``__pycache__``.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from atlash.codes._emit import CHUNK, N_LANES, VECTOR, WORD, Lanes, first_hit

BLOCK = 32
"""Codes that are held in registers while centres pass over them."""
GROUP = 4
"""Queries that pass together over a chunk, while its codes are in registers."""
WORD_BYTES = 8

Address = int
Addresses = tuple[int, ...]


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def distance_at(
    typing_context: Any,  # noqa: ANN401
    planes: Any,  # noqa: ANN401
    weights: Any,  # noqa: ANN401
    query: Any,  # noqa: ANN401
    row: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Distance of one query to the code at ``row``, without vectors."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        lanes = Lanes(builder, signature, arguments, kind=WORD)
        return lanes.distances(lanes.codes(arguments[3]), lanes.query(arguments[2], 0))

    return types.int64(planes, weights, query, row), emit


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def word_at(typing_context: Any, address: Any) -> Any:  # noqa: ANN401
    """Read the signed 64-bit number at an address."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        return builder.load(builder.inttoptr(arguments[0], WORD.as_pointer()), align=8)

    return types.int64(address), emit


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator, unused-ignore]
def next_hit(  # noqa: PLR0917 - numba takes arguments by position
    typing_context: Any,  # noqa: ANN401
    planes: Any,  # noqa: ANN401
    weights: Any,  # noqa: ANN401
    queries: Any,  # noqa: ANN401
    limits: Any,  # noqa: ANN401
    span: Any,  # noqa: ANN401
    group: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Find the first chunk of ``span`` in which some query has a code under its limit.

    Span and answer are those of :func:`atlash.codes._emit.first_hit`.
    """
    n_queries = group.literal_value

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        lanes = Lanes(builder, signature, arguments)
        asked = [lanes.query(arguments[2], j) for j in range(n_queries)]
        limit = [lanes.splat(lanes.read(arguments[3], j)) for j in range(n_queries)]

        def under(row: Any) -> list[Any]:  # noqa: ANN401
            return chunk_under(lanes, row, queries=asked, limits=limit)

        return first_hit(builder, arguments[4], under, is_set=lanes.is_set)

    return types.int64(planes, weights, queries, limits, span, group), emit


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def lanes_under(  # noqa: PLR0917 - numba takes arguments by position
    typing_context: Any,  # noqa: ANN401
    planes: Any,  # noqa: ANN401
    weights: Any,  # noqa: ANN401
    query: Any,  # noqa: ANN401
    limit: Any,  # noqa: ANN401
    row: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Mark the codes of the chunk from ``row`` on that are nearer than ``limit``: 64 bits."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        lanes = Lanes(builder, signature, arguments)
        asked = lanes.query(arguments[2], 0)
        limits = lanes.splat(arguments[3])
        mask = ir.Constant(WORD, 0)
        for step in range(0, CHUNK, N_LANES):
            codes = lanes.codes(builder.add(arguments[4], ir.Constant(WORD, step)))
            under = builder.icmp_signed("<", lanes.distances(codes, asked), limits)
            part = builder.zext(lanes.mask(under), WORD)
            mask = builder.or_(mask, builder.shl(part, ir.Constant(WORD, step)))
        return mask

    return types.uint64(planes, weights, query, limit, row), emit


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def closest_centres(  # noqa: PLR0917 - numba takes arguments by position
    typing_context: Any,  # noqa: ANN401
    planes: Any,  # noqa: ANN401
    weights: Any,  # noqa: ANN401
    centres: Any,  # noqa: ANN401
    n_centres: Any,  # noqa: ANN401
    row: Any,  # noqa: ANN401
    keys: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Write the least ``distance * 2^32 + centre`` of each of ``BLOCK`` codes to ``keys``.

    The codes are those from ``row`` on; ``centres`` and ``keys`` are addresses, and there is at
    least one centre.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        lanes = Lanes(builder, signature, arguments)
        steps = range(0, BLOCK, N_LANES)
        codes = [lanes.codes(builder.add(arguments[4], ir.Constant(WORD, i))) for i in steps]
        before = builder.block
        scan, done = (builder.append_basic_block(name) for name in ("scan", "done"))
        builder.branch(scan)

        builder.position_at_end(scan)
        centre = builder.phi(WORD)
        least = [builder.phi(VECTOR) for _ in steps]
        step = builder.mul(centre, ir.Constant(WORD, 8 * lanes.n_words))
        asked = lanes.query(builder.add(arguments[2], step), 0)
        number, places = lanes.splat(centre), lanes.splat(ir.Constant(WORD, 32))
        lesser = []
        for some, best in zip(codes, least, strict=True):
            far = builder.shl(lanes.distances(some, asked), places)
            lesser.append(lanes.minimum(best, builder.or_(far, number)))
            best.add_incoming(ir.Constant(VECTOR, [2**63 - 1] * N_LANES), before)
            best.add_incoming(lesser[-1], scan)
        following = builder.add(centre, ir.Constant(WORD, 1))
        centre.add_incoming(ir.Constant(WORD, 0), before)
        centre.add_incoming(following, scan)
        builder.cbranch(builder.icmp_signed("<", following, arguments[3]), scan, done)

        builder.position_at_end(done)
        for i, best in zip(steps, lesser, strict=True):
            place = builder.add(arguments[5], ir.Constant(WORD, 8 * i))
            builder.store(best, builder.inttoptr(place, VECTOR.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(planes, weights, centres, n_centres, row, keys), emit


def chunk_under(lanes: Lanes, row: Any, *, queries: list[Any], limits: list[Any]) -> list[Any]:  # noqa: ANN401
    """Emit for each query the lanes in which one of the chunk's codes is under its limit."""
    builder = lanes.builder
    least: list[Any] = [None] * len(queries)
    for step in range(0, CHUNK, N_LANES):
        codes = lanes.codes(builder.add(row, ir.Constant(WORD, step)))
        for j, query in enumerate(queries):
            far = lanes.distances(codes, query)
            least[j] = far if least[j] is None else lanes.minimum(least[j], far)
    return [
        builder.icmp_signed("<", each, limit) for each, limit in zip(least, limits, strict=True)
    ]
