"""Progress of long work, on standard error."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class Advance(Protocol):
    """Told of work done; may be called from any thread."""

    def __call__(self, steps: int = 1, note: str = "") -> None:
        """Note that so many steps are done, and show a note beside the bar."""


@contextmanager
def track(description: str, total: int, *, show: bool) -> Iterator[Advance]:
    """Show a bar while the block runs, where somebody sees it, and yield what moves it.

    Parameters
    ----------
    description
        What is being done.
    total
        Number of steps.
    show
        False yields something that does nothing.
    """
    if not show:
        yield lambda steps=1, note="": None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    console = Console(stderr=True)
    seen = console.is_terminal or console.is_jupyter  # a log would get an empty line
    with Progress(*columns, console=console, transient=True, disable=not seen) as progress:
        task = progress.add_task(description, total=total, note="")
        yield lambda steps=1, note="": progress.update(task, advance=steps, note=note)


def n_threads_or_all(n_threads: int | None) -> int:
    """Return the number of threads asked for, or of cores that this process may use."""
    if n_threads is not None:
        return n_threads
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
