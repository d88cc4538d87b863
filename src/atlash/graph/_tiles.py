"""Squared distances to tiles of places, added in a fixed order; imported on first use.

A tile holds 128 places, axis by axis, so that one instruction works on many places. Distances are
sums of squared differences and not products: they are exactly symmetric, exactly 0 between places
that are alike, and never negative. Every sum runs over the axes in order, whatever stands beside
it, so a distance depends on its two places alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

TILE = 128
"""Places of a tile; with 32 axes it takes half of a first-level cache."""
STEP = 4
"""Axes that are added at once; places are padded by zeros to a multiple of it."""
NOTHING = np.int32(2**31 - 1)
"""More than the bits of any distance; floats of at least 0 are in the order of their bits."""


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def multiply_add(typing_context: Any, a: Any, b: Any, c: Any) -> Any:  # noqa: ANN401
    """Return ``a b + c``, rounded once where the processor can."""
    signature = types.float32(types.float32, types.float32, types.float32)
    return signature, _emit_multiply_add


def _emit_multiply_add(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
    number = ir.FloatType()
    kind: Callable[..., Any] = ir.FunctionType(number, [number] * 3)
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.fmuladd.f32")
    return builder.call(function, list(arguments))


@numba.njit(nogil=True)
def pair_distances(
    first: Floats, second: Floats, tile: Floats, to_first: Floats, to_second: Floats
) -> None:
    """Write the squared distances of two places to the places of a tile.

    Two at once read the tile once. Sums are kept in ``to_first`` and ``to_second``, ``(TILE,)``.
    """
    to_first[:] = np.float32(0)
    to_second[:] = np.float32(0)
    for axis in range(0, len(first), STEP):
        a0, a1, a2, a3 = first[axis], first[axis + 1], first[axis + 2], first[axis + 3]
        b0, b1, b2, b3 = second[axis], second[axis + 1], second[axis + 2], second[axis + 3]
        for i in range(TILE):
            a, b = to_first[i], to_second[i]
            x = tile[axis, i]
            a = multiply_add(a0 - x, a0 - x, a)
            b = multiply_add(b0 - x, b0 - x, b)
            x = tile[axis + 1, i]
            a = multiply_add(a1 - x, a1 - x, a)
            b = multiply_add(b1 - x, b1 - x, b)
            x = tile[axis + 2, i]
            a = multiply_add(a2 - x, a2 - x, a)
            b = multiply_add(b2 - x, b2 - x, b)
            x = tile[axis + 3, i]
            a = multiply_add(a3 - x, a3 - x, a)
            b = multiply_add(b3 - x, b3 - x, b)
            to_first[i], to_second[i] = a, b


@numba.njit(cache=True, nogil=True)
def all_distances(places: Floats, tiles: Floats, out: Floats) -> None:
    """Write the squared distances of places to those of tiles, ``(n, n_others)``."""
    to_first, to_second = np.empty(TILE, dtype=np.float32), np.empty(TILE, dtype=np.float32)
    n, n_others = out.shape
    for i in range(0, n, 2):
        j = min(i + 1, n - 1)
        for t in range(tiles.shape[0]):
            pair_distances(places[i], places[j], tiles[t], to_first, to_second)
            start, stop = t * TILE, min((t + 1) * TILE, n_others)
            out[i, start:stop] = to_first[: stop - start]
            out[j, start:stop] = to_second[: stop - start]


def padded(places: Floats) -> Floats:
    """Return places ``(n, width)`` whose axes are brought to a multiple of `STEP` by zeros."""
    missing = -places.shape[1] % STEP
    return np.ascontiguousarray(np.pad(places, ((0, 0), (0, missing)))) if missing else places


def tiled(places: Floats) -> Floats:
    """Return padded places ``(n, width)`` as tiles ``(n_tiles, width, TILE)``, the last filled."""
    missing = -len(places) % TILE
    whole = np.pad(places, ((0, missing), (0, 0)))
    return np.ascontiguousarray(whole.reshape(-1, TILE, places.shape[1]).transpose(0, 2, 1))
