"""Weighted sums of matrix rows, whose parts stay in vector registers; imported on first use.

A plain loop loads and stores the sum for every row that it adds. Here the sum of a block of
columns is held in registers while all rows pass, which leaves the loads of the matrix alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from atlash.nn.tiles import LANES

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

_WIDTH = LANES // 2
_INT32, _INT64 = ir.IntType(32), ir.IntType(64)
_FLOATS, _WORDS = ir.VectorType(ir.FloatType(), _WIDTH), ir.VectorType(_INT32, _WIDTH)


def _block(n_vectors: int) -> Callable[..., None]:
    """Return what adds rows to so many vectors of a sum, an even number, from a column on."""

    @intrinsic  # type: ignore[untyped-decorator, unused-ignore]
    def add_block(  # noqa: PLR0917
        typing_context: Any,  # noqa: ANN401
        values: Any,  # noqa: ANN401
        rows: Any,  # noqa: ANN401
        start: Any,  # noqa: ANN401
        stop: Any,  # noqa: ANN401
        matrix: Any,  # noqa: ANN401
        column: Any,  # noqa: ANN401
        out: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        signature = types.void(values, rows, types.int64, types.int64, matrix, types.int64, out)
        return signature, _emitter(n_vectors, pairs=matrix.dtype == types.uint32)

    return add_block  # type: ignore[no-any-return]


def _emitter(n_vectors: int, *, pairs: bool) -> Callable[..., Any]:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        def array(place: int) -> Any:  # noqa: ANN401
            return context.make_array(signature.args[place])(context, builder, arguments[place])

        values, rows, matrix, out = array(0), array(1), array(4), array(6)
        _, _, start, stop, _, column, _ = arguments
        width = cgutils.unpack_tuple(builder, matrix.shape)[1]
        offset = builder.lshr(column, ir.Constant(_INT64, 1)) if pairs else column
        sums = builder.gep(out.data, [column])
        before = _floats(builder, sums, n_vectors)
        entry = builder.block
        head, body, done = (builder.append_basic_block(name) for name in ("head", "body", "done"))
        builder.branch(head)

        builder.position_at_end(head)
        at = builder.phi(_INT64)
        totals = [builder.phi(_FLOATS) for _ in before]
        builder.cbranch(builder.icmp_signed("<", at, stop), body, done)

        builder.position_at_end(body)
        value = _spread(builder, builder.load(builder.gep(values.data, [at])))
        row = builder.sext(builder.load(builder.gep(rows.data, [at])), _INT64)
        first = builder.gep(matrix.data, [builder.add(builder.mul(row, width), offset)])
        found = (_pairs if pairs else _floats)(builder, first, n_vectors)
        after = [
            _multiply_add(builder, value, vector, total)
            for vector, total in zip(found, totals, strict=True)
        ]
        at.add_incoming(start, entry)
        at.add_incoming(builder.add(at, ir.Constant(_INT64, 1)), body)
        for total, old, new in zip(totals, before, after, strict=True):
            total.add_incoming(old, entry)
            total.add_incoming(new, body)
        builder.branch(head)

        builder.position_at_end(done)
        for k, total in enumerate(totals):
            builder.store(total, _place(builder, sums, k, _FLOATS), align=4)
        return context.get_dummy_value()

    return emit


def _place(builder: Any, first: Any, k: int, kind: ir.VectorType) -> Any:  # noqa: ANN401
    """Return the place of the ``k``-th vector from ``first`` on."""
    return builder.bitcast(
        builder.gep(first, [ir.Constant(_INT64, _WIDTH * k)]), kind.as_pointer()
    )


def _floats(builder: Any, first: Any, n_vectors: int) -> list[Any]:  # noqa: ANN401
    """Load vectors of floats that follow each other."""
    places = [_place(builder, first, k, _FLOATS) for k in range(n_vectors)]
    return [builder.load(place, align=4) for place in places]


def _pairs(builder: Any, first: Any, n_vectors: int) -> list[Any]:  # noqa: ANN401
    """Load vectors of words, and return the two vectors of floats that each of them is."""
    found = []
    for k in range(n_vectors // 2):
        words = builder.load(_place(builder, first, k, _WORDS), align=4)
        shifted = builder.shl(words, ir.Constant(_WORDS, [16] * _WIDTH))
        found += [builder.bitcast(shifted, _FLOATS), builder.bitcast(words, _FLOATS)]
    return found


def _spread(builder: Any, value: Any) -> Any:  # noqa: ANN401
    """Return a vector of one value."""
    nothing = ir.Constant(_FLOATS, ir.Undefined)
    one = builder.insert_element(nothing, value, ir.Constant(_INT32, 0))
    return builder.shuffle_vector(one, nothing, ir.Constant(_WORDS, [0] * _WIDTH))


def _multiply_add(builder: Any, a: Any, b: Any, c: Any) -> Any:  # noqa: ANN401
    """Return ``a b + c``, rounded once where the processor can."""
    kind = ir.FunctionType(_FLOATS, [_FLOATS] * 3)
    name = f"llvm.fmuladd.v{_WIDTH}f32"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [a, b, c])


_add_eight, _add_four, _add_two = _block(8), _block(4), _block(2)


@numba.njit(cache=True, nogil=True)
def add_rows(  # noqa: PLR0917
    values: NDArray[np.float32],
    rows: NDArray[np.int32],
    start: int,
    stop: int,
    matrix: NDArray[np.float32] | NDArray[np.uint32],
    out: NDArray[np.float32],
) -> None:
    """Add ``values[k] * matrix[rows[k]]`` to ``out`` for ``k`` from ``start`` up to ``stop``.

    Every element adds up in the order of ``k``. All arrays are contiguous; ``matrix`` holds
    floats or, as uint32, pairs (`atlash.nn.tiles.paired`). ``out`` is a multiple of ``LANES``
    wide, and the matrix at least as wide. Nothing is checked.
    """
    column, width = 0, out.shape[0]
    while column + 4 * LANES <= width:
        _add_eight(values, rows, start, stop, matrix, column, out)
        column += 4 * LANES
    while column + 2 * LANES <= width:
        _add_four(values, rows, start, stop, matrix, column, out)
        column += 2 * LANES
    while column < width:
        _add_two(values, rows, start, stop, matrix, column, out)
        column += LANES
