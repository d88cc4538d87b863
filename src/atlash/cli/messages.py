"""What the command line says on standard error."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from atlash.errors import AtlashError


def report(error: AtlashError) -> None:
    """Print an error of atlash's own: its message, no traceback."""
    Console(stderr=True).print(Text("Error: ", style="bold red") + Text(str(error)))


@contextmanager
def warnings_as_notes() -> Iterator[None]:
    """Print warnings as notes a person can read, each once."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        try:
            yield
        finally:
            console = Console(stderr=True)
            for message in dict.fromkeys(str(w.message) for w in caught if _is_ours(w)):
                console.print(Text("Note: ", style="bold yellow") + Text(message))


def _is_ours(warning: warnings.WarningMessage) -> bool:
    return warning.category.__module__.startswith("atlash.")
