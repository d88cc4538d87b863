"""What the command line says on standard error."""

from __future__ import annotations

import re
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from atlash.errors import AtlashError

_ARGUMENT = re.compile(r"`(\w+)(?:=('[^']*'|True))?`")
"""An argument of Python in a message: `layer='raw'`, `overwrite=True` or `exclude`."""

_IN_PYTHON = {
    "bits": "n_bits",
    "buckets": "n_buckets",
    "genes": "n_genes",
    "heads": "n_heads",
    "known_parent": "parent",
    "layers": "n_layers",
    "neighbors": "n_neighbors",
    "parent": "parents",
    "seed": "random_state",
    "steps": "n_steps",
    "threads": "n_threads",
    "tokens": "n_tokens",
}
"""Arguments of Python that are called otherwise, by the parameter of a command."""


def report(error: AtlashError, options: Mapping[str, str]) -> None:
    """Print an error of atlash's own: its message, no traceback.

    Parameters
    ----------
    error
        The error. Its message speaks of Python's arguments.
    options
        Options of the command by the name of the argument: these take its place.
    """
    told = Text("Error: ", style="bold red") + Text(in_options(str(error), options))
    Console(stderr=True).print(told)


def options_of(command: Callable[..., None]) -> dict[str, str]:
    """Return the options of a command, by the names that they have in Python."""
    alone = typer.Typer(add_completion=False)
    alone.command()(command)
    return {
        _IN_PYTHON.get(str(parameter.name), str(parameter.name)): option
        for parameter in typer.main.get_command(alone).params
        for option in parameter.opts
        if option.startswith("--")
    }


def in_options(message: str, options: Mapping[str, str]) -> str:
    """Return a message with arguments as they are spelled on the command line."""

    def spelled(match: re.Match[str]) -> str:
        option = options.get(match[1])
        if option is None:
            return match[0]
        return option if match[2] in (None, "True") else f"{option} {match[2]}"

    return _ARGUMENT.sub(spelled, message)


@contextmanager
def warnings_as_notes(command: Callable[..., None]) -> Iterator[None]:
    """Print warnings as notes a person can read, each once, in the options of a command."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        try:
            yield
        finally:
            console = Console(stderr=True)
            messages = dict.fromkeys(str(w.message) for w in caught if _is_ours(w))
            options = options_of(command) if messages else {}
            for message in messages:
                told = Text(in_options(message, options))
                console.print(Text("Note: ", style="bold yellow") + told)


def _is_ours(warning: warnings.WarningMessage) -> bool:
    return warning.category.__module__.startswith("atlash.")
