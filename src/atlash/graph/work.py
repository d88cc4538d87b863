"""What the functions of this room share: places checked, and spans of work for threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from atlash.errors import EmptyInputError, InvalidValuesError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

Span = tuple[int, int]


def as_places(Z: ArrayLike, *, what: str = "Z") -> NDArray[np.float32]:
    """Return places as a contiguous array ``(n, d)``, float32, checked.

    Parameters
    ----------
    Z
        Places of cells, two axes, finite.
    what
        How a message names them.

    Raises
    ------
    ValueError
        If there are not two axes, or the second one is empty.
    EmptyInputError
        If there is no row.
    InvalidValuesError
        If an entry is NaN or infinite, also after rounding to float32.
    """
    given = np.asarray(Z)
    if given.ndim != 2 or given.shape[1] == 0:
        msg = f"`{what}` must be cells x axes, for example (2,000, 30); found shape {given.shape}."
        raise ValueError(msg)
    if len(given) == 0:
        msg = f"`{what}` holds no cell; at least one is needed."
        raise EmptyInputError(msg)
    with np.errstate(over="ignore"):
        places = np.ascontiguousarray(given, dtype=np.float32)
    finite = np.isfinite(places).all(axis=1)
    if not finite.all():
        row = int(np.argmin(finite))
        msg = (
            f"`{what}` has NaN or infinite entries in {int((~finite).sum()):,} of {len(given):,} "
            f"rows, the first in row {row}; finite float32 numbers are needed. Leave these rows "
            "out, or look where they come from."
        )
        raise InvalidValuesError(msg)
    return places


def check_at_least(name: str, value: int, least: int) -> None:
    """Refuse an option that is below its least value.

    Raises
    ------
    ValueError
        If it is.
    """
    if value < least:
        msg = f"`{name}` must be at least {least}; found {value}."
        raise ValueError(msg)


def check_buckets(bucket: ArrayLike, n_cells: int, n_buckets: int) -> NDArray[np.int32]:
    """Return the bucket of each cell ``(n_cells,)``, int32, checked.

    Raises
    ------
    ValueError
        If there is not one whole number a cell, or one is not in ``[0, n_buckets)``.
    """
    given = np.asarray(bucket)
    if given.shape != (n_cells,) or not np.issubdtype(given.dtype, np.integer):
        msg = (
            f"One bucket a cell is needed, {n_cells:,} whole numbers; found shape {given.shape} "
            f"of {given.dtype}."
        )
        raise ValueError(msg)
    if n_cells and not 0 <= given.min() <= given.max() < n_buckets:
        msg = (
            f"Buckets must be numbers from 0 to {n_buckets - 1}; found {given.min()} to "
            f"{given.max()}. Give the centres, or the number of buckets, that they belong to."
        )
        raise ValueError(msg)
    return np.ascontiguousarray(given, dtype=np.int32)


def spread(n: int, n_parts: int) -> list[Span]:
    """Cut ``n`` places in at most ``n_parts`` like spans."""
    step = max(1, -(-n // n_parts))
    return [(first, min(first + step, n)) for first in range(0, n, step)]


def run_spans(work: Callable[[Span], None], spans: list[Span], n_threads: int) -> None:
    """Run ``work`` on all spans on so many threads; the first error is raised.

    Parameters
    ----------
    work
        What to do; compiled code that releases the GIL and writes to its own span alone, so that
        the result does not depend on the order.
    spans
        What to do it to.
    n_threads
        Threads; 1 works in the caller's.
    """
    if n_threads == 1 or len(spans) == 1:
        for span in spans:
            work(span)
        return
    with ThreadPoolExecutor(n_threads) as pool:
        for done in [pool.submit(work, span) for span in spans]:
            done.result()
