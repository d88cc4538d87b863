"""Chunks worked on by several threads, results in order, few chunks in memory."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(
    work: Callable[[Item], Result], items: Iterable[Item], *, n_threads: int
) -> Iterator[Result]:
    """Yield ``work(item)`` for each item, in order.

    Items are drawn by the caller's thread, at most ``n_threads + 1`` ahead, so that memory
    stays that of a few chunks.

    Parameters
    ----------
    work
        What to do; runs in other threads, so compiled code must release the GIL to gain.
    items
        What to do it to.
    n_threads
        Threads; 1 works in the caller's.
    """
    if n_threads == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(n_threads) as pool:
        pending: deque[Future[Result]] = deque()
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) > n_threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
