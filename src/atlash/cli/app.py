"""The ``atlash`` command: its parts, and how errors leave it.

Exit codes: 0 done; 1 the input, reference or output is at fault, with a message that says
what to do; 2 the command line itself is wrong; 130 interrupted.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from atlash.cli.annotate import annotate
from atlash.cli.assign import assign
from atlash.cli.audit import audit
from atlash.cli.build import build
from atlash.cli.cluster import cluster
from atlash.cli.demo import demo
from atlash.cli.evaluate import evaluate
from atlash.cli.grow import add, merge, register, remove
from atlash.cli.info import info
from atlash.cli.kernels import provide_cache
from atlash.cli.messages import options_of, report
from atlash.cli.pretrain import pretrain
from atlash.cli.search import search
from atlash.errors import AtlashError

if TYPE_CHECKING:
    from collections.abc import Callable

app = typer.Typer(
    name="atlash",
    help="Short binary hash codes for single-cell atlases: annotate, search and cluster cells.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
COMMANDS = (
    build, annotate, evaluate, search, cluster, assign, pretrain, add, register, remove, merge,
    audit, info, demo,
)  # fmt: skip
for command in COMMANDS:
    app.command()(command)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"atlash {version('atlash')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Short binary hash codes for single-cell atlases: annotate, search and cluster cells."""


def _called(arguments: list[str]) -> Callable[..., None] | None:
    """Return the command that was called."""
    commands = {command.__name__: command for command in COMMANDS}
    return next((commands[word] for word in arguments if word in commands), None)


def _options_of(arguments: list[str]) -> dict[str, str]:
    """Return the options of the command that was called, by the names that they have in Python."""
    called = _called(arguments)
    return {} if called is None else options_of(called)


def main() -> None:
    """Run the command and turn atlash's own errors into messages."""
    try:
        if "--help" not in sys.argv[1:] and _called(sys.argv[1:]) is not None:
            provide_cache()
        app()
    except AtlashError as error:
        report(error, _options_of(sys.argv[1:]))
        sys.exit(1)
    except KeyboardInterrupt:  # before typer, which hides it in an exit
        _interrupted()
    except SystemExit as end:
        if isinstance(getattr(end.__context__, "__cause__", None), KeyboardInterrupt):
            _interrupted()
        raise


def _interrupted() -> NoReturn:
    typer.echo("Interrupted; no file was left half-written.", err=True)
    sys.exit(130)
