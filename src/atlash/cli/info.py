"""``atlash info``: what a saved reference holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atlash.cli import options
from atlash.cli.tables import print_json, print_reference


def info(
    reference: Annotated[Path, typer.Argument(help="Saved reference (a folder).")],
    verify: Annotated[bool, typer.Option(help="Compare the sum of every file.")] = True,
    as_json: options.AsJson = False,
) -> None:
    """Check a saved REFERENCE and show what it holds."""
    from atlash.reference import Reference

    loaded = Reference.load(reference, verify=verify)
    found = loaded.info()
    if as_json:
        print_json(found)
    else:
        newest = next(v for v in loaded.versions() if v.number == loaded.version)
        print_reference(found, reference, version=newest)
