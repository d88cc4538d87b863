"""``atlash info``: what a saved reference holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from atlash.cli import options
from atlash.cli.frames import check_output, write_table
from atlash.cli.tables import print_json, print_reference, print_written
from atlash.errors import InputError

if TYPE_CHECKING:
    from atlash.reference import Reference


def info(
    reference: Annotated[Path, typer.Argument(help="Saved reference (a folder).")],
    *,
    verify: Annotated[bool, typer.Option(help="Compare the sum of every file.")] = True,
    mined: Annotated[
        Path | None,
        typer.Option(
            help="File to write cells that look mislabelled, and hard ones, to "
            "(.csv, .parquet, .json)."
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Check a saved REFERENCE and show what it holds."""
    from atlash.reference import Reference

    if mined is not None:
        check_output(mined)
    loaded = Reference.load(reference, verify=verify)
    if mined is not None:
        _write_mined(loaded, mined)
    found = loaded.info()
    if as_json:
        print_json(found)
    else:
        newest = next(v for v in loaded.versions() if v.number == loaded.version)
        print_reference(found, reference, version=newest)
        if mined is not None:
            print_written(Console(), mined)


def _write_mined(reference: Reference, output: Path) -> None:
    import pyarrow as pa

    if reference.mined is None:
        msg = (
            "This reference was built without looking for cells that look mislabelled, so there "
            "is no table of them. Build it with --guard or --mine."
        )
        raise InputError(msg)
    write_table(pa.Table.from_pandas(reference.mined, preserve_index=False), output)
