"""A question to planes: checked, cut in shares for threads, in the form that kernels take."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from platform import machine
from typing import TYPE_CHECKING, Literal

import numpy as np

from atlash.codes.pack import as_words
from atlash.codes.planes import check_codes, check_planes
from atlash.progress import n_threads_or_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from atlash.codes.planes import Planes

Path = Literal["tables", "vector", "portable"]

VECTOR_MACHINES = {"x86_64", "amd64", "aarch64", "arm64"}
ALIGNMENT = 64
GROUP = 4
"""Queries that pass together over a block of codes; see :mod:`atlash.codes._lanes`."""
MAX_WEIGHTED = 65535
THREAD_WORTH = 2**22
"""Comparisons that a thread must have to itself: below a millisecond starting it costs more."""


@dataclass(frozen=True)
class Question:
    """A checked question to planes, in the form that kernels take.

    Attributes
    ----------
    words
        Queries ``(q, n_words)``, uint64.
    planes
        ``(n_words, n)``, uint64.
    weights
        Weights of the first words; further words weigh 1.
    most
        Greatest distance there can be.
    vector
        Whether kernels use vectors of their own.
    n_threads
        Threads that the work is worth.
    """

    words: NDArray[np.uint64]
    planes: Planes
    weights: tuple[int, ...]
    most: int
    vector: bool
    n_threads: int

    @property
    def addresses(self) -> tuple[int, ...]:
        """Address of each word's plane."""
        start, step = self.planes.ctypes.data, 8 * self.planes.shape[1]
        return tuple(start + step * word for word in range(len(self.planes)))

    def blocks(self, size: int) -> list[slice]:
        """Cut the queries in blocks of at most ``size``, at least one a thread if they suffice."""
        n = len(self.words)
        if n >= GROUP * self.n_threads:
            size = min(size, -(-n // self.n_threads))
        size = max(GROUP, -(-size // GROUP) * GROUP)
        return [slice(first, min(first + size, n)) for first in range(0, n, size)]

    def spans(self) -> list[tuple[int, int]]:
        """Cut the rows, one span a thread, where there are too few queries to share out."""
        n = self.planes.shape[1]
        n_spans = 1 if len(self.words) >= GROUP * self.n_threads else self.n_threads
        return spread(n, n_spans, ALIGNMENT)

    def share_out(self, task: Callable[[slice, tuple[int, int], int], None], size: int) -> None:
        """Run ``task(block, span, number of the span)`` for all of them on all threads."""
        spans = list(enumerate(self.spans()))
        blocks = self.blocks(size)
        self.run([partial(task, block, span, i) for block in blocks for i, span in spans])

    def run(self, tasks: list[Callable[[], None]]) -> None:
        """Run all tasks on all threads; the first error is raised."""
        if self.n_threads == 1 or len(tasks) == 1:
            for task in tasks:
                task()
            return
        with ThreadPoolExecutor(self.n_threads) as pool:
            for done in [pool.submit(task) for task in tasks]:
                done.result()


def spread(n: int, n_parts: int, multiple: int = 1) -> list[tuple[int, int]]:
    """Cut ``n`` places in at most ``n_parts`` like parts that start at multiples of a number."""
    step = max(1, -(-n // (n_parts * multiple))) * multiple
    return [(first, min(first + step, n)) for first in range(0, n, step)]


def default_path() -> Path:
    """Return the faster of the paths: vectors, unless nothing is known of the processor.

    Measured for 128 bits on one x86 processor, compiled for several: vectors take .11 against .33
    of a millisecond for a million codes with AVX-512, .35 against .43 with AVX2, 1.8 against 2.9
    with SSE2, and .71 against .68 with SSE4.2 and popcnt. ARM was not measured. Vectors need a
    little-endian processor.
    """
    known = machine().lower() in VECTOR_MACHINES and sys.byteorder == "little"
    return "vector" if known else "portable"


def ask(
    queries: NDArray[np.uint8],
    planes: Planes,
    *,
    part_weights: Sequence[int] | None,
    n_threads: int | None,
    path: Path | None,
) -> Question:
    """Check a question and bring it into the form that kernels take.

    Raises
    ------
    ValueError
        If queries, planes and weights do not fit.
    """
    check_planes(planes)
    check_codes(queries, planes)
    weights = check_weights(part_weights, len(planes))
    work = len(queries) * planes.shape[1]
    n_useful = work // THREAD_WORTH if n_threads is None else n_threads
    return Question(
        words=np.ascontiguousarray(as_words(queries)),
        planes=planes,
        weights=leading(weights),
        most=64 * sum(weights),
        vector=(path or default_path()) != "portable",
        n_threads=max(1, min(n_threads_or_all(n_threads), n_useful)),
    )


def leading(weights: tuple[int, ...]) -> tuple[int, ...]:
    """Drop the ones at the end: kernels do not multiply by them."""
    while weights and weights[-1] == 1:
        weights = weights[:-1]
    return weights


def check_weights(part_weights: Sequence[int] | None, n_words: int) -> tuple[int, ...]:
    """Return one weight a word; refuse other numbers of them and weights out of range."""
    if part_weights is None:
        return (1,) * n_words
    weights = tuple(int(weight) for weight in part_weights)
    if len(weights) != n_words or weights != tuple(part_weights):
        msg = f"One whole number for each of the {n_words} words is needed; found {part_weights}."
        raise ValueError(msg)
    if min(weights) < 0 or not 1 <= sum(weights) <= MAX_WEIGHTED // 64:
        msg = (
            f"Weights must not be negative, and add up to 1 to {MAX_WEIGHTED // 64}; "
            f"found {weights}. (65, 1) ranks by the first word, then by the second."
        )
        raise ValueError(msg)
    return weights
